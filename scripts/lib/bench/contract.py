# SPDX-License-Identifier: BSD-3-Clause
"""The contract of a switch under test. vuswitch.py, testpmd.py, ovs.py and linux.py have one class for each.

The life of a switch in a round: start() -> (the guests connect) -> settle() -> traffic, with
counters() before and after -> stop(). One object is one life; a switch's own socket files and
logs lie in its directory, which the caller removes.
"""

import dataclasses
import pathlib


@dataclasses.dataclass
class Setup:
    """What a switch is to be, besides its kind."""

    directory: pathlib.Path
    cpu: int
    other_cpu: int  # the guests'
    hugepages: bool
    pairs: int = 1  # bridges with two guests each
    spread: tuple = ()  # the bridge of each guest, where they are not in pairs
    queues: int = 1  # queue pairs of a guest
    mtu: int = 1500
    macs: int = 1  # addresses a guest sends from
    sleeps: bool = False  # an idle switch may sleep, if it can
    packed: bool = False  # guests want packed rings; most switches offer them unasked
    tso: bool = False  # guests send TCP that a receiver may need to have cut into segments

    @property
    def sockets(self):
        """Of guest 0, 1, ..."""
        return [str(self.directory / f"guest{i}.sock") for i in range(len(self.bridges))]

    @property
    def bridges(self):
        """The bridge of guest 0, 1, ...: guests 2k and 2k + 1 are on bridge k, unless they are spread otherwise."""
        return self.spread or tuple(i // 2 for i in range(2 * self.pairs))


@dataclasses.dataclass
class Counters:
    """What the switch itself says it did with the frames since it started."""

    dropped: int  # frames it received and did not deliver, or refused to receive
    flooded: int  # frames it sent to every port because it did not know the address
    macs: int  # addresses it has learned; -1: it does not learn


def address_of(guest):
    """What a fake guest sends from, for settings that name it (--ip)."""
    return {"mac": f"02:{guest:02x}:00:00:00:00", "ip": f"198.18.0.{guest}"}


class Switch:
    """Base: what the bench knows about a switch."""

    label = ""  # column in the table, key in the JSON
    sleeps = False  # when idle, if it can
    guests_listen = False  # the guests make the sockets and the switch connects to them

    def __init__(self, setup):
        self.setup = setup
        self.cpu = setup.cpu
        self.directory = setup.directory
        self.hugepages = setup.hugepages
        self.sockets = setup.sockets
        self.version = ""
        self.process = None  # the one whose busiest thread polls, and that is frozen between its turns; None: the kernel

    @classmethod
    def missing(cls):
        """Why this switch cannot run here, with the mend; empty: it can."""
        return ""

    def start(self):
        """Start it. When this returns the guests may start."""
        raise NotImplementedError

    def settle(self):
        """The guests are up: wait until all ports forward."""

    def counters(self):
        raise NotImplementedError

    def busy_cycles(self):
        """Busy cycles so far of the polling thread; 0: it cannot say."""
        return 0

    def count_cycles(self, on):
        """Prepare busy_cycles(); a switch that always counts ignores it."""

    def stop(self):
        raise NotImplementedError
