# SPDX-License-Identifier: BSD-3-Clause
"""TCP between Linux guests that leave checksums and segmentation to the receiver, guests that do not, and a host.

`a` and `b` are QEMU's default: every offload is on. `c` has none. The host is a namespace behind a tap,
whose kernel checks what it gets.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import open_lab
from vulab.guest import NO_OFFLOADS, Guest, Nic, boot_all
from vulab.lab import Lab
from vulab.process import wait_until

MIB = 16
TSO = {"CSUM", "GUEST_CSUM", "HOST_TSO4", "HOST_TSO6", "HOST_ECN", "GUEST_TSO4", "GUEST_TSO6", "GUEST_ECN"}


class Network:
    """The switch, its guests and the host; IPv6, VLAN 5 and a tunnel beside the plain addresses."""

    def __init__(self, lab: Lab, qemu: Path, image: Path) -> None:
        self.folder = lab.folder
        self.switch, self.host = lab.switch_and_host(lab.vhost("a", "b", "c"), "10.0.0.9/24")
        self.guests = [
            lab.guest(name, qemu, image,
                      Nic(lab.socket(name), f"52:54:00:00:00:0{name}",
                          options=NO_OFFLOADS if name == "c" else ""),
                      f"10.0.0.{number}/24", ipv6=True)
            for number, name in enumerate("abc", 1)]
        boot_all(self.guests)
        for number, guest in enumerate(self.guests, 1):
            guest.run(f"ip -6 address add fd00::{number}/64 dev eth0; "
                      "ip link add link eth0 name eth0.5 type vlan id 5; "
                      f"ip address add 10.0.5.{number}/24 dev eth0.5; ip link set eth0.5 up")
        for number, other in ((1, 3), (3, 1)):
            self.guests[number - 1].run(
                f"ip tunnel add tun5 mode ipip local 10.0.0.{number} remote 10.0.0.{other}; "
                f"ip address add 10.9.0.{number}/24 dev tun5; ip link set tun5 up")
        self.switch.wait_link("a", "b", "c", "up0")
        self.a, self.b, self.c = self.guests

    def counters(self, port: str) -> dict[str, int]:
        said = self.switch.port(port)
        return {key: int(said[key]) for key in ("rx_ok", "rx_bytes", "tx_ok", "tx_checksummed",
                                                "tx_segmented", "tx_segments")}

    def since(self, port: str, before: dict[str, int]) -> dict[str, int]:
        return {key: value - before[key] for key, value in self.counters(port).items()}


@pytest.fixture(scope="module")
def network(qemu: Path, image: Path) -> Iterator[Network]:
    for lab in open_lab():
        yield Network(lab, qemu, image)


def wrong_checksums(said: str) -> int:
    """How many segments and datagrams with a wrong checksum a kernel has seen, by /proc/net/snmp."""
    wrong = 0
    lines = [line.split() for line in said.splitlines()]
    for names, values in zip(lines[::2], lines[1::2]):
        wrong += sum(int(value) for name, value in zip(names, values) if name == "InCsumErrors")
    return wrong


def assert_all_right(guest: Guest) -> None:
    assert wrong_checksums(guest.run("cat /proc/net/snmp")) == 0, guest.name


def test_what_is_agreed_is_shown(network: Network) -> None:
    assert TSO <= set(network.switch.port("a")["features"])
    assert not TSO & set(network.switch.port("c")["features"])


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2", "10.0.5.2"], ids=["IPv4", "IPv6", "VLAN"])
def test_large_frames_pass_between_guests_that_agreed(network: Network, address: str) -> None:
    a, b = network.counters("a"), network.counters("b")
    rate = network.a.send_file(network.b, MIB, address=address)
    a, b = network.since("a", a), network.since("b", b)
    print(f"{address}: {rate:.1f} MB/s, {a['rx_bytes'] / a['rx_ok']:.0f} bytes a frame")
    # Without segmentation it would be 11586 frames and more; how many fewer is the guest's TCP's affair.
    assert a["rx_bytes"] > MIB << 20 and a["rx_ok"] < 11000, a
    assert b["tx_segmented"] == b["tx_checksummed"] == 0, b
    assert_all_right(network.b)


@pytest.mark.parametrize("address", ["10.0.0.3", "fd00::3", "10.0.5.3"], ids=["IPv4", "IPv6", "VLAN"])
def test_a_guest_without_offloads_gets_segments(network: Network, address: str) -> None:
    c = network.counters("c")
    rate = network.a.send_file(network.c, MIB, address=address)
    c = network.since("c", c)
    print(f"{address}: {rate:.1f} MB/s, {c['tx_segmented']} frames cut up into "
          f"{c['tx_segmented'] + c['tx_segments']}")
    assert c["tx_segmented"] > 100 and c["tx_segments"] > c["tx_segmented"], c
    assert c["tx_checksummed"] > 0, c
    assert c["tx_ok"] > (MIB << 20) // 1500, c
    assert_all_right(network.c)
    network.c.send_file(network.a, 4, address=address.replace("3", "1"))
    assert_all_right(network.a)


def test_a_tunnel_of_the_guests_own(network: Network) -> None:
    network.a.send_file(network.c, MIB, address="10.9.0.3")
    network.c.send_file(network.a, MIB, address="10.9.0.1")
    assert network.switch.port("a")["rx_drop"]["offload"] == 0
    for guest in (network.a, network.c):
        assert_all_right(guest)


def test_a_host_behind_a_tap_gets_segments(network: Network) -> None:
    """And what the host sends arrives: its kernel has left nothing open for the tap."""
    h = network.counters("up0")
    network.a.run(f"dd if=/dev/urandom of=/tmp/up bs=1M count={MIB} 2>/dev/null", 120)
    wanted = network.a.run("md5sum </tmp/up", 120)
    with subprocess.Popen([*network.host.prefix, "busybox", "nc", "-l", "-p", "5002", "-e", "md5sum"]):
        wait_until(lambda: ":5002" in network.host.run("ss", "-ltn"), 10, "the host to listen")
        begin = time.monotonic()
        said = network.a.run("nc 10.0.0.9 5002 </tmp/up", 240)
    h = network.since("up0", h)
    print(f"{MIB * 1.048576 / (time.monotonic() - begin):.1f} MB/s, {h}")
    assert said == wanted
    assert h["tx_segmented"] > 100 and h["tx_ok"] > (MIB << 20) // 1500, h
    assert wrong_checksums(network.host.run("cat", "/proc/net/snmp")) == 0
    down = network.folder / "down"
    down.write_bytes(os.urandom(4 << 20))
    network.b.run("nc -l -p 5003 -e md5sum >/dev/null & sleep 0.3; netstat -ltn | grep -q :5003")
    said = network.host.run("sh", "-c", f"busybox nc 10.0.0.2 5003 <{down}", seconds=60)
    assert said.split()[0] == hashlib.md5(down.read_bytes()).hexdigest()
    assert_all_right(network.b)
