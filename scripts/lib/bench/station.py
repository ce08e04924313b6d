# SPDX-License-Identifier: BSD-3-Clause
"""A station: one switch with its guests, on its feet and frozen.

All stations of a round exist at the same time, and all but one stand still (SIGSTOP): so the
windows of different switches can follow each other within tenths of a second, and what the
machine does to one it does to the others.
"""

import contextlib
import os
import signal

from vulab.process import LabError

from .cpu import polling_threads, set_real_time, waking_threads


class Station:
    """The switch is started and its guests are connected when the constructor returns."""

    def __init__(self, kind, setup, make_guests):
        self.label = kind.label
        self.switch = kind(setup)
        self.guests = None
        try:
            self.switch.start()
            self.guests = make_guests(setup, kind.guests_listen)
            self.switch.settle()
        except BaseException:
            self.stop()
            raise
        self.freeze()

    def freeze(self):
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    @contextlib.contextmanager
    def turn(self):
        """Awake for as long as this lasts."""
        self.thaw()
        try:
            yield self
        finally:
            self.freeze()

    @contextlib.contextmanager
    def window(self):
        """Awake, and the threads that move packets as if they had cores of their own: nothing else gets in between. Not
        with guests that poll between the windows: this process could not end it."""
        threads, helpers = [], []
        if not self.guests.polls:
            polling = polling_threads(self.switch.process.pid)
            threads = [self.guests.process.pid, *polling]
            helpers = waking_threads(self.switch.process.pid)
            if self.guests.helped:  # what sleeps most of the time would on a larger machine not wait for what polls
                helpers = [tid for tid in os.listdir(f"/proc/{self.switch.process.pid}/task") if tid not in polling]
        with self.turn():
            set_real_time(helpers, True, 2)
            set_real_time(threads, True)
            try:
                yield self
            finally:
                set_real_time(threads + helpers, False)

    def stop(self):
        """End both, in whatever state they are."""
        with contextlib.suppress(ProcessLookupError, LabError, AttributeError):
            self.thaw()
        if self.guests:
            self.guests.stop()
        self.switch.stop()

    def _signal(self, number):
        os.kill(self.switch.process.pid, number)
        if self.guests and self.guests.polls:
            os.kill(self.guests.process.pid, number)
