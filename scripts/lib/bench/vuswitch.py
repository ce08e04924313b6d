# SPDX-License-Identifier: BSD-3-Clause
"""vuswitch itself: bridges of two vhost-user ports, one polling lcore."""

import json
import os
import shlex

from vulab.process import HURRY, run, wait_until
from vulab.switch import Switch as Vuswitch
from vulab.testpmd import memory_arguments

from .contract import Counters, Switch, address_of


UNLIMITED = {"storm-broadcast": "off", "storm-multicast": "off"}


class VuswitchSwitch(Switch):
    """vuswitch with --busy-poll, so that an idle moment is not spent going to sleep."""

    label = "vuswitch"
    path = ""
    settings = ""  # of bridges and ports (--with)
    control_cpu = None  # of all threads but the lcore; None: the same

    def __init__(self, setup):
        super().__init__(setup)
        self._ports = [f"guest{i}" for i in range(len(self.sockets))]
        arguments = [] if setup.sleeps else ["--busy-poll"]
        # A guest that floods is to be measured, not to be limited; builds before today's have no limits.
        unlimited = UNLIMITED if "storm-broadcast" in run([self.path, "--help"]) else {}
        floods = "".join(f",{key}={value}" for key, value in unlimited.items())
        if self.settings:
            arguments += ["--config", self._configure(setup, unlimited)]
        for name, path, bridge in () if self.settings else zip(self._ports, self.sockets, setup.bridges):
            arguments += ["--vhost", f"{name}={path},bridge=br{bridge},queues={setup.queues}{floods}"]
        control = self.cpu if self.control_cpu is None else self.control_cpu
        self._switch = Vuswitch(self.directory, arguments, memory_arguments(self.hugepages),
                                lcores=f"0@{control},1@{self.cpu}", prefix=HURRY, binary=self.path)

    def _configure(self, setup, unlimited):
        """A file with the settings, each for all bridges or all ports: its path."""
        bridges = [{"name": f"br{bridge}"} for bridge in sorted(set(setup.bridges))]
        ports = [{"name": name, "socket": path, "bridge": f"br{bridge}", "queues": setup.queues, **unlimited}
                 for name, path, bridge in zip(self._ports, self.sockets, setup.bridges)]
        for word in shlex.split(self.settings):
            whose, _, setting = word.partition(":")
            key, _, value = setting.partition("=")
            for number, entry in enumerate({"bridge": bridges, "port": ports}[whose]):
                value_here = value.format(**address_of(number))
                entry[key] = value_here if not value_here.isdigit() else int(value_here)
        path = self.directory / "vuswitch.yaml"
        path.write_text(json.dumps({"bridges": bridges, "ports": ports}), encoding="ascii")  # which is YAML, too
        return path

    @classmethod
    def missing(cls):
        if cls.path and os.access(cls.path, os.X_OK):
            return ""
        return (f"no {cls.path}: meson setup build && ninja -C build, or name one with "
                "--vuswitch PATH")

    def start(self):
        self.version = run([self.path, "--version"]).strip()
        self._switch.start(60)
        self.process = self._switch.process
        wait_until(lambda: all(map(os.path.exists, self.sockets)), 20, f"{self.label} to make its sockets")

    def settle(self):
        self._switch.wait_link(*self._ports)

    def counters(self):
        ports = self._switch.ports().values()
        macs = sum(bridge["macs"] for bridge in self._switch.ask("bridges")["bridges"])
        # with two ports a flood reaches one, as a known address does: nothing to tell apart
        return Counters(dropped=sum(port["rx_drops"] + port["tx_drops"] for port in ports),
                        flooded=0, macs=macs)

    def busy_cycles(self):
        return sum(lcore["busy_cycles"] for lcore in self._switch.ask("lcores")["lcores"])

    def lcore(self):
        """What it says of the lcore that polls."""
        return self._switch.ask("lcores")["lcores"][0]

    def stop(self):
        self._switch.stop()
