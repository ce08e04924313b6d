# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/bench, and a whole measurement from it."""

import argparse
import contextlib
import pathlib
import shutil
import signal
import sys
import tempfile

from . import machine, report
from .guests import PumpGuests, Wishes
from .measure import Plan, measure
from .ovs import OvsStaticSwitch, OvsSwitch
from .process import BenchError
from .station import Station
from .switch import Setup
from .testpmd import MEMORY_MIB, TestpmdGuests, TestpmdSwitch
from .vuswitch import VuswitchSwitch, find_vuswitch

DESCRIPTION = """\
Measure vuswitch beside its peers: guests on one CPU, the switch on another, frames of one size
going both ways as fast as the switch takes them. Prints Mpps (frames that reached the guests, both
directions together), cycles per packet of the switch's CPU, and how many times its peers vuswitch
is. All switches of a round exist together and take their windows in turn, each frozen while
another has its turn. docs/benchmarks.md explains the method."""

EPILOG = """\
examples:
  scripts/bench                                   everything that is installed, 3 rounds
  scripts/bench --switches vuswitch,ovs --sizes 64 --rounds 1
  scripts/bench --switches vuswitch --vuswitch build-old/app/vuswitch/vuswitch --vuswitch build/app/vuswitch/vuswitch
                                                  two builds against each other
  scripts/bench --testpmd ~/dpdk/build/app/dpdk-testpmd --ring 1024 --json result.json
  scripts/bench --generator testpmd               guests that are DPDK's own, and cost more"""


def main(arguments):
    """Run it; the exit status."""
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return bench(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted, everything it started has ended", file=sys.stderr)
        return 130


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--switches", metavar="LIST", help="which of vuswitch,testpmd,ovs,ovs-static, in this order "
        "(default: the first three, where installed)")
    add("--vuswitch", metavar="PATH", action="append", help="the vuswitch to measure (default: "
        "the one in $VUSWITCH_BUILD, or in build/); repeatable, to compare builds: the first is the "
        "reference, the others are vuswitch:2, ...")
    add("--testpmd", metavar="PATH", action="append", default=[],
        help="measure this testpmd's vhost port too; repeatable")
    add("--generator", metavar="KIND", default="fake", help="who plays the guests: fake, our own that "
        "cost almost nothing; testpmd, virtio-user ports of DPDK's; or the PATH of a testpmd "
        "(default: %(default)s)")
    add("--sizes", metavar="LIST", type=_sizes, default=[64, 512, 1518],
        help="bytes of a frame without CRC (default: 64,512,1518)")
    add("--ring", type=int, default=256, choices=(256, 512, 1024),
        help="entries of each virtqueue (default: %(default)s, as QEMU's)")
    add("--packed", action="store_true", help="packed rings")
    add("--regions", type=_count, default=1, metavar="N", help="a guest's memory in so many regions, "
        "frames spread over them all (fake; a peer built on DPDK takes 8)")
    add("--macs", type=_count, default=1, metavar="N", help="addresses that each guest sends from and to, "
        "in turn (fake)")
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
    return parser.parse_args(arguments)


