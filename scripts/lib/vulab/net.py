# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces, and what the host sends and receives in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .process import LabError, run, wait_until


class Netns:
    """A network namespace with its loopback up and IPv6 off (its chatter would be counted)."""

    def __init__(self, name: str) -> None:
        self.name = name
        run(["ip", "netns", "add", name])
        self.run("ip", "link", "set", "lo", "up")
        for scope in ("all", "default"):
            self.run("sysctl", "-q", "-w", f"net.ipv6.conf.{scope}.disable_ipv6=1", check=False)

    @property
    def prefix(self) -> list[str]:
        """What to write before a command that is to run in the namespace."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *argv: str, seconds: float = 30, check: bool = True) -> str:
        return run([*self.prefix, *argv], seconds, check)

    def address(self, device: str, address: str, mtu: int | None = None) -> None:
        """Gives a device of the namespace an address and sets it up."""
        if mtu:
            self.run("ip", "link", "set", device, "mtu", str(mtu))
        self.run("ip", "address", "replace", address, "dev", device)
        self.run("ip", "link", "set", device, "up")

    def wait_device(self, device: str) -> None:
        """Waits until there is a network device of that name."""
        wait_until(lambda: self.run("ip", "link", "show", device, check=False), 10, f"{device} in {self.name}")

    def reach(self, address: str, seconds: float = 15) -> None:
        """Waits until one ping is answered."""
        wait_until(lambda: self.ping(address, 1) == 1, seconds, f"{self.name} to reach {address}")

    def ping(self, address: str, count: int = 3, size: int = 56,
             options: Sequence[str] = ()) -> int:
        """Pings from the namespace and returns how many answers came."""
        said = self.run("ping", "-n", "-c", str(count), "-i", "0.2", "-s", str(size), "-W", "2",
                        *options, address, seconds=count * 2 + 10, check=False)
        found = re.search(r"(\d+) received", said)
        if not found:
            raise LabError(f"{self.name}: ping said nothing: is iputils-ping installed?")
        return int(found[1])

    def delete(self) -> None:
        run(["ip", "netns", "delete", self.name], check=False)


def veth(first: Netns, first_name: str, second: Netns, second_name: str) -> None:
    """A cable between two namespaces."""
    run(["ip", "link", "add", first_name, "netns", first.name, "type", "veth",
         "peer", "name", second_name, "netns", second.name])
