# SPDX-License-Identifier: BSD-3-Clause
"""The windows of scripts/bench-scale, and what is read around them.

Figures of a window, by name: mpps, kicks (a second), lost, and where frames carry their time p50 and p99 in µs. Of a vuswitch
also ticks (busy cycles a frame, by its own counters), lcore_ms and all_ms (CPU of its lcore, of all its threads, in ms a second).
"""

import collections
import time

from .cpu import CpuWatch, cpu_times, polling_threads
from .latency import percentile

SIZE = 64
WARM_MS = 25
UNDISTURBED = 0.94
PAIR = ("pair 0 1 1",)
PAIR_PPS = 200e3


def busy(pattern, station, seconds):
    """As fast as it goes."""
    return _window(station, pattern, f"run {SIZE} {WARM_MS} {int(1000 * seconds)}", seconds)


def paced(pattern, pps, station, seconds):
    """So many frames a second."""
    return _window(station, pattern, f"paced {SIZE} {pps:.0f} {WARM_MS} {int(1000 * seconds)}", seconds)


def busy_and_idle(station, seconds):
    """A busy pair; and what a round costs when nobody sends."""
    figures = busy(PAIR, station, seconds)
    if hasattr(station.switch, "lcore") and not station.switch.setup.sleeps:
        with station.window():
            before = station.switch.lcore()
            time.sleep(seconds / 2)
            after = station.switch.lcore()
        figures["round"] = _grown(before, after, "busy_cycles", "idle_cycles") / max(1, _grown(before, after, "loops"))
    return figures


def flooded(receivers, station, seconds):
    """A pair alone, and beside a guest that sends to everybody in another bridge; at full speed, and timed at a modest rate. And that
    guest alone."""
    flood = (*PAIR, f"flood 2 {receivers}")
    only = busy(("hush", *flood[len(PAIR):]), station, seconds)
    alone, timed_alone = busy(PAIR, station, seconds), paced(PAIR, PAIR_PPS, station, seconds)
    beside, timed = busy(flood, station, seconds), paced(flood, PAIR_PPS, station, seconds)
    return {**beside, "good": all(f["good"] for f in (only, alone, timed_alone, beside, timed)),
            "lost": sum(f["lost"] for f in (only, alone, timed_alone, beside, timed)),
            "kept": beside["mpps"] / max(alone["mpps"], 1e-9), "alone": alone["mpps"], "p50": timed["p50"],
            "p99": timed["p99"], "p99_alone": timed_alone["p99"], "most": only["copies"]}


def _window(station, pattern, command, seconds):
    """One window: figures by name, and `good`: nothing disturbed it."""
    switch, guests = station.switch, station.guests
    ours = hasattr(switch, "lcore")
    with station.window():
        guests.speak(pattern)
        before = switch.lcore() if ours else None
        watch, since, cpu = CpuWatch([switch.process.pid]), time.monotonic(), cpu_times(switch.process.pid)
        said = guests.ask(command, 20 + seconds)
        cpu_after, passed = cpu_times(switch.process.pid), time.monotonic() - since
        share, stolen = watch.shares()[0], watch.stolen()
        after = switch.lcore() if ours else None
    rests = ours and switch.setup.sleeps
    figures = {"mpps": said["mpps"], "kicks": said["kicks"] / said["seconds"], "lost": said["lost"] + said["disorder"],
               "copies": said["copies"] / said["seconds"] / 1e6,
               "good": said["share"] >= UNDISTURBED and not stolen and (rests or share >= UNDISTURBED)}
    if "ns" in said:
        counts = collections.Counter(dict(said["ns"]))
        figures |= {"p50": percentile(counts, 0.5) / 1000, "p99": percentile(counts, 0.99) / 1000}
    if ours:
        lcores = polling_threads(switch.process.pid)
        spent = {tid: cpu_after[tid] - cpu.get(tid, 0) for tid in cpu_after}
        figures |= {"ticks": _grown(before, after, "busy_cycles") / max(1, _grown(before, after, "frames")),
                    "lcore_ms": sum(spent.get(tid, 0) for tid in lcores) / 1e6 / passed,
                    "all_ms": sum(spent.values()) / 1e6 / passed}
    return figures


def _grown(before, after, *names):
    return sum(after[name] - before[name] for name in names)
