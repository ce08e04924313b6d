# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/bench-scale: case by case, all switches in turn, window after window."""

import argparse
import contextlib
import os
import signal
import statistics
import sys

from vulab.host import huge_pages
from vulab.process import LabError

from . import programs
from .guests import CrowdGuests, Wishes
from .lab import Lab, one_line
from .measure import same_distance
from .ovs import OvsSwitch
from .report import distances, write_json
from .scale_control import CONTROL_ROWS, take
from .scale_rows import ROWS
from .testpmd import TestpmdSwitch
from .vuswitch import VuswitchSwitch

DESCRIPTION = """\
What hundreds of guests and queues cost, most of which are idle: guests on one CPU (tests/perf/crowd), the switch on another; and what
changes and questions cost the control thread of 1000 ports.
Each row is a table; where several switches are measured they take their windows in turn, and `ratio` is the first column's figure
to that of the first switch, a ratio of medians of windows at the same distance of the two CPUs."""

EPILOG = """\
examples:
  scripts/bench-scale                                         everything, beside the peers that are installed
  scripts/bench-scale --rows silent,flood --quick
  scripts/bench-scale --vuswitch ../before/build/app/vuswitch/vuswitch --vuswitch build/app/vuswitch/vuswitch
                                                              two builds against each other"""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench-scale", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rows", default=",".join([*ROWS, *CONTROL_ROWS]), metavar="LIST", help="of %(default)s (default: all)")
    add("--vuswitch", metavar="PATH", action="append", help="the vuswitch to measure (default: the one in $VUSWITCH_BUILD, or in "
        "build/); repeatable, to compare builds: the first is the reference, the others are vuswitch:2, ...")
    add("--switches", metavar="LIST", help="which of vuswitch,testpmd,ovs (default: those that are installed)")
    add("--quick", action="store_true", help="fewer cases and windows; two builds take ten minutes")
    add("--laps", type=int, metavar="N", help="windows of each case (default: 9, with --quick 5)")
    add("--packed", action="store_true", help="packed rings")
    add("--ring", type=int, default=256, choices=(256, 512, 1024), help="entries of each virtqueue (default: %(default)s)")
    add("--generator-cpu", type=int, default=0, metavar="CPU", help="(default: %(default)s)")
    add("--switch-cpu", type=int, default=1, metavar="CPU", help="(default: %(default)s)")
    add("--control-cpu", type=int, metavar="CPU", help="of the switch's other threads (default: the switch's)")
    add("--no-huge", action="store_true", help="do not use 2 MiB hugepages")
    add("--json", metavar="FILE", help="write everything that was measured to FILE")
    add("--keep-logs", action="store_true", help="leave the logs of all processes, say where")
    parser.set_defaults(generator="fake", testpmd=[], vpp="", settings=[], ovs_with=[], ip=False, regions=1, macs=1, straight=False, tso=False, bridges=1, rounds=1,
                        sizes=[64], bursts=0, generator_devargs="")
    options = parser.parse_args(arguments)
    options.rows = options.rows.split(",")
    options.laps = options.laps or (5 if options.quick else 9)
    for name in options.rows:
        if name not in ROWS and name not in CONTROL_ROWS:
            parser.error(f"--rows: '{name}' is none of {', '.join([*ROWS, *CONTROL_ROWS])}")
    return options


def main(arguments):
    """Run it; the exit status."""
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return scale(options)
    except LabError as error:
        print(f"bench-scale: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench-scale: interrupted, everything it started has ended", file=sys.stderr)
        return 130


def scale(options):
    """All rows; prints each as soon as it is there."""
    VuswitchSwitch.control_cpu = options.control_cpu
    rows = {name: ROWS[name](options.quick) for name in options.rows if name in ROWS}
    measured, number = [], 0
    with contextlib.ExitStack() as ends:
        if rows and not options.no_huge:
            most = max(case.guests * memory_mib(case.queues) for row in rows.values() for case in row.cases)
            options.no_huge = not ends.enter_context(huge_pages(len(options.vuswitch or [0]) * (most + 384) + 1536))
        lab = ends.enter_context(Lab(options, kinds=(VuswitchSwitch, TestpmdSwitch, OvsSwitch)))
        wishes = Wishes(options.generator_cpu, options.ring, options.packed)
        lab.guests = lambda setup, listen: CrowdGuests(setup, wishes, listen)
        print(f"{lab.facts['cpu']}, TSC {lab.facts['tsc_hz'] / 1e9:.2f} GHz, {lab.facts['memory']}, "
              f"{'packed' if options.packed else 'split'} rings of {options.ring}, load {os.getloadavg()[0]:.1f}, "
              f"windows that others disturbed are marked *")
        for name, row in rows.items():
            print(f"\n{row.title} (--rows {name})\n")
            programs.table_head(["", "switch", "CPUs", "windows", *(heading for _, heading, _ in row.columns), "ratio"])
            for case in row.cases:
                number += 1
                taken = measure(lab, case, number, options.laps)
                measured += taken
                print_case(row, case, taken)
        for name in options.rows:
            if name in CONTROL_ROWS:
                measured += control(lab, name, CONTROL_ROWS[name])
        print("\n" + ", ".join(f"{name} {version}" for name, version in lab.versions.items()))
    if options.json:
        write_json(options.json, {"machine": lab.facts, "versions": lab.versions, "windows": measured})
    return 1 if lab.failures else 0


