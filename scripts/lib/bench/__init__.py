# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/bench is made of.

Processes, vuswitch, testpmd, Open vSwitch and virtual machines are vulab's. Here is only what measures them:

cpu       how much of a CPU a thread really got
machine   what the figures depend on, such as the trip of a cache line
contract  what a switch under test is; vuswitch, testpmd, ovs and linux have the classes
guests    the contract of the guests, and those that cost almost nothing (testpmd has the others)
station   a switch with its guests, on its feet and frozen
measure   the windows: what is read when, and which windows are thrown away
report    the table and the JSON
latency   the same for how long a frame is on its way
tcp       virtual machines and iperf3
programs  what comes with tests/perf; scripts/bench-memory, bench-cores and bench-stages have no more than that
scale     the windows of scripts/bench-scale; scale_rows has its cases, scale_control those of the control thread,
          scale_cli the command line
plot      one picture of it
lab       what all measurements begin with
options, cli   the command line
"""
