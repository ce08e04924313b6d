# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/bench is made of.

process   one child process: log, deadline, cleanup, how much CPU its busiest thread really got
machine   what this machine is: CPUs, TSC, hugepages
testpmd   DPDK's testpmd driven through its prompt; the generator (two virtio-user guests)
switches  the switches under test, one class each, behind one small contract (switch.py)
measure   the windows: what is read when, and which windows are thrown away
report    the table and the JSON
cli       options, the plan of a run, the run
"""