def bench(options):
    """All rounds; prints as it goes."""
    machine.check_cpus([options.generator_cpu, options.switch_cpu])
    if options.generator_cpu == options.switch_cpu:
        raise BenchError("the generator and the switch need a CPU each: --generator-cpu, "
                         "--switch-cpu")
    guests = choose_guests(options)
    switches = choose_switches(options)
    hugepages = choose_memory(options, len(switches))
    plan = Plan(windows=options.windows, attempts=2 * options.windows + 1)
    facts = machine.describe(options.generator_cpu, options.switch_cpu,
                             "2 MiB hugepages" if hugepages else "no hugepages")
    _introduce(options, facts)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vuswitch-bench-"))
    rounds, versions, failures = [], {}, []
    try:
        trip = machine.line_trip(directory, options.generator_cpu, options.switch_cpu)
        for number in range(1, options.rounds + 1):
            rounds.append([])
            with contextlib.ExitStack() as ends:
                stations = []
                for kind in switches:
                    try:
                        station = settle(kind, guests, lambda attempt, kind=kind: _setup(
                            options, directory / f"{number}-{kind.label}-{attempt}", hugepages))
                    except BenchError as error:
                        failures.append(f"round {number}: {kind.label} failed: {error}")
                        print(failures[-1], flush=True)
                        continue
                    ends.callback(station.stop)
                    stations.append(station)
                    versions[kind.label] = station.switch.version
                failures += one_round(stations, options, plan, trip, facts["tsc_hz"], rounds[-1], number)
    finally:
        if options.keep_logs:
            print(f"logs: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    _conclude(options, plan, facts, versions, rounds)
    return 1 if failures else 0


def settle(kind, guests, make_setup):
    """A station; a second attempt if need be, for Open vSwitch sometimes stops listening to a front end for good."""
    try:
        return Station(kind, make_setup(1), guests)
    except BenchError as error:
        print(f"  {kind.label}: {error}: once more", flush=True)
        return Station(kind, make_setup(2), guests)


def _setup(options, directory, hugepages):
    directory.mkdir()
    return Setup(directory, options.switch_cpu, hugepages, pairs=options.bridges,
                 mtu=max(1500, max(options.sizes) - 14), macs=options.macs)


def one_round(stations, options, plan, trip, tsc_hz, runs, number):
    """All sizes at all stations; adds to runs. The failures, in words."""
    failures = []
    macs_due = 2 * options.bridges * options.macs
    for size in options.sizes:
        taken, failed = measure(stations, size, plan, trip, tsc_hz, macs_due)
        for station, error in failed:
            failures.append(f"round {number}: {station.label} failed: {error}")
            print(failures[-1], flush=True)
        broken = [station for station, _ in failed]
        stations = [station for station in stations if station not in broken]
        runs += taken
        for run in taken:
            said = "; ".join(run.complaints())
            good = sum(window.good for window in run.windows)
            trips = [window.trip_ns for window in run.windows]
            print(f"  round {number}  {run.switch:<12}{size:>5} bytes {run.mpps:>7.2f} Mpps"
                  f"   line trip {min(trips):.0f} to {max(trips):.0f} ns, "
                  f"{good} of {len(run.windows)} windows good"
                  f"{'   (' + said + ')' if said else ''}", flush=True)
    return failures


def choose_guests(options):
    """The class of the guests, with what all of them have in common."""
    wishes = Wishes(options.generator_cpu, options.ring, options.packed, options.regions, options.macs,
                    max(options.sizes))
    if options.generator == "fake":
        if PumpGuests.missing():
            raise BenchError(PumpGuests.missing())
        return lambda setup, listen: PumpGuests(setup, wishes, listen)
    path = TestpmdGuests.path if options.generator == "testpmd" else options.generator
    if not shutil.which(path):
        raise BenchError(f"{path} not found: apt-get install dpdk, or name a testpmd with --generator PATH")
    if max(options.regions, options.macs, options.bridges) > 1 or max(options.sizes) > 1518:
        raise BenchError("--regions, --macs, --bridges and frames longer than 1518 bytes need --generator fake")
    TestpmdGuests.path = path
    TestpmdGuests.bursts = options.bursts
    TestpmdGuests.devargs = f",{options.generator_devargs}" if options.generator_devargs else ""
    return lambda setup, listen: TestpmdGuests(setup, wishes, listen)


def choose_switches(options):
    """The classes to measure, in order; says which are not installed."""
    builds = options.vuswitch or [find_vuswitch()]
    VuswitchSwitch.path = builds[0]
    known = {kind.label: kind for kind in (VuswitchSwitch, TestpmdSwitch, OvsSwitch, OvsStaticSwitch)}
    wanted = options.switches.split(",") if options.switches else list(known)[:3]
    chosen = []
    for name in wanted:
        if name not in known:
            raise BenchError(f"--switches: '{name}' is none of {', '.join(known)}")
        missing = known[name].missing()
        if missing and options.switches:
            raise BenchError(missing)
        if missing:
            print(f"without {name}: {missing}")
        else:
            chosen.append(known[name])
    chosen += _others("--vuswitch", VuswitchSwitch, builds[1:])
    chosen += _others("--testpmd", TestpmdSwitch, options.testpmd)
    if not chosen:
        raise BenchError("nothing to measure")
    return chosen


def _others(option, kind, paths):
    """The same kind of switch at other paths: name:2, name:3, ..."""
    kinds = [type(f"Other{kind.__name__}", (kind,), {"path": path, "label": f"{kind.label}:{i}"})
             for i, path in enumerate(paths, 2)]
    for other in kinds:
        if other.missing():
            raise BenchError(f"{option} {other.path}: no such program")
    return kinds


def choose_memory(options, switches):
    """True: hugepages. Each switch takes MEMORY_MIB, OVS a little more; so do guests that are a testpmd's."""
    needed = switches * (MEMORY_MIB + (128 if options.generator == "fake" else MEMORY_MIB)) + 256
    free = machine.free_huge_mib()
    if options.no_huge or free >= needed:
        return not options.no_huge
    print(f"only {free} of {needed} MiB of 2 MiB hugepages are free: going without, which costs "
          f"a few percent and leaves out Open vSwitch (mend: sysctl -w vm.nr_hugepages={needed // 2})")
    return False


def _introduce(options, facts):
    print(f"guests on CPU {facts['generator_cpu']}, switch on CPU {facts['switch_cpu']} of "
          f"{facts['cpu']}, TSC {facts['tsc_hz'] / 1e9:.2f} GHz, {facts['memory']}")
    print(f"{'packed' if options.packed else 'split'} rings of {options.ring}, {options.bridges} bridge(s), "
          f"{options.macs} address(es) a guest, memory in {options.regions} region(s), "
          f"guests: {options.generator}, {options.rounds} round(s), frame sizes without CRC", flush=True)


def _conclude(options, plan, facts, versions, rounds):
    rows = report.summarise(rounds, facts["tsc_hz"])
    if not rows:
        return
    print("\n".join(report.table(rows, next(run.switch for round_ in rounds for run in round_))))
    print("\n" + ", ".join(f"{name} {version}" for name, version in versions.items()))
    if options.json:
        wanted = ("generator", "ring", "packed", "regions", "macs", "bridges", "rounds", "sizes", "bursts",
                  "generator_devargs")
        settings = {name: getattr(options, name) for name in wanted} | {"plan": vars(plan)}
        report.write_json(options.json, facts, settings, versions, rows, rounds)


def _interrupt(*_):
    raise KeyboardInterrupt


def _sizes(text):
    sizes = [int(part) for part in text.split(",")]
    if not all(60 <= size <= 9000 for size in sizes):
        raise argparse.ArgumentTypeError("sizes are 60 to 9000")
    return sizes


def _count(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