def memory_mib(queues):
    """Of a guest of tests/perf/crowd, at most."""
    return 2 if queues == 1 else 2 + 2 * queues


def measure(lab, case, number, laps):
    """All windows of a case: figures by name, and which switch, lap and distance."""
    everybody, lab.shape = lab.switches, case.shape
    lab.switches = [kind for kind in everybody if kind.label.split(":")[0] in case.peers]
    taken = []
    try:
        with lab.stations(number) as stations:
            before = lab.trip()
            for lap in range(laps):
                for station in list(stations):
                    try:
                        figures = case.take(station, case.seconds)
                    except LabError as error:
                        lab.fail(number, f"{station.label}, {case.label}", error)
                        stations.remove(station)
                        continue
                    after = lab.trip()
                    taken.append({"case": case.label, "switch": station.label, "lap": lap, "trip_ns": (before * after) ** 0.5,
                                  "moved": not same_distance(before, after), **figures})
                    before = after
    finally:
        lab.switches = everybody
    return taken


def control(lab, name, row):
    """A table of the control thread: each vuswitch in turn, lap after lap."""
    options, measured = lab.options, []
    kinds = [kind for kind in lab.switches if issubclass(kind, VuswitchSwitch)]
    for lap in range(1 if options.quick else 3):
        for kind in kinds:
            try:
                measured += [{"case": label, "switch": kind.label, "lap": lap, **figures} for label, figures in take(
                    row, kind, lab.directory / f"{name}-{kind.label.replace(':', '-')}-{lap}",
                    (options.generator_cpu, options.switch_cpu))]
            except LabError as error:
                lab.fail(lap + 1, kind.label, error)
    print(f"\n{row.title} (--rows {name})\n")
    programs.table_head(["", "switch", *(heading for _, heading, _ in row.columns), "ratio"])
    for label in dict.fromkeys(window["case"] for window in measured):
        reference = None
        for kind in kinds:
            here = [window for window in measured if (window["case"], window["switch"]) == (label, kind.label)]
            if not here:
                continue
            main = _value(here, row.columns[0][0])
            reference = reference or main
            programs.table_row([label, kind.label, *(_median(here, figure, digits) for figure, _, digits in row.columns),
                                f"{main / reference:.3f}" if main and reference else ""])
    return measured


class _Trip:
    """For distances(): where a window was."""

    def __init__(self, window):
        self.trip_ns = window["trip_ns"]


def print_case(row, case, taken):
    """The lines of a table: one for each switch and distance."""
    still = [window for window in taken if not window["moved"]]
    for least, most in distances([_Trip(window) for window in still]):
        reference = None
        for switch in dict.fromkeys(window["switch"] for window in taken):
            here = [w for w in still if w["switch"] == switch and least <= w["trip_ns"] <= most]
            good = [w for w in here if w["good"]] or here
            if not good:
                continue
            cells = [_median(good, figure, digits) for figure, _, digits in row.columns]
            main = _value(good, row.columns[0][0])
            reference = reference or main
            ratio = f"{main / reference:.3f}" if main and reference else ""
            lost = sum(w["lost"] for w in good)
            programs.table_row([case.label + (f" ({lost} lost)" if lost else ""), switch, f"{least:.0f} to {most:.0f} ns",
                                f"{len(good)}{'' if good[0]['good'] else '*'}", *cells, ratio])


def _value(windows, figure):
    values = [w[figure] for w in windows if figure in w]
    return statistics.median(values) if values else None


def _median(windows, figure, digits):
    value = _value(windows, figure)
    return "-" if value is None else f"{value:.{digits}f}"


def _interrupt(*_):
    raise KeyboardInterrupt
