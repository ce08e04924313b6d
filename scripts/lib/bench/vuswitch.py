# SPDX-License-Identifier: BSD-3-Clause
"""vuswitch itself: bridges of two vhost-user ports, one polling lcore."""

import json
import os
import pathlib
import socket
import time

from .process import BenchError, Child, run
from .switch import ANSWER_SECONDS, START_SECONDS, Counters, Switch
from .testpmd import memory_arguments

ROOT = pathlib.Path(__file__).resolve().parents[3]


def find_vuswitch():
    """The one in $VUSWITCH_BUILD, or in build/ in the source tree."""
    folder = pathlib.Path(os.environ.get("VUSWITCH_BUILD") or ROOT / "build")
    return str(folder / "app" / "vuswitch" / "vuswitch")


class VuswitchSwitch(Switch):
    """vuswitch with --busy-poll, so that an idle moment is not spent going to sleep."""

    label = "vuswitch"
    path = ""

    def __init__(self, setup):
        super().__init__(setup)
        self._child = None
        self._control = str(self.directory / "control.sock")

    @classmethod
    def missing(cls):
        if cls.path and os.access(cls.path, os.X_OK):
            return ""
        return (f"no {cls.path}: meson setup build && ninja -C build, or name one with "
                "--vuswitch PATH")

    def start(self):
        ports = []
        for i, path in enumerate(self.sockets):
            ports += ["--vhost", f"guest{i}={path},bridge=br{i // 2}"]
        if not self.setup.sleeps:
            ports.append("--busy-poll")
        self.version = run([self.path, "--version"], ANSWER_SECONDS).strip()
        self._child = Child(self.label, [
            self.path, "--lcores", f"0@{self.cpu},1@{self.cpu}", "--no-pci",
            *memory_arguments(self.hugepages), "--", "--control", self._control, *ports], self.directory / "vuswitch.log",
            env={"RUNTIME_DIRECTORY": str(self.directory)})
        self._wait(lambda: all(map(os.path.exists, self.sockets + [self._control])),
                   "did not make its sockets")

    def pid(self):
        return self._child.pid

    def settle(self):
        self._wait(lambda: all(port["link"] == "up" for port in self._ask("ports")),
                   "did not get all guests' rings")

    def counters(self):
        ports = self._ask("ports")
        macs = sum(bridge["macs"] for bridge in self._ask("bridges"))
        # with two ports a flood reaches one, as a known address does: nothing to tell apart
        return Counters(dropped=sum(port["rx_drops"] + port["tx_drops"] for port in ports),
                        flooded=0, macs=macs)

    def busy_cycles(self):
        return sum(lcore["busy_cycles"] for lcore in self._ask("lcores"))

    def stop(self):
        if self._child:
            self._child.stop()

    def _ask(self, what):
        """One request to the control socket; the list it is about."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(ANSWER_SECONDS)
            try:
                control.connect(self._control)
                control.sendall(json.dumps({"command": what}).encode() + b"\n")
                with control.makefile() as replies:
                    return json.loads(replies.readline())[what]
            except (OSError, ValueError, KeyError) as error:
                raise BenchError(f"{self.label}: no answer to '{what}': {error!r}"
                                 f"{self._child.last_words()}") from error

    def _wait(self, condition, failure):
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if not self._child.alive() or time.monotonic() > deadline:
                raise BenchError(f"{self.label} {failure}{self._child.last_words()}")
            time.sleep(0.05)
