# SPDX-License-Identifier: BSD-3-Clause
"""What a set of runs says: one row a switch and size, as a table and as JSON.

Windows are grouped by distance first: how long a cache line takes from one CPU to the other and
back. A machine whose CPUs stay where they are has one group; a virtual machine may have two
(threads of one core, and different cores), which differ by a factor of two and must not be mixed.
"""

import dataclasses
import json
import statistics

from .measure import SAME_DISTANCE


def summarise(runs, tsc_hz):
    """Rows: by distance (the one with most windows first), size, and switch in order of its turn.

    runs: a list of rounds, each a list of Run. The reference of the ratios is the first switch.
    """
    flat = [run for round_ in runs for run in round_]
    if not flat:
        return []
    rows = []
    for distance in distances([window for run in flat for window in run.windows
                               if not window.moved]):
        for size in _unique(run.size for run in flat):
            group = [_row(name, size, distance, flat, tsc_hz)
                     for name in _unique(run.switch for run in flat)]
            group = [row for row in group if row]
            for row in group:
                if group[0]["switch"] == flat[0].switch and row is not group[0]:
                    row["ratio"] = round(group[0]["mpps"] / row["mpps"], 3)
                    row["paired"] = _paired(group[0]["switch"], row["switch"], size, distance, runs)
            rows += group
    return rows


def _paired(reference, name, size, distance, runs):
    """[quartile, median, quartile] of the ratios of windows of the same lap; the figure for small differences."""
    ratios = []
    for round_ in runs:
        laps = [{window.lap: window for run in round_ if (run.switch, run.size) == (which, size)
                 for window in run.windows if window.good and distance[0] <= window.trip_ns <= distance[1]}
                for which in (reference, name)]
        ratios += [laps[0][lap].mpps / laps[1][lap].mpps for lap in laps[0]
                   if lap in laps[1] and laps[1][lap].mpps > 0]
    if len(ratios) < 2:
        return [round(ratio, 3) for ratio in ratios] * 3 or None
    return [round(ratio, 3) for ratio in statistics.quantiles(ratios, n=4, method="inclusive")]


def distances(windows):
    """[(least, most) trip of a group]: no gap inside as wide as SAME_DISTANCE; largest first."""
    groups = []
    for trip in sorted(window.trip_ns for window in windows):
        if groups and trip <= groups[-1][-1] * SAME_DISTANCE:
            groups[-1].append(trip)
        else:
            groups.append([trip])
    groups.sort(key=len, reverse=True)
    return [(group[0], group[-1]) for group in groups]


def table(rows, reference):
    """The rows as lines of text."""
    lines = []
    head = None
    for row in rows:
        if (row["distance_ns"], row["size"]) != head:
            if head is None or head[0] != row["distance_ns"]:
                lines += ["", f"a cache line's round trip between the CPUs: "
                              f"{row['distance_ns'][0]:.0f} to {row['distance_ns'][1]:.0f} ns"]
            head = (row["distance_ns"], row["size"])
            lines += [f"{str(row['size']) + ' bytes':<22}{'Mpps':>7}   {'min - max':<15}"
                      f"{'cycles/packet':>13}{'Gbit/s':>8}   {reference + ' is':<12}{'lap by lap':<20}{'busy: switch':>12}"
                      f"{'guests':>8}{'windows':>9}"]
        ratio = f"{row['ratio']:.2f} x" if row["ratio"] else "-"
        laps = "{1:.3f} ({0:.3f}-{2:.3f})".format(*row["paired"]) if row["paired"] else ""
        lines.append(
            f"  {row['switch']:<20}{short(row['mpps']):>7}   "
            f"{short(row['min']):>6} - {short(row['max']):<6}{row['cycles_per_packet']:>13.0f}"
            f"{row['mpps'] * row['size'] * 8 / 1000:>8.1f}   "
            f"{ratio:<12}{laps:<20}{_percent(row['switch_busy']):>12}{_percent(row['generator_busy']):>8}"
            f"{row['windows']:>9}")
        lines += [f"      note: {note}" for note in row["notes"]]
    return lines


def as_dicts(runs):
    """Everything, the single windows too."""
    return [[dataclasses.asdict(run) | {"mpps": run.mpps, "complaints": run.complaints()}
             for run in round_] for round_ in runs]


def write_json(path, document):
    """A document for who goes on from here."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def _row(name, size, distance, flat, tsc_hz):
    """One switch at one size and distance: its good windows; if there is none, the disturbed."""
    runs = [run for run in flat if (run.switch, run.size) == (name, size)]
    windows = [window for run in runs for window in run.windows
               if not window.moved and distance[0] <= window.trip_ns <= distance[1]]
    good = [window for window in windows if window.good]
    figures = [window.mpps for window in good or windows]
    if not figures:
        return None
    notes = [f"round {number}: {said}" for number, run in enumerate(runs, 1)
             for said in run.complaints()]
    if not good:
        share = max(min(window.generator_share, window.switch_share) for window in windows)
        notes.insert(0, f"disturbed: never more than {share:.0%} of both CPUs")
    mpps = statistics.median(figures)
    return {
        "switch": name, "size": size, "distance_ns": distance, "windows": len(figures),
        "mpps": round(mpps, 4), "min": round(min(figures), 4), "max": round(max(figures), 4),
        "cycles_per_packet": round(tsc_hz / mpps / 1e6, 1), "ratio": None, "paired": None,
        "switch_busy": round(statistics.median(run.switch_busy for run in runs), 3),
        "generator_busy": round(statistics.median(run.generator_busy for run in runs), 3),
        "notes": notes,
    }


def short(mpps):
    """A figure with the digits that say something."""
    return f"{mpps:.2f}" if mpps >= 1 else f"{mpps:.3f}"


def _percent(share):
    return "?" if share < 0 else f"{min(share, 1.0):.0%}"


def _unique(items):
    return list(dict.fromkeys(items))
