# SPDX-License-Identifier: BSD-3-Clause
"""One picture of what was measured: a panel for each JSON file of throughput, and one for latency."""

import io
import json

from vulab.process import LabError

COLOURS = {"vuswitch": "#0b6e4f", "vuswitch-sleeps": "#6fb98f", "testpmd": "#8d99ae", "ovs": "#e09f3e",
           "ovs-static": "#f2cc8f", "vpp": "#5f6caf"}
NAMES = {"vuswitch": "vuswitch", "vuswitch-sleeps": "vuswitch, sleeping when idle", "vpp": "VPP",
         "testpmd": "testpmd, no look at a MAC", "ovs": "Open vSwitch", "ovs-static": "Open vSwitch, static flows"}
OTHERS = ("#a4508b", "#33658a", "#c1666b")


def plot(files, output):
    """Reads the files that --json wrote; writes a picture of the kind its name ends in."""
    try:
        import matplotlib  # an optional package: nothing else needs it
    except ImportError as error:
        raise LabError("a plot needs matplotlib: apt-get install python3-matplotlib") from error
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "vuswitch", "svg.fonttype": "none", "font.size": 9,
                                "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot
    documents = [_read(name) for name in files]
    drawn = [(document, rows) for document in documents for rows in groups_to_draw(document)]
    figure, panels = pyplot.subplots(1, len(drawn), squeeze=False, layout="constrained",
                                     figsize=(0.8 + 4.2 * len(drawn), 3.6))
    for panel, (document, rows) in zip(panels[0], drawn):
        if document["settings"]["what"] == "latency":
            _latency(panel, document, rows)
        else:
            _throughput(panel, document, rows)
    handles = {}
    for panel in panels[0]:
        for handle, label in zip(*panel.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="upper center", ncols=6, frameon=False)
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.92))
    machine = documents[0]["machine"]
    figure.supxlabel(f"one core of {machine['cpu']}, {machine['date'][:10]}: docs/benchmarks.md", fontsize=7)
    if not str(output).endswith(".svg"):
        figure.savefig(output)
        return
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    with open(output, "w", encoding="utf-8") as file:  # as files of this tree have to be
        file.writelines(line.rstrip() + "\n" for line in text.getvalue().splitlines())


def _read(name):
    try:
        with open(name, encoding="utf-8") as file:
            document = json.load(file)
        document["settings"]["what"], document["summary"][0], document["machine"]["date"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise LabError(f"{name}: not a file that --json wrote ({error})") from error
    return document


def groups_to_draw(document):
    """Of each distance of the two CPUs the rows, nearest first, where all that was measured is there. Of latencies only those of the
    distance that has most; of equals the first, which has most windows."""
    groups = {}
    for row in document["summary"]:
        groups.setdefault(tuple(row["distance_ns"]), []).append(row)
    most = max(groups.values(), key=len)
    if document["settings"]["what"] == "latency":
        return [most]
    return [groups[distance] for distance in sorted(groups) if len(groups[distance]) == len(most)]


def _style(label, names, versions):
    """A switch of which there are several is told by its version."""
    spare = [name for name in names if name not in COLOURS]
    colour = COLOURS.get(label) or OTHERS[spare.index(label) % len(OTHERS)]
    kind = label.partition(":")[0]
    several = sum(name.partition(":")[0] == kind for name in names) > 1
    return {"color": colour, "label": f"{kind} {versions.get(label, label)}" if several else NAMES.get(label, label)}


def _throughput(panel, document, rows):
    """Groups of bars, a group for each size; thin lines from the least to the most of the windows."""
    names = list(dict.fromkeys(row["switch"] for row in rows))
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    width = 0.84 / len(names)
    for row in rows:
        place = sizes.index(row["size"]) + (names.index(row["switch"]) - (len(names) - 1) / 2) * width
        spread = [[row["mpps"] - row["min"]], [row["max"] - row["mpps"]]]
        panel.bar(place, row["mpps"], 0.92 * width, yerr=spread, error_kw={"lw": 0.6, "ecolor": "#444444"},
                  **_style(row["switch"], names, document.get("versions", {})))
        panel.annotate(f"{row['mpps']:.1f}", (place, row["max"]), ha="center", va="bottom", fontsize=7,
                       xytext=(0, 1), textcoords="offset points")
    settings = document["settings"]
    least, most = rows[0]["distance_ns"]
    panel.set_title(f"{'TCP to be segmented, ' if settings['tso'] else ''}"
                    f"{'packed' if settings['packed'] else 'split'} rings of {settings['ring']}, "
                    f"CPUs {least:.0f} to {most:.0f} ns apart", fontsize=9)
    panel.set_xticks(range(len(sizes)), [f"{size}" for size in sizes])
    panel.set_xlabel("bytes of a frame")
    panel.set_ylabel("million frames a second, both directions")


def _latency(panel, document, rows):
    """A dot at p50, a line to p99 and a thin one to p99.9; above each other, idle and at work."""
    names = [row["switch"] for row in rows]
    ticks = []
    for at, state in enumerate(("loaded", "idle")):
        for turn, row in enumerate(reversed(rows)):
            if not row[state]:
                continue
            half, most, nearly_all = row[state]["us"]
            place = at * (len(rows) + 1) + turn
            style = _style(row["switch"], names, document.get("versions", {}))
            panel.plot([half, nearly_all], [place, place], lw=0.8, color=style["color"])
            panel.plot([half, most], [place, place], lw=3, color=style["color"], solid_capstyle="butt")
            panel.plot([half], [place], "o", ms=5, **style)
            panel.annotate(f"{half:.1f} / {most:.1f} / {nearly_all:.0f}", (nearly_all, place), va="center",
                           fontsize=7, xytext=(4, 0), textcoords="offset points")
        ticks.append(at * (len(rows) + 1) + (len(rows) - 1) / 2)
    panel.set_yticks(ticks, ["at 70 % load", "idle"], rotation=90, va="center")
    panel.set_xscale("log")
    panel.set_xlim(right=panel.get_xlim()[1] * 6)
    panel.set_title(f"a frame of {document['settings']['sizes'][0]} bytes on its way", fontsize=9)
    panel.set_xlabel("µs: p50 / p99 / p99.9")
