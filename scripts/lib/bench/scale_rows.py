# SPDX-License-Identifier: BSD-3-Clause
"""The rows of scripts/bench-scale: how many guests, who of them sends to whom, and which figures say something about it.

A case has guests (tests/perf/crowd), a pattern and one or two windows of it; the figures of a window are those of
scale.take(). The first case of a row says what the others are compared with.
"""

import dataclasses
import functools

from . import scale


@dataclasses.dataclass
class Case:
    """A switch with so many guests. take(station, seconds) is one window: its figures by name."""

    label: str
    take: object
    guests: int
    spread: tuple = ()  # the bridge of each guest; else all are on one
    queues: int = 1
    sleeps: bool = False
    peers: tuple = ("vuswitch",)
    seconds: float = 0.1

    @property
    def shape(self):
        """What a Setup is to be."""
        return {"spread": self.spread or (0,) * self.guests, "queues": self.queues, "sleeps": self.sleeps}


@dataclasses.dataclass
class Row:
    """Cases that make one table. columns: (figure, heading, digits); the first is the one of the ratio."""

    title: str
    columns: tuple
    cases: list


def _paired(guests):
    return tuple(i // 2 for i in range(guests))


def _silent(quick):
    """One busy pair beside guests that are connected and say nothing."""
    cases = []
    for sleeps in (False, True):
        for n in (0, 510) if sleeps else (0, 28, 62, 254, 510):
            if quick and n in (28, 254):
                continue
            peers = ("vuswitch", "testpmd") if n <= 28 else ("vuswitch", "ovs") if n <= 62 else ("vuswitch",)
            peers = peers if n else ("vuswitch", "testpmd", "ovs")
            cases.append(Case(f"{n} silent{', may sleep' if sleeps else ''}", scale.busy_and_idle, n + 2, _paired(n + 2),
                              sleeps=sleeps, peers=("vuswitch",) if sleeps else peers))
    return Row("One busy pair beside silent connected guests", (
        ("mpps", "Mpps", 2), ("ticks", "ticks a frame", 0), ("round", "an idle round, ticks", 0),
        ("kicks", "kicks/s", 0)), cases)


def _trickle(quick):
    """Hundreds of guests that send a frame a second each; and one that sends as rarely."""
    cases = [Case(label, functools.partial(scale.paced, (f"star {n}",), pps), n, sleeps=True, seconds=0.4)
             for label, n, pps in (("1 guest, 100 frames/s", 2, 100), ("500 guests, 1 frame/s each", 501, 500),
                                   ("1000 guests, 1 frame/s each", 1001, 1000))
             if not quick or n < 1000]
    return Row("Guests that send rarely: wake-ups", (
        ("lcore_ms", "lcore CPU, ms/s", 1), ("all_ms", "the switch's CPU, ms/s", 1), ("p50", "p50, µs", 1),
        ("p99", "p99, µs", 1), ("kicks", "kicks/s", 0)), cases)


def _spread(quick):
    """200 000 frames a second in all, to one guest."""
    cases = [Case(f"{n} guests", functools.partial(scale.paced, (f"star {n}",), 200e3), n, sleeps=True)
             for n in (2, 200, 500) if not quick or n != 200]
    return Row("200 kpps in all, to a guest that looks at one ring", (
        ("ticks", "busy ticks a frame", 0), ("p50", "p50, µs", 2), ("p99", "p99, µs", 2), ("lcore_ms", "lcore CPU, ms/s", 0),
        ("kicks", "kicks/s", 0)), cases)


def _queues(_quick):
    """Queue pairs of which few are active."""
    return Row("Queue pairs of 32 guests", (
        ("ticks", "ticks a frame", 0), ("mpps", "Mpps", 2), ("kicks", "kicks/s", 0)), [
            Case(label, functools.partial(scale.busy, (f"pair 0 1 {active}",)), 32, queues=queues)
            for label, queues, active in (("1 each, one active in two", 1, 1), ("16 each, one active in two", 16, 1),
                                          ("16 each, all active in two", 16, 16))])


def _fan(_quick):
    """One sender, many receivers in turn."""
    return Row("From one sender to many receivers in turn, 129 guests", (
        ("ticks", "ticks a frame", 0), ("mpps", "Mpps", 2), ("kicks", "kicks/s", 0)), [
            Case(f"{n} receivers" if n > 1 else "1 receiver", functools.partial(scale.busy, (f"fan {n}",)), 129)
            for n in (1, 8, 128)])


def _flood(quick):
    """A guest that floods, and a pair of another bridge on the same lcore."""
    return Row("A guest that broadcasts, beside a pair in another bridge", (
        ("kept", "the pair's rate, to alone", 2), ("mpps", "its Mpps", 2), ("alone", "alone", 2), ("p99", "its p99, µs", 1),
        ("p99_alone", "alone", 1), ("copies", "copies, M/s", 1), ("most", "without the pair", 1), ("kicks", "kicks/s", 0)), [
            Case(f"to {n}", functools.partial(scale.flooded, n), n + 3, (1, 1) + (0,) * (n + 1))
            for n in (8, 64, 255) if not quick or n != 64])


ROWS = {"silent": _silent, "trickle": _trickle, "spread": _spread, "queues": _queues, "fan": _fan, "flood": _flood}
