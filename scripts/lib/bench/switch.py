# SPDX-License-Identifier: BSD-3-Clause
"""The contract of a switch under test. switches.py has one class for each.

The life of a switch in a run: start() -> (the generator connects) -> settle() -> traffic, with
counters() before and after -> stop(). One object is one life; a switch's own socket files and
logs lie in its directory, which the caller removes.
"""

import dataclasses


@dataclasses.dataclass
class Counters:
    """What the switch itself says it did with the frames since it started."""

    dropped: int  # frames it received and did not deliver, or refused to receive
    flooded: int  # frames it sent to every port because it did not know the address; -1: unknown
    macs: int  # addresses it has learned; -1: it does not learn


class Switch:
    """Base: what the bench knows about a switch."""

    label = ""  # column in the table, key in the JSON
    guests_listen = False  # the generator makes the sockets and the switch connects to them

    def __init__(self, directory, cpu, hugepages):
        self.directory = directory
        self.cpu = cpu
        self.hugepages = hugepages
        self.sockets = [str(directory / f"guest{i}.sock") for i in (0, 1)]
        self.version = ""

    @classmethod
    def missing(cls):
        """Why this switch cannot run here, with the mend; empty: it can."""
        return ""

    def start(self):
        """Start it. When this returns the guests may start."""
        raise NotImplementedError

    def settle(self):
        """The guests are up: wait until both ports forward."""

    def pid(self):
        """The process whose busiest thread polls."""
        raise NotImplementedError

    def counters(self):
        raise NotImplementedError

    def busy_cycles(self):
        """(busy cycles so far of the polling thread, all cycles so far), or None."""
        return None

    def count_cycles(self, on):
        """Prepare busy_cycles(); a switch that always counts ignores it."""

    def stop(self):
        raise NotImplementedError
