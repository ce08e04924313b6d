# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/bench is made of.

process   one child process: log, deadline, cleanup, how much CPU its busiest thread really got
machine   what this machine is: CPUs, TSC, hugepages, the trip of a cache line
switch    the contract of a switch under test; vuswitch, testpmd and ovs have the classes
guests    the contract of the guests, and those that cost almost nothing (testpmd has the others)
station   a switch with its guests, on its feet and frozen
measure   the windows: what is read when, and which windows are thrown away
report    the table and the JSON
latency   the same for how long a frame is on its way
tcp       virtual machines and iperf3 (linux: the bridge they may have instead)
plot      one picture of it
lab       what all measurements begin with
options, cli   the command line
"""
