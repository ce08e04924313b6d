# SPDX-License-Identifier: BSD-3-Clause
"""What a set of runs says: one row a switch and size, as a table and as JSON."""

import json
import statistics


def summarise(runs, tsc_hz):
    """Rows in the order of the runs: median over the rounds, and ratios paired by round.

    runs: a list of rounds, each a list of Run. The reference of the ratios is the first switch of
    the first round: its figure divided by this switch's, in the same round.
    """
    rows = []
    reference = runs[0][0].switch if runs and runs[0] else ""
    sizes = _unique(run.size for round_ in runs for run in round_)
    names = _unique(run.switch for round_ in runs for run in round_)
    for size in sizes:
        for name in names:
            mine = [run for round_ in runs for run in round_ if (run.switch, run.size)
                    == (name, size)]
            if mine:
                rows.append(_row(name, size, mine, _ratio(runs, reference, name, size), tsc_hz))
    return rows


def table(rows, reference):
    """The rows as lines of text."""
    lines = []
    size = None
    for row in rows:
        if row["size"] != size:
            size = row["size"]
            lines += ["", f"{str(size) + ' bytes':<22}{'Mpps':>7}   {'min - max':<13}"
                          f"{'cycles/packet':>13}   {reference + ' is':<13}{'busy: switch':>12}"
                          f"{'generator':>11}"]
        ratio = f"{row['ratio']:.2f} x" if row["ratio"] else "-"
        lines.append(
            f"  {row['switch']:<20}{row['mpps']:>7.2f}   "
            f"{row['min']:>5.2f} - {row['max']:<5.2f}{row['cycles_per_packet']:>13.0f}   "
            f"{ratio:<13}{_percent(row['switch_busy']):>12}{_percent(row['generator_busy']):>11}")
        lines += [f"      note: {note}" for note in row["notes"]]
    return lines


def write_json(path, machine, settings, versions, rows, runs):
    """Everything, the single runs too."""
    document = {"machine": machine, "settings": settings, "versions": versions, "summary": rows,
                "rounds": [[vars(run) | {"complaints": run.complaints()} for run in round_]
                           for round_ in runs]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def _row(name, size, runs, ratio, tsc_hz):
    figures = [run.mpps for run in runs]
    windows = [window for run in runs for window in run.windows]
    mpps = statistics.median(figures)
    return {
        "switch": name, "size": size, "rounds": len(runs), "mpps": round(mpps, 3),
        "min": min(windows), "max": max(windows),
        "cycles_per_packet": round(tsc_hz / mpps / 1e6, 1), "ratio": ratio,
        "switch_busy": round(statistics.median(run.switch_busy for run in runs), 3),
        "generator_busy": round(statistics.median(run.generator_busy for run in runs), 3),
        "notes": _notes(runs),
    }


def _notes(runs):
    notes = [(number, note) for number, run in enumerate(runs, 1) for note in run.complaints()]
    return [f"round {number}: {note}" for number, note in notes]


def _ratio(runs, reference, name, size):
    """Median over the rounds of reference / this; None for the reference itself."""
    if name == reference:
        return None
    ratios = []
    for round_ in runs:
        figure = {run.switch: run.mpps for run in round_ if run.size == size}
        if figure.get(reference) and figure.get(name):
            ratios.append(figure[reference] / figure[name])
    return round(statistics.median(ratios), 3) if ratios else None


def _percent(share):
    return "?" if share < 0 else f"{min(share, 1.0):.0%}"


def _unique(items):
    return list(dict.fromkeys(items))
