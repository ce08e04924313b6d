# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/bench, and whole measurements from it."""

import contextlib
import dataclasses
import signal
import sys

from vulab.process import LabError

from . import latency, report, tcp
from .lab import Lab, one_line
from .measure import Plan, measure
from .options import parse
from .plot import plot

SETTINGS = ("what", "generator", "ring", "packed", "regions", "macs", "straight", "tso", "bridges", "rounds", "sizes", "bursts",
            "generator_devargs")


def main(arguments):
    """Run it; the exit status."""
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return {"throughput": throughput, "latency": delays, "tcp": transfers, "plot": picture}[options.what](options)
    except LabError as error:
        print(f"bench: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted, everything it started has ended", file=sys.stderr)
        return 130


def throughput(options):
    """All rounds; prints as it goes."""
    rounds = []
    plan = Plan(windows=options.windows, attempts=2 * options.windows + 1)
    with Lab(options) as lab:
        lab.introduce()
        for number in range(1, options.rounds + 1):
            rounds.append([])
            with lab.stations(number) as stations:
                one_round(lab, stations, plan, rounds[-1], number)
    rows = report.summarise(rounds, lab.facts["tsc_hz"])
    if rows:
        reference = next(run.switch for round_ in rounds for run in round_)
        conclude(lab, report.table(rows, reference), rows, report.as_dicts(rounds))
    return 1 if lab.failures else 0


def one_round(lab, stations, plan, runs, number):
    """All sizes at all stations; adds to runs."""
    macs_due = 2 * lab.options.bridges * lab.options.macs
    for size in lab.options.sizes:
        taken, failed = measure(stations, size, plan, lab.trip, lab.facts["tsc_hz"], macs_due)
        for station, error in failed:
            lab.fail(number, station.label, error)
        broken = [station for station, _ in failed]
        stations = [station for station in stations if station not in broken]
        runs += taken
        for run in taken:
            said = "; ".join(run.complaints())
            good = sum(window.good for window in run.windows)
            trips = [window.trip_ns for window in run.windows]
            print(f"  round {number}  {run.switch:<12}{size:>5} bytes {report.short(run.mpps):>7} Mpps"
                  f"   line trip {min(trips):.0f} to {max(trips):.0f} ns, "
                  f"{good} of {len(run.windows)} windows good"
                  f"{'   (' + said + ')' if said else ''}", flush=True)


def delays(options):
    """scripts/bench latency."""
    if options.generator != "fake":
        raise LabError("latency needs --generator fake")
    taken = []
    with Lab(options, latency.INTERVAL, sleepers=True) as lab:
        lab.introduce()
        for number in range(1, options.rounds + 1):
            with lab.stations(number) as stations:
                taken += latency.measure_latency(stations, options.sizes[0], options.windows, lab.trip)
    rows = latency.summarise(taken)
    if rows:
        conclude(lab, latency.table(rows), rows, latency.as_dicts(taken))
    return 1 if lab.failures else 0


def transfers(options):
    """scripts/bench tcp."""
    taken = []
    machines = tcp.Machines()
    with Lab(options, kinds=tcp.KINDS) as lab:
        print(f"two guests, {machines}; a switch on CPU {options.switch_cpu}, the guests on any; "
              f"{options.rounds} round(s)", flush=True)
        for number in range(1, options.rounds + 1):
            for kind in lab.switches:
                setup = lab.setup(kind, f"{number}-{kind.label}", sleeps=True, tso=kind.label in tcp.WITH_TSO)
                with contextlib.ExitStack() as ends:
                    try:
                        taken += tcp.one_switch(kind(setup), machines, number, 2, ends)
                    except LabError as error:
                        lab.fail(number, kind.label, error)
                        continue
                print(f"  round {number}  {kind.label:<12}"
                      + ", ".join(f"{transfer.gbits:.3f} Gbit/s" for transfer in taken[-2:]), flush=True)
    rows = tcp.summarise(taken)
    if rows:
        conclude(lab, tcp.table(rows), rows, [dataclasses.asdict(transfer) for transfer in taken])
    return 1 if lab.failures else 0


def picture(options):
    """scripts/bench plot."""
    if not options.files:
        raise LabError("plot: of what? Name the files that --json wrote")
    plot(options.files, options.output)
    return 0


def conclude(lab, lines, rows, measured):
    """The table, and everything as JSON if that is wanted."""
    print("\n".join(lines))
    print("\n" + ", ".join(f"{name} {version}" for name, version in lab.versions.items()))
    if lab.options.json:
        settings = {name: getattr(lab.options, name) for name in SETTINGS}
        report.write_json(lab.options.json, {
            "machine": lab.facts, "settings": settings, "versions": lab.versions, "summary": rows,
            "rounds": measured})


def _interrupt(*_):
    raise KeyboardInterrupt
