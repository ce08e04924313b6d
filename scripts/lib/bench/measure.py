# SPDX-License-Identifier: BSD-3-Clause
"""Take a figure: the windows of one run, and the proof that it is a fair one.

A run is one switch, one frame size. Warm up, then look at the generator's counters at the two
ends of short windows. A window counts only if the polling thread of the generator and that of the
switch had (nearly) all of their CPU in it: on a shared machine anything else measures the
neighbours. Afterwards, in a window of its own because counting costs cycles, how busy both were:
the busier one is what the figure is the limit of.
"""

import dataclasses
import statistics
import time

from .process import BenchError
from .testpmd import CpuWatch

UNDISTURBED = 0.97  # least share of a CPU in a window that counts
GAUGE_SECONDS = 0.4


@dataclasses.dataclass
class Plan:
    """The length of everything in a run."""

    bursts: int  # of 32 frames, from each guest
    windows: int = 3  # undisturbed ones wanted
    attempts: int = 9  # windows taken at most
    seconds: float = 0.5  # a window
    warm_up: float = 0.5


@dataclasses.dataclass
class Run:
    """One figure with what it rests on."""

    switch: str
    size: int
    mpps: float = 0.0  # frames that reached the guests, both directions together, median window
    windows: list = dataclasses.field(default_factory=list)  # Mpps of those that count
    disturbed: bool = False  # no undisturbed window: mpps is of the least disturbed ones
    share: list = dataclasses.field(default_factory=list)  # CPU share: generator, switch
    generator_busy: float = 0.0  # 0 to 1
    switch_busy: float = -1.0  # -1: it cannot say
    dropped: int = 0  # by the switch, during the windows
    lost_by_generator: int = 0
    flooded: int = 0
    macs: int = -1

    def complaints(self):
        """What makes the figure unfair, in words; empty: nothing."""
        said = []
        if self.disturbed:
            said.append(f"disturbed: the polling threads had {self.share[0]:.0%} and "
                        f"{self.share[1]:.0%} of their CPUs")
        if self.dropped:
            said.append(f"the switch dropped {self.dropped} frames")
        if self.lost_by_generator:
            said.append(f"the generator dropped {self.lost_by_generator} frames")
        if self.flooded:
            said.append(f"the switch flooded {self.flooded} frames")
        if self.macs not in (-1, 2):
            said.append(f"the switch knows {self.macs} addresses, not 2")
        return said


def measure(generator, switch, size, plan, tsc_hz):
    """One run. The generator and the switch are up and connected; no traffic flows."""
    run = Run(switch.label, size)
    generator.start_traffic(size, plan.bursts)
    time.sleep(plan.warm_up)
    counters = switch.counters()
    first = generator.sample()
    _take_windows(run, generator, switch, plan)
    last = generator.sample()
    after = switch.counters()
    run.dropped = after.dropped - counters.dropped
    run.flooded = max(0, after.flooded - counters.flooded)
    run.macs = after.macs
    run.lost_by_generator = last.dropped - first.dropped
    _gauge(run, generator, switch, tsc_hz)
    generator.stop_traffic()
    return run


def _take_windows(run, generator, switch, plan):
    """Windows until enough of them were undisturbed; the figure is their median."""
    taken = []
    generator.sample()
    watch = CpuWatch([generator.pid, switch.pid()], time.monotonic)
    for _ in range(plan.attempts):
        watch.start()
        time.sleep(plan.seconds)
        shares = watch.shares()
        mpps = sum(generator.sample().rx_pps) / 1e6
        taken.append((min(shares), mpps, shares))
        if len([window for window in taken if window[0] >= UNDISTURBED]) == plan.windows:
            break
    if max(window[1] for window in taken) == 0:
        raise BenchError(f"{run.switch}: no frame of {run.size} bytes came through "
                         f"(see the logs with --keep-logs)")
    taken.sort(reverse=True)
    counted = [window for window in taken if window[0] >= UNDISTURBED]
    run.disturbed = not counted
    counted = counted or taken[:1]
    run.windows = [round(window[1], 4) for window in counted]
    run.mpps = statistics.median(run.windows)
    run.share = [min(window[2][i] for window in counted) for i in (0, 1)]


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
    run.generator_busy = (g1 - g0) / tsc_hz / (tg1 - tg0)
    if s0 is not None and s1 is not None:
        run.switch_busy = (s1 - s0) / tsc_hz / (ts1 - ts0)
