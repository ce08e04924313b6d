# SPDX-License-Identifier: BSD-3-Clause
"""Packed rings with Linux's driver, in QEMU. (DPDK's virtio-user has them in test_uplinks.py.)"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import open_lab
from vulab.guest import Nic, boot_all, reboot_all
from vulab.lab import Lab
from vulab.process import wait_until


class Pair:
    """One guest that connects and one that listens."""

    def __init__(self, lab: Lab, qemu: Path, image: Path) -> None:
        self.switch = lab.switch([*lab.vhost("a"), *lab.vhost("b", options=",mode=client")])
        self.a = lab.guest("a", qemu, image, Nic(lab.socket("a"), "52:54:00:00:00:0a",
                                                 options="packed=on"), "10.0.0.1/24")
        self.b = lab.guest("b", qemu, image, Nic(lab.socket("b"), "52:54:00:00:00:0b",
                                                 role="server", options="packed=on"), "10.0.0.2/24")
        self.switch.start()
        boot_all([self.a, self.b])

    def is_well(self) -> None:
        self.switch.wait_link("a", "b")
        assert all(self.switch.are_packed("a", "b"))
        self.a.reach(self.b.ip, 20)
        assert self.a.ping(self.b.ip, 3) == 3
        assert self.b.ping(self.a.ip, 3) == 3


@pytest.fixture(scope="module")
def pair(qemu: Path, image: Path) -> Iterator[Pair]:
    for lab in open_lab():
        yield Pair(lab, qemu, image)


def test_guests_talk(pair: Pair) -> None:
    pair.is_well()
    print(f"a to b {pair.a.send_file(pair.b, 32):.1f} MB/s, "
          f"b to a {pair.b.send_file(pair.a, 32):.1f} MB/s")


def test_guests_reboot(pair: Pair) -> None:
    for guest in (pair.a, pair.b):
        guest.reboot()
        pair.is_well()


def test_switch_is_killed_under_traffic(pair: Pair) -> None:
    """QEMU does not know where a packed ring stood when its back end is gone: the journal does."""
    pair.is_well()
    for _ in range(3):
        before = pair.switch.port("a")["rx_ok"]
        pair.a.start_ping(pair.b, interval=0.02)
        wait_until(lambda: bool(pair.switch.port("a")["rx_ok"] > before + 40), 20, "pings", 0.05)
        pair.switch.kill()
        pair.switch.start()
        pair.is_well()
        answered, _ = pair.a.stop_ping()
        assert answered > 20 and pair.a.ping_duplicates() == 0
        assert pair.switch.port("a")["rx_drop"]["restart"] <= 32
    pair.a.send_file(pair.b, 16)
    pair.b.send_file(pair.a, 16)
    status = pair.switch.terminate(2)
    assert status == 0, pair.switch.report()
    pair.switch.start()
    pair.is_well()


def test_guest_reboots_while_the_switch_is_away(pair: Pair) -> None:
    """What the journal says is of another time then, and the ring shows it."""
    pair.switch.kill()
    reboot_all([pair.a, pair.b])
    pair.switch.start()
    pair.is_well()
    assert pair.switch.port("a")["rx_drop"]["restart"] == 0
