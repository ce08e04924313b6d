# SPDX-License-Identifier: BSD-3-Clause
"""How long a frame is on its way from one guest to another, through a switch that is idle and one at work.

Idle: one frame of 64 bytes (or what --sizes begins with), 2.5 ms of silence, the next; a switch that
sleeps when idle is asleep by then. The receiver looks at its ring all the time. At work: both
directions at 70 % of what the same switch moved in the window just before, every frame timed; rings
are looked at every 500 ticks, and the time ends with the look.

Windows are taken in turn, lap after lap, as everywhere (measure.py). The times of all good windows at
one distance are put together, and the percentiles are taken of all of them.
"""

import collections
import dataclasses

from vulab.process import LabError

from .cpu import CpuWatch
from .measure import same_distance
from .report import distances

INTERVAL = 500  # ticks between two looks at a ring
GAP_US = 2500
FRAMES = 100  # of one idle window
LOAD = 0.7
UNDISTURBED = 0.99  # least share of a CPU: who is away for a hundredth of a window is what p99.9 shows
SHARES = (0.5, 0.99, 0.999)


@dataclasses.dataclass
class Times:
    """One window."""

    switch: str
    state: str  # idle, loaded
    mpps: float
    trip_ns: float = 0.0
    moved: bool = False
    good: bool = False
    share: float = 1.0  # of their CPUs that the threads that poll had, the least
    lost: int = 0
    untimed: int = 0  # frames during which the guests had no CPU
    ns: list = dataclasses.field(default_factory=list)  # [[at least, how many], ...]


def measure_latency(stations, size, laps, trip):
    """[Times] of all stations, lap after lap."""
    taken = []
    before = trip()
    for station in stations:
        station.guests.start_traffic(size)
    for _ in range(laps):
        for station in stations:
            for window in (_idle, _loaded):
                times = window(station, size)
                after = trip()
                times.trip_ns = (before * after) ** 0.5
                times.moved = not same_distance(before, after)
                before = after
                taken.append(times)
    return taken


def _idle(station, size):
    with station.window():
        watch = CpuWatch([] if station.switch.sleeps else [station.switch.process.pid])
        said = station.guests.ask(f"single {size} {FRAMES} {GAP_US}", 30)
        share, stolen = min([said["share"], *watch.shares()]), watch.stolen()
    return Times(station.label, "idle", said["mpps"], share=share,
                 good=share >= UNDISTURBED and not stolen, lost=said["lost"],
                 untimed=said["untimed"], ns=said["ns"])


def _loaded(station, size):
    with station.window():
        full = station.guests.window(0.05).mpps
        watch = CpuWatch([station.switch.process.pid])
        said = station.guests.ask(f"paced {size} {LOAD * full:.4f} 20 100", 30)
        share, stolen = min([said["share"], *watch.shares()]), watch.stolen()
    if said["frames"] == 0:
        raise LabError(f"{station.label}: no frame of {size} bytes came through")
    return Times(station.label, "loaded", said["mpps"], share=share,
                 good=share >= UNDISTURBED and not stolen, lost=said["lost"],
                 untimed=said["untimed"], ns=said["ns"])


def summarise(taken):
    """Rows: by distance, and switch in order of its turn; each state's percentiles in µs."""
    rows = []
    for distance in distances([times for times in taken if not times.moved]):
        for name in dict.fromkeys(times.switch for times in taken):
            row = {"switch": name, "distance_ns": distance}
            for state in ("idle", "loaded"):
                windows = [times for times in taken if (times.switch, times.state) == (name, state)
                           and not times.moved and distance[0] <= times.trip_ns <= distance[1]]
                row[state] = _state([times for times in windows if times.good] or windows)
            if row["idle"] or row["loaded"]:
                rows.append(row)
    return rows


def _state(windows):
    if not windows:
        return None
    together = collections.Counter()
    for times in windows:
        for value, count in times.ns:
            together[value] += count
    return {"windows": len(windows), "disturbed": not windows[0].good, "frames": sum(together.values()),
            "lost": sum(times.lost for times in windows),
            "untimed": sum(times.untimed for times in windows),
            "mpps": round(sorted(times.mpps for times in windows)[len(windows) // 2], 3),
            "us": [round(percentile(together, share) / 1000, 2) for share in SHARES]}


def percentile(counts, share):
    """The value that at most 1 - share of all exceed. counts: {value: how many}."""
    left = share * sum(counts.values())
    value = 0
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            break
    return value


def table(rows):
    """The rows as lines of text."""
    lines, distance = [], None
    for row in rows:
        if row["distance_ns"] != distance:
            distance = row["distance_ns"]
            lines += ["", f"a cache line's round trip between the CPUs: {distance[0]:.0f} to {distance[1]:.0f} ns",
                      f"{'µs: p50 / p99 / p99.9':<24}{'idle':<34}{'at ' + format(LOAD, '.0%') + ' load':<34}{'Mpps':>7}"]
        cells = []
        for state in ("idle", "loaded"):
            cell = row[state]
            text = " / ".join(f"{us:.1f}" for us in cell["us"]) if cell else "-"
            text += " (disturbed)" if cell and cell["disturbed"] else ""
            text += f" ({cell['lost']} lost)" if cell and cell["lost"] else ""
            cells.append(f"{text:<34}")
        load = f"{row['loaded']['mpps']:>7.2f}" if row["loaded"] else ""
        lines.append(f"  {row['switch']:<22}{''.join(cells)}{load}")
    return lines


def as_dicts(taken):
    """Everything, the single windows too."""
    return [dataclasses.asdict(times) for times in taken]
