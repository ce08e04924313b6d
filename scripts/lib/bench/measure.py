# SPDX-License-Identifier: BSD-3-Clause
"""Take a figure: the windows of one run, and the proof that it is a fair one.

A run is one switch, one frame size. Warm up, then look at the generator's counters at the two
ends of short windows. A window counts only if the polling thread of the generator and that of the
switch had (nearly) all of their CPU in it: on a shared machine anything else measures the
neighbours. Around each window the trip of a cache line between the two CPUs is taken (line_trip):
on a virtual machine the distance between two CPUs changes, and the figures with it, so windows
are compared with windows at the same distance only (report.py). Afterwards, in a window of its
own because counting costs cycles, how busy both sides were.
"""

import dataclasses
import statistics
import time

from .process import BenchError
from .testpmd import CpuWatch

UNDISTURBED = 0.94  # least share of a CPU in a window that counts
SAME_DISTANCE = 1.6  # trips that differ by less are of the same distance
GAUGE_SECONDS = 0.3


@dataclasses.dataclass
class Plan:
    """The length of everything in a run."""

    bursts: int  # of 32 frames, from each guest
    windows: int = 4  # good ones wanted
    attempts: int = 9  # windows taken at most
    seconds: float = 0.3  # a window
    warm_up: float = 0.4


@dataclasses.dataclass
class Window:
    """What went by in a fraction of a second."""

    mpps: float  # frames that reached the guests, both directions together
    generator_share: float  # of its CPU, 0 to 1
    switch_share: float
    trip_ns: float  # a cache line from CPU to CPU and back, around the window; 0: unknown
    moved: bool  # the trip was another one at its end than at its beginning

    @property
    def good(self):
        return min(self.generator_share, self.switch_share) >= UNDISTURBED and not self.moved


@dataclasses.dataclass
class Run:
    """What one switch did with one frame size, in one round."""

    switch: str
    size: int
    windows: list = dataclasses.field(default_factory=list)
    generator_busy: float = -1.0  # 0 to 1; -1: it cannot say
    switch_busy: float = -1.0
    dropped: int = 0  # by the switch, during the windows
    lost_by_generator: int = 0
    flooded: int = 0
    macs: int = -1  # -1: it does not learn

    @property
    def mpps(self):
        """The median of its good windows, or of all if none is."""
        windows = [window for window in self.windows if window.good] or self.windows
        return statistics.median(window.mpps for window in windows)

    def complaints(self):
        """What makes the figure unfair, in words; empty: nothing."""
        said = []
        if self.dropped:
            said.append(f"the switch dropped {self.dropped} frames")
        if self.lost_by_generator:
            said.append(f"the generator dropped {self.lost_by_generator} frames")
        if self.flooded:
            said.append(f"the switch flooded {self.flooded} frames")
        if self.macs not in (-1, 2):
            said.append(f"the switch knows {self.macs} addresses, not 2")
        return said


def measure(generator, switch, size, plan, trip, tsc_hz):
    """One run. The generator and the switch are up and connected; no traffic flows.

    trip: a function that takes the trip of a cache line between the two CPUs, in ns.
    """
    run = Run(switch.label, size)
    generator.start_traffic(size, plan.bursts)
    time.sleep(plan.warm_up)
    counters = switch.counters()
    first = generator.sample()
    _take_windows(run, generator, switch, plan, trip)
    last = generator.sample()
    after = switch.counters()
    run.dropped = after.dropped - counters.dropped
    run.flooded = max(0, after.flooded - counters.flooded)
    run.macs = after.macs
    run.lost_by_generator = last.dropped - first.dropped
    _gauge(run, generator, switch, tsc_hz)
    generator.stop_traffic()
    return run


def _take_windows(run, generator, switch, plan, trip):
    watch = CpuWatch([generator.pid, switch.pid()], time.monotonic)
    before = trip()
    while len(run.windows) < plan.attempts:
        generator.sample()
        watch.start()
        time.sleep(plan.seconds)
        shares = watch.shares()
        mpps = sum(generator.sample().rx_pps) / 1e6
        after = trip()
        run.windows.append(Window(mpps, *shares, trip_ns=(before * after) ** 0.5,
                                  moved=not same_distance(before, after)))
        before = after
        if sum(window.good for window in run.windows) == plan.windows:
            break
    if max(window.mpps for window in run.windows) == 0:
        raise BenchError(f"{run.switch}: no frame of {run.size} bytes came through "
                         f"(see the logs with --keep-logs)")


def same_distance(one, other):
    return max(one, other) <= SAME_DISTANCE * min(one, other)


def _gauge(run, generator, switch, tsc_hz):
    """How busy each side was: busy cycles of the time that passed between two looks."""
    generator.count_cycles(True)
    switch.count_cycles(True)
    time.sleep(0.1)  # the burst in which counting began has no beginning: let it pass
    looks = []
    for _ in range(2):
        looks.append((generator.sample().cycles, time.monotonic(),
                      switch.busy_cycles(), time.monotonic()))
        time.sleep(GAUGE_SECONDS if len(looks) == 1 else 0)
    generator.count_cycles(False)
    switch.count_cycles(False)
    (g0, tg0, s0, ts0), (g1, tg1, s1, ts1) = looks
    if g1 > g0:
        run.generator_busy = min(1.0, (g1 - g0) / tsc_hz / (tg1 - tg0))
    if s1 > s0:
        run.switch_busy = min(1.0, (s1 - s0) / tsc_hz / (ts1 - ts0))
