# SPDX-License-Identifier: BSD-3-Clause
"""vuswitch itself: bridges of two vhost-user ports, one polling lcore."""

import os

from vulab.process import HURRY, run, wait_until
from vulab.switch import Switch as Vuswitch
from vulab.testpmd import memory_arguments

from .contract import Counters, Switch


class VuswitchSwitch(Switch):
    """vuswitch with --busy-poll, so that an idle moment is not spent going to sleep."""

    label = "vuswitch"
    path = ""
    control_cpu = None  # of all threads but the lcore; None: the same

    def __init__(self, setup):
        super().__init__(setup)
        self._ports = [f"guest{i}" for i in range(len(self.sockets))]
        arguments = [] if setup.sleeps else ["--busy-poll"]
        for name, path, bridge in zip(self._ports, self.sockets, setup.bridges):
            arguments += ["--vhost", f"{name}={path},bridge=br{bridge},queues={setup.queues}"]
        control = self.cpu if self.control_cpu is None else self.control_cpu
        self._switch = Vuswitch(self.directory, arguments, memory_arguments(self.hugepages),
                                lcores=f"0@{control},1@{self.cpu}", prefix=HURRY, binary=self.path)

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
