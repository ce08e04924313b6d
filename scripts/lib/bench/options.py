# SPDX-License-Identifier: BSD-3-Clause
"""The options of scripts/bench."""

import argparse

DESCRIPTION = """\
Measure vuswitch beside its peers: guests on one CPU, the switch on another, frames of one size
going both ways as fast as the switch takes them. Prints Mpps (frames that reached the guests, both
directions together), cycles per packet of the switch's CPU, and how many times its peers vuswitch
is. All switches of a round exist together and take their windows in turn, each frozen while
another has its turn. docs/benchmarks.md explains the method."""

EPILOG = """\
examples:
  scripts/bench                                   everything that is installed, 3 rounds
  scripts/bench latency                           how long a frame takes, idle and at work
  scripts/bench tcp                               two virtual machines and iperf3
  scripts/bench plot result.json more.json --output picture.svg
  scripts/bench --switches vuswitch,ovs --sizes 64 --rounds 1
  scripts/bench --switches vuswitch --vuswitch build-old/app/vuswitch/vuswitch --vuswitch build/app/vuswitch/vuswitch
                                                  two builds against each other
  scripts/bench --testpmd ~/dpdk/build/app/dpdk-testpmd --ring 1024 --json result.json
  scripts/bench --ip --with port:filter-from-vm='"deny tcp dst port 25; allow"' \\
                --ovs-with flow:priority=9,tcp,tp_dst=25,actions=drop
                                                  what a filter costs, here and there
  scripts/bench --generator testpmd               guests that are DPDK's own, and cost more"""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("what", nargs="?", choices=("throughput", "latency", "tcp", "plot"), default="throughput",
        help="tcp: two QEMU guests and iperf3; plot: a picture of files that --json wrote (default: %(default)s)")
    add("files", nargs="*", metavar="FILE", help="plot: what --json wrote, a panel for each")
    add("--output", metavar="FILE", default="benchmark.svg", help="plot: where to (default: %(default)s)")
    add("--switches", metavar="LIST", help="which of vuswitch,testpmd,ovs,ovs-static,vpp (tcp: ovs-tso, linux), in this "
        "order (default: without ovs-static, where installed; vpp with --vpp)")
    add("--vuswitch", metavar="PATH", action="append", help="the vuswitch to measure (default: "
        "the one in $VUSWITCH_BUILD, or in build/); repeatable, to compare builds: the first is the "
        "reference, the others are vuswitch:2, ...")
    add("--with", metavar="SETTINGS", action="append", default=[], dest="settings", help="the first vuswitch with settings of its "
        "bridges and ports, too; repeatable: vuswitch+1, ...; as in 'bridge:vlan-aware=on port:access=10', {mac} and {ip} are a guest's")
    add("--ovs-with", metavar="SETTINGS", action="append", default=[], help="Open vSwitch with settings, too; repeatable: ovs+1, "
        "...; as in 'port:tag=10 interface:ingress_policing_rate=1000000 flow:priority=9,tcp,tp_dst=25,actions=drop'; {port}, too")
    add("--testpmd", metavar="PATH", action="append", default=[],
        help="measure this testpmd's vhost port too; repeatable")
    add("--vpp", metavar="PATH", help="measure this VPP too, which has its vhost plugin and vppctl beside it")
    add("--generator", metavar="KIND", default="fake", help="who plays the guests: fake, our own that "
        "cost almost nothing; testpmd, virtio-user ports of DPDK's; or the PATH of a testpmd "
        "(default: %(default)s)")
    add("--sizes", metavar="LIST", type=_sizes,
        help="bytes of a frame without CRC (default: 64,512,1518)")
    add("--ring", type=int, default=256, choices=(256, 512, 1024),
        help="entries of each virtqueue (default: %(default)s, as QEMU's)")
    add("--packed", action="store_true", help="packed rings")
    add("--regions", type=_count, default=1, metavar="N", help="a guest's memory in so many regions, "
        "frames spread over them all (fake; a peer built on DPDK takes 8)")
    add("--macs", type=_count, default=1, metavar="N", help="addresses that each guest sends from and to, "
        "in turn (fake)")
    add("--straight", action="store_true", help="a ring's buffers in the order of their addresses; default: in "
        "no order, as in a guest that has run for a while (fake)")
    add("--ip", action="store_true", help="frames are UDP datagrams, for settings that look at them (fake)")
    add("--tso", action="store_true", help="frames are TCP segments of up to 65000 bytes, passed on whole to a guest "
        "that takes them (fake; default sizes: 1514,9014,65000)")
    add("--bridges", type=_count, default=1, metavar="N", help="bridges with two guests each (fake)")
    add("--bursts", type=_count, metavar="N", default=0, help="testpmd: frames on their way, in bursts of 32 "
        "from each guest (default: ring / 64: all of them fit one ring, so nothing can be lost)")
    add("--rounds", type=_count, default=3, metavar="N",
        help="rounds; each starts every switch anew (default: %(default)s)")
    add("--windows", type=_count, default=8, metavar="N",
        help="good measuring windows of 0.1 s for each figure in a round (default: %(default)s)")
    add("--generator-cpu", type=int, default=0, metavar="CPU", help="(default: %(default)s)")
    add("--switch-cpu", type=int, default=1, metavar="CPU", help="(default: %(default)s)")
    add("--generator-devargs", metavar="ARGS", default="", help="testpmd: more devargs for the guests' "
        "virtio-user ports, e.g. in_order=0 or mrg_rxbuf=0")
    add("--no-huge", action="store_true", help="do not use 2 MiB hugepages even if there are any")
    add("--json", metavar="FILE", help="write everything that was measured to FILE")
    add("--keep-logs", action="store_true", help="leave the logs of all processes, say where")
    options = parser.parse_args(arguments)
    options.sizes = options.sizes or ([1514, 9014, 65000] if options.tso else [64, 512, 1518])
    least, most = (128, 65000) if options.tso else (60, 9000)
    if not all(least <= size <= most for size in options.sizes):
        parser.error(f"--sizes: {least} to {most}{'' if options.tso else ', longer ones with --tso'}")
    return options


def _sizes(text):
    return [int(part) for part in text.split(",")]


def _count(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
