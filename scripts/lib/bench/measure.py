# SPDX-License-Identifier: BSD-3-Clause
"""Take figures: the windows of one round, and the proof that they are fair.

A run is one switch, one frame size, in one round. The stations take a window each, in turn, lap
after lap. A window counts only if the polling thread of the guests and that of the switch had
(nearly) all of their CPU in it, and no hypervisor said that it took some: on a shared machine anything
else measures the neighbours. Between windows, while everything stands still, the trip of a cache line between the two CPUs is taken
(line_trip): on a virtual machine the distance between two CPUs changes, and the figures with it,
so windows are compared with windows at the same distance only (report.py). Afterwards, in a
window of its own because counting costs cycles, how busy the switch was.
"""

import dataclasses
import statistics
import time

from vulab.process import LabError

from .cpu import CpuWatch

UNDISTURBED = 0.94  # least share of a CPU in a window that counts
SAME_DISTANCE = 1.6  # trips that differ by less are of the same distance
GAUGE_SECONDS = 0.2


@dataclasses.dataclass
class Plan:
    """The length of everything in a run."""

    windows: int = 8  # good ones wanted
    attempts: int = 17  # windows taken at most
    seconds: float = 0.1  # a window
    warm_up: float = 0.2  # before the first


@dataclasses.dataclass
class Window:
    """What went by in a fraction of a second."""

    mpps: float  # frames that reached the guests, both directions together
    generator_share: float  # of its CPU, 0 to 1
    switch_share: float
    trip_ns: float  # a cache line from CPU to CPU and back, around the window; 0: unknown
    moved: bool  # the trip was another one at its end than at its beginning
    lap: int = 0
    stolen: float = 0.0  # seconds that a hypervisor said it kept from us

    @property
    def good(self):
        return min(self.generator_share, self.switch_share) >= UNDISTURBED and not self.moved and not self.stolen


@dataclasses.dataclass
class Run:
    """What one switch did with one frame size, in one round."""

    switch: str
    size: int
    windows: list = dataclasses.field(default_factory=list)
    generator_busy: float = -1.0  # 0 to 1; -1: it cannot say
    switch_busy: float = -1.0
    dropped: int = 0  # by the switch, during the windows
    lost: int = 0  # frames that left a guest and never came to another
    disorder: int = 0
    flooded: int = 0
    macs: int = -1  # -1: it does not learn
    macs_due: int = 2

    @property
    def mpps(self):
        """The median of its good windows, or of all if none is."""
        windows = [window for window in self.windows if window.good] or self.windows
        return statistics.median(window.mpps for window in windows) if windows else 0.0

    def complaints(self):
        """What makes the figure unfair, in words; empty: nothing."""
        said = []
        if self.dropped:
            said.append(f"the switch dropped {self.dropped} frames")
        if self.lost:
            said.append(f"{self.lost} frames never came")
        if self.disorder:
            said.append(f"{self.disorder} frames came twice or late")
        if self.flooded:
            said.append(f"the switch flooded {self.flooded} frames")
        if self.macs not in (-1, self.macs_due):
            said.append(f"the switch knows {self.macs} addresses, not {self.macs_due}")
        return said


class Turn:
    """One station's part of the measurement of one size."""

    def __init__(self, station, size, macs_due):
        self.station = station
        self.run = Run(station.label, size, macs_due=macs_due)
        self._counters = None

    def begin(self, plan):
        with self.station.turn() as station:
            station.guests.start_traffic(self.run.size)
            station.guests.window(plan.warm_up)
            self._counters = station.switch.counters()

    def window(self, plan, lap):
        """One window. Its trip is filled in by the caller."""
        with self.station.window() as station:
            watch = CpuWatch([station.switch.process.pid])
            rate = station.guests.window(plan.seconds)
            share, stolen = watch.shares()[0], watch.stolen()
        self.run.windows.append(Window(rate.mpps, rate.share, share, 0.0, False, lap, stolen))
        self.run.lost += rate.lost
        self.run.disorder += rate.disorder
        self.run.generator_busy = max(self.run.generator_busy, rate.busy)
        return self.run.windows[-1]

    def end(self, tsc_hz):
        with self.station.turn() as station:
            after = station.switch.counters()
            self.run.dropped = after.dropped - self._counters.dropped
            self.run.flooded = max(0, after.flooded - self._counters.flooded)
            self.run.macs = after.macs
            self.run.switch_busy = _gauge(station, tsc_hz)
            station.guests.stop_traffic()
        if max((window.mpps for window in self.run.windows), default=0) == 0:
            raise LabError(f"no frame of {self.run.size} bytes came through "
                             f"(see the logs with --keep-logs)")


def measure(stations, size, plan, trip, tsc_hz, macs_due=2):
    """A Run of each station, and [(station, what went wrong)] of those that failed."""
    failures = []

    def each(turns, step):
        """step(turn) for each turn; those that it worked for."""
        left = []
        for turn in turns:
            try:
                step(turn)
                left.append(turn)
            except (LabError, OSError) as error:
                failures.append((turn.station, error))
        return left

    turns = each([Turn(station, size, macs_due) for station in stations], lambda turn: turn.begin(plan))
    before = trip()

    def one(turn):
        nonlocal before
        window = turn.window(plan, lap)
        after = trip()
        window.trip_ns = (before * after) ** 0.5
        window.moved = not same_distance(before, after)
        before = after

    for lap in range(plan.attempts):
        turns = each(turns, one)
        if all(sum(window.good for window in turn.run.windows) >= plan.windows for turn in turns):
            break
    turns = each(turns, lambda turn: turn.end(tsc_hz))
    return [turn.run for turn in turns], failures


def same_distance(one, other):
    return max(one, other) <= SAME_DISTANCE * min(one, other)


def _gauge(station, tsc_hz):
    """How busy the switch was under traffic: busy cycles of the time that passed; -1: it cannot say."""
    switch = station.switch
    switch.count_cycles(True)
    station.guests.window(0.05)  # the burst in which counting began has no beginning: let it pass
    first, since = switch.busy_cycles(), time.monotonic()
    station.guests.window(GAUGE_SECONDS)
    cycles, seconds = switch.busy_cycles() - first, time.monotonic() - since
    switch.count_cycles(False)
    return min(1.0, cycles / tsc_hz / seconds) if cycles > 0 else -1.0
