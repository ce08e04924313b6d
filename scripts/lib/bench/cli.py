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
from .measure import Plan, measure
from .process import BenchError
from .switches import OvsSwitch, TestpmdSwitch
from .testpmd import MEMORY_MIB, TX_BURST, Generator
from .vuswitch import VuswitchSwitch, find_vuswitch

DESCRIPTION = """\
Measure vuswitch beside its peers: two guests (one DPDK testpmd with two virtio-user ports,
macswap) on one CPU, the switch on another, a fixed set of frames going round between them.
Prints Mpps (frames that reached the guests, both directions together), cycles per packet of the
switch's CPU, and how many times its peers vuswitch is. docs/benchmarks.md explains the method."""

EPILOG = """\
examples:
  scripts/bench                                   everything that is installed, 3 rounds
  scripts/bench --switches vuswitch,ovs --sizes 64 --rounds 1
  scripts/bench --testpmd ~/dpdk/build/app/dpdk-testpmd --ring 1024 --json result.json"""


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
    add("--switches", metavar="LIST", help="which of vuswitch,testpmd,ovs, in this order "
        "(default: all that are installed)")
    add("--vuswitch", metavar="PATH", action="append", help="the vuswitch to measure (default: "
        "the one in $VUSWITCH_BUILD, or in build/); repeatable, to compare two builds")
    add("--testpmd", metavar="PATH", action="append", default=[],
        help="measure this testpmd's vhost port too; repeatable")
    add("--generator", metavar="PATH", default="dpdk-testpmd",
        help="the testpmd that plays the guests (default: %(default)s)")
    add("--sizes", metavar="LIST", type=_sizes, default=[64, 512, 1518],
        help="bytes of a frame without CRC (default: 64,512,1518)")
    add("--ring", type=int, default=256, choices=(256, 512, 1024),
        help="entries of each virtqueue (default: %(default)s, as QEMU's)")
    add("--bursts", type=_count, metavar="N", help="frames on their way, in bursts of 32 from "
        "each guest (default: ring / 64: all of them fit one ring, so nothing can be lost)")
    add("--rounds", type=_count, default=3, metavar="N",
        help="rounds; in each, every switch has its turn (default: %(default)s)")
    add("--windows", type=_count, default=4, metavar="N",
        help="good measuring windows of 0.3 s for each figure (default: %(default)s)")
    add("--generator-cpu", type=int, default=0, metavar="CPU", help="(default: %(default)s)")
    add("--switch-cpu", type=int, default=1, metavar="CPU", help="(default: %(default)s)")
    add("--generator-devargs", metavar="ARGS", default="", help="more devargs for the guests' "
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
    if not shutil.which(options.generator):
        raise BenchError(f"{options.generator} not found: apt-get install dpdk, or name a "
                         f"testpmd with --generator PATH")
    switches = choose_switches(options)
    hugepages = choose_memory(options)
    plan = Plan(bursts=options.bursts or options.ring // 64, windows=options.windows,
                attempts=2 * options.windows + 1)
    facts = machine.describe(options.generator_cpu, options.switch_cpu,
                             "2 MiB hugepages" if hugepages else "no hugepages")
    _introduce(options, plan, facts)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vuswitch-bench-"))
    rounds, versions, failures = [], {}, []
    try:
        trip = machine.line_trip(directory, options.generator_cpu, options.switch_cpu)
        for number in range(1, options.rounds + 1):
            rounds.append([])
            for kind in switches:
                place = directory / f"{number}-{kind.label}"
                place.mkdir()
                switch = kind(place, options.switch_cpu, hugepages)
                try:
                    one_turn(switch, options, plan, trip, facts["tsc_hz"], rounds[-1], number)
                except BenchError as error:
                    failures.append(f"round {number}: {error}")
                    print(f"  round {number}: {switch.label} failed: {error}", flush=True)
                versions[switch.label] = switch.version
    finally:
        if options.keep_logs:
            print(f"logs: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    _conclude(options, plan, facts, versions, rounds)
    return 1 if failures else 0


def one_turn(switch, options, plan, trip, tsc_hz, runs, number):
    """Start one switch and the guests, take all sizes, stop them; adds to runs."""
    with contextlib.ExitStack() as ends:
        ends.callback(switch.stop)
        switch.start()
        devargs = f",{options.generator_devargs}" if options.generator_devargs else ""
        generator = Generator(options.generator, options.generator_cpu, switch.directory,
                              switch.sockets, options.ring, switch.hugepages,
                              switch.guests_listen, devargs)
        ends.callback(generator.stop)
        generator.wait_ready()
        switch.settle()
        for size in options.sizes:
            run = measure(generator, switch, size, plan, trip, tsc_hz)
            runs.append(run)
            said = "; ".join(run.complaints())
            good = sum(window.good for window in run.windows)
            trips = [window.trip_ns for window in run.windows]
            print(f"  round {number}  {switch.label:<12}{size:>5} bytes {run.mpps:>7.2f} Mpps"
                  f"   line trip {min(trips):.0f} to {max(trips):.0f} ns, "
                  f"{good} of {len(run.windows)} windows good"
                  f"{'   (' + said + ')' if said else ''}", flush=True)


def choose_switches(options):
    """The classes to measure, in order; says which are not installed."""
    builds = options.vuswitch or [find_vuswitch()]
    VuswitchSwitch.path = builds[0]
    known = {kind.label: kind for kind in (VuswitchSwitch, TestpmdSwitch, OvsSwitch)}
    wanted = options.switches.split(",") if options.switches else list(known)
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


def choose_memory(options):
    """True: hugepages. The generator and the switch take MEMORY_MIB each, OVS a little more."""
    needed = 2 * MEMORY_MIB + 256
    free = machine.free_huge_mib()
    if options.no_huge or free >= needed:
        return not options.no_huge
    print(f"only {free} of {needed} MiB of 2 MiB hugepages are free: going without, which costs "
          f"a few percent and leaves out Open vSwitch (mend: sysctl -w vm.nr_hugepages=1536)")
    return False


def _introduce(options, plan, facts):
    print(f"guests on CPU {facts['generator_cpu']}, switch on CPU {facts['switch_cpu']} of "
          f"{facts['cpu']}, TSC {facts['tsc_hz'] / 1e9:.2f} GHz, {facts['memory']}")
    print(f"rings of {options.ring}, {2 * plan.bursts * TX_BURST} frames going round, "
          f"{options.rounds} round(s), frame sizes without CRC", flush=True)


def _conclude(options, plan, facts, versions, rounds):
    rows = report.summarise(rounds, facts["tsc_hz"])
    if not rows:
        return
    print("\n".join(report.table(rows, next(run.switch for round_ in rounds for run in round_))))
    print("\n" + ", ".join(f"{name} {version}" for name, version in versions.items()))
    if options.json:
        settings = {"ring": options.ring, "frames": 2 * plan.bursts * TX_BURST,
                    "rounds": options.rounds, "sizes": options.sizes, "plan": vars(plan),
                    "generator_devargs": options.generator_devargs}
        report.write_json(options.json, facts, settings, versions, rows, rounds)


def _interrupt(*_):
    raise KeyboardInterrupt


def _sizes(text):
    sizes = [int(part) for part in text.split(",")]
    if not all(60 <= size <= 1518 for size in sizes):
        raise argparse.ArgumentTypeError("sizes are 60 to 1518")
    return sizes


def _count(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
