# SPDX-License-Identifier: BSD-3-Clause
"""A lab: one folder, and everything that was started in it."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .guest import Guest, Nic
from .machine import Q35, Machine
from .net import Netns
from .process import LabError
from .switch import Switch
from .testpmd import Testpmd

_serial = itertools.count(1)


class _Stoppable(Protocol):
    def stop(self) -> object: ...


class Lab:
    """Makes guests, switches and namespaces, and ends them all in close().

    The folder's path is short, as a socket's must be.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vu-"))
        self.guests: list[Guest] = []
        self.switches: list[Switch] = []
        self._others: list[_Stoppable] = []
        self._netns: list[Netns] = []

    def socket(self, name: str) -> Path:
        """Where the socket of the port of that name is to be."""
        return self.folder / f"{name}.sock"

    def switch(self, arguments: Sequence[str], eal: Sequence[str] = (), name: str = "vuswitch",
               netns: Netns | None = None, lcores: str = "0@0,1@0",
               prefix: Sequence[str] = ()) -> Switch:
        """A switch that is not started yet."""
        switch = Switch(self.folder, arguments, eal, name, netns, lcores, prefix)
        self.switches.append(switch)
        return switch

    def vhost(self, *names: str, options: str = "") -> list[str]:
        """Arguments of a switch: a port for each name, at its socket()."""
        return [word for name in names for word in ("--vhost", f"{name}={self.socket(name)}{options}")]

    def switch_and_host(self, arguments: Sequence[str], address: str = "") -> tuple[Switch, Netns]:
        """A switch that runs, with one more port, `up0`: the tap `vut0` of a host, which has the address."""
        host = self.netns()
        switch = self.switch([*arguments, "--ethdev=up0=net_tap0"], ["--vdev", "net_tap0,iface=vut0"], netns=host)
        switch.start()
        host.wait_device("vut0")
        if address:
            host.address("vut0", address)
        return switch, host

    def guest(self, name: str, qemu: Path, image: Path, nic: Nic | Sequence[Nic], address: str, *,
              machine: Machine = Q35, cpus: int = 1, mtu: int | None = None, memory: str = "192M",
              hotplug: str = "", page: int = 0, ipv6: bool = False, extra: Sequence[str] = ()) -> Guest:
        """A guest that is not started yet."""
        folder = self.folder / name
        folder.mkdir()
        nics = [nic] if isinstance(nic, Nic) else nic
        guest = Guest(name, nics, address, qemu, image, machine, cpus=cpus, mtu=mtu, memory=memory,
                      hotplug=hotplug, page=page, ipv6=ipv6, extra=extra, folder=folder)
        self.guests.append(guest)
        return guest

    def testpmd(self, name: str, vdevs: Sequence[str], arguments: Sequence[str] = ()) -> Testpmd:
        testpmd = Testpmd(self.folder, name, vdevs, arguments)
        self._others.append(testpmd)
        return testpmd

    def testpmd_guests(self, arguments: Sequence[str], *, count: int = 2, queues: int = 1,
                       options: str = "") -> Testpmd:
        """Guests that need no virtual machine, at the ports `g0`, `g1` and so on: cards of one testpmd."""
        vdevs = [f"net_virtio_user{i},path={self.socket(f'g{i}')},mac=02:00:00:00:00:0{'abc'[i]},queues={queues},"
                 f"queue_size=1024{options}" for i in range(count)]
        return self.testpmd("guests", vdevs, [*arguments, "--txd=1024", "--rxd=1024"])

    def keep(self, other: _Stoppable) -> None:
        """Something made elsewhere that is to end with the lab."""
        self._others.append(other)

    def netns(self) -> Netns:
        """A new namespace, with a name of its own."""
        netns = Netns(f"{self.folder.name}-{next(_serial)}")
        self._netns.append(netns)
        return netns

    def report(self) -> str:
        """The end of every log, to find out why."""
        parts = [switch.report() for switch in self.switches if switch.process]
        parts += [f"{guest.name}'s console:\n{guest.console(8)}" for guest in self.guests
                  if guest.process]
        return "\n".join(parts)

    def close(self) -> None:
        """Ends everything, the last started first, and removes the folder."""
        everything: list[_Stoppable] = [*self.switches, *self._others, *self.guests]
        for each in reversed(everything):
            try:
                each.stop()
            except LabError:
                pass
        for netns in self._netns:
            netns.delete()
        shutil.rmtree(self.folder, ignore_errors=True)
