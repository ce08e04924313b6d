# SPDX-License-Identifier: BSD-3-Clause
"""vuswitch itself: one bridge, two vhost-user ports, one polling lcore."""

import json
import os
import pathlib
import time

from .process import BenchError, Child, run
from .switch import Counters, Switch
from .testpmd import ANSWER_SECONDS, START_SECONDS, memory_arguments

ROOT = pathlib.Path(__file__).resolve().parents[3]


def find_vuswitch():
    """The one in $VUSWITCH_BUILD, or in build/ in the source tree."""
    folder = pathlib.Path(os.environ.get("VUSWITCH_BUILD") or ROOT / "build")
    return str(folder / "app" / "vuswitch" / "vuswitch")


class VuswitchSwitch(Switch):
    """vuswitch with --busy-poll, so that an idle moment is not spent going to sleep."""

    label = "vuswitch"
    path = ""

    @classmethod
    def missing(cls):
        if cls.path and os.access(cls.path, os.X_OK):
            return ""
        return (f"no {cls.path}: meson setup build && ninja -C build, or name one with "
                "--vuswitch PATH")

    def start(self):
        ports = []
        for i, socket in enumerate(self.sockets):
            ports += ["--vhost", f"guest{i}={socket}"]
        self._control = str(self.directory / "control.sock")
        self.version = run([self.path, "--version"], ANSWER_SECONDS).strip()
        self._child = Child(self.label, [
            self.path, "--lcores", f"0@{self.cpu},1@{self.cpu}", "--no-pci",
            *memory_arguments(self.hugepages), "--", "--control", self._control, "--busy-poll",
            *ports], self.directory / "vuswitch.log",
            env={"RUNTIME_DIRECTORY": str(self.directory)})
        self._wait(lambda: all(map(os.path.exists, self.sockets + [self._control])),
                   "did not make its sockets")

    def pid(self):
        return self._child.pid

    def stop(self):
        self._child.stop()

    def _wait(self, condition, failure):
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if not self._child.alive() or time.monotonic() > deadline:
                raise BenchError(f"{self.label} {failure}{self._child.last_words()}")
            time.sleep(0.05)
