# SPDX-License-Identifier: BSD-3-Clause
"""vulab: virtual machines, switches and network namespaces on one machine.

The quickstart, the end-to-end tests and the benchmark (scripts/lib/bench) are written with it. Every wait has a
deadline, every process started here ends with the one that started it, and every error says what was waited for and
shows the end of the log that knows why.

paths      the source tree and what was built of it       process    a child process, its log, its deadline
host       this machine: CPUs, memory, huge pages         net        network namespaces
switch     vuswitch                                       testpmd    DPDK's testpmd: guests, or a switch
ovs        Open vSwitch                                   peers      the two between a guest and a tap
guest      a virtual machine (qmp, shell: asking it)      machine    the kinds of machine it can be
libvirt    one that libvirt runs                          firmware   one that boots from the network
memory     DIMMs and virtio-mem                           migration  from one QEMU to another
flood      pings that know what they lost                 flow       frames that prove themselves
lab        a folder, and everything that was started in it
"""
