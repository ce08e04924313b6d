# SPDX-License-Identifier: BSD-3-Clause
"""Three Linux guests on one bridge, with every QEMU there is.

`a` has four queue pairs; `a` and `b` connect to the switch, which connects to `c`. The guests stay
up from test to test; a test that finds them in disorder starts anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import open_lab
from vulab.guest import Nic, boot_all
from vulab.lab import Lab
from vulab.process import LabError, wait_until
from vulab.switch import Switch

CONFIG = """\
bridges:
  - name: br0
ports:
  - {{name: a, type: vhost-user, bridge: br0, socket: {0}/a.sock, queues: 4}}
  - {{name: b, type: vhost-user, bridge: br0, socket: {0}/b.sock}}
  - {{name: c, type: vhost-user, bridge: br0, socket: {0}/c.sock, mode: client}}
"""


class Trio:
    """The switch and its three guests."""

    def __init__(self, lab: Lab, qemu: Path, image: Path) -> None:
        self.lab = lab
        self.config = lab.folder / "vuswitch.yaml"
        self.config.write_text(CONFIG.format(lab.folder))
        # two workers, so that neighbours are served by different lcores
        self.switch: Switch = lab.switch(["--config", str(self.config)],
                                         lcores="0@0,1@0,2@1" if os.cpu_count() != 1 else "0@0,1@0")
        self.a = lab.guest("a", qemu, image, Nic(lab.socket("a"), "52:54:00:00:00:0a", queues=4),
                           "10.0.0.1/24", cpus=2)
        self.b = lab.guest("b", qemu, image, Nic(lab.socket("b"), "52:54:00:00:00:0b"),
                           "10.0.0.2/24")
        self.c = lab.guest("c", qemu, image,
                           Nic(lab.socket("c"), "52:54:00:00:00:0c", role="server"),
                           "10.0.0.3/24")
        self.guests = [self.a, self.b, self.c]
        self.started = False

    def start(self) -> None:
        self.switch.start()
        boot_all(self.guests)
        self.started = True
        print("booted in", ", ".join(f"{guest.boot_seconds:.1f} s ({guest.uptime:.1f} s)"
                                     for guest in self.guests))

    def stop(self) -> None:
        for guest in self.guests:
            guest.stop()
        self.switch.stop()
        self.started = False

    def is_well(self) -> bool:
        """Whether all are up and reach each other."""
        try:
            self.switch.must_run()
            self.switch.wait_link("a", "b", "c", seconds=10)
            return all(guest.ping(other.ip, 1) == 1
                       for guest in self.guests for other in self.guests if guest is not other)
        except (LabError, OSError, AssertionError):
            return False


@pytest.fixture(scope="module")
def trio_of_module(qemu: Path, image: Path) -> Iterator[Trio]:
    for lab in open_lab():
        yield Trio(lab, qemu, image)


@pytest.fixture
def trio(trio_of_module: Trio) -> Trio:
    """The trio, up and well, whatever the test before left behind."""
    if not (trio_of_module.started and trio_of_module.is_well()):
        trio_of_module.stop()
        trio_of_module.start()
        all_well(trio_of_module, 30)
    return trio_of_module


def all_well(trio: Trio, seconds: float) -> None:
    trio.switch.wait_link("a", "b", "c", seconds=seconds)
    trio.a.reach(trio.b.ip, seconds)
    trio.b.reach(trio.c.ip, seconds)
    trio.c.reach(trio.a.ip, seconds)


def test_ping_both_ways(trio: Trio) -> None:
    for guest in trio.guests:
        for other in trio.guests:
            if guest is not other:
                assert guest.ping(other.ip, 3) == 3, f"{guest.name} to {other.name}"


def test_large_tcp_transfer_arrives_whole(trio: Trio) -> None:
    print(f"a to b {trio.a.send_file(trio.b, 64):.1f} MB/s")
    print(f"b to c {trio.b.send_file(trio.c, 64):.1f} MB/s")


def test_switch_knows_who_lives_where(trio: Trio) -> None:
    for guest in trio.guests:
        assert guest.ping(trio.a.ip if guest is trio.b else trio.b.ip, 1) == 1
    where = {entry["mac"]: entry["port"] for entry in trio.switch.vusctl("macs")["macs"]}
    for guest in trio.guests:
        assert where.get(guest.nics[0].mac) == guest.name, where


def test_jumbo_frames(trio: Trio) -> None:
    for guest in (trio.a, trio.b):
        guest.run("ip link set eth0 mtu 9000")
    try:
        # 8972 + 28 bytes of headers: one frame, and it may not be cut into pieces on the way
        assert trio.a.ping(trio.b.ip, 3, size=8972) == 3
        assert trio.b.ping(trio.a.ip, 3, size=8972) == 3
        trio.a.send_file(trio.b, 16)
    finally:
        for guest in (trio.a, trio.b):
            guest.run("ip link set eth0 mtu 1500")


def wait_pairs(trio: Trio, pairs: int) -> None:
    wait_until(lambda: bool(trio.switch.port("a")["rings_ready"] == 2 * pairs), 10,
               f"{pairs} pairs of rings to be in use")


def test_multiqueue_follows_ethtool(trio: Trio) -> None:
    """The guest chooses how many of its four queue pairs it uses; all of them work."""
    for pairs in (4, 2, 3, 1):
        trio.a.run(f"ethtool -L eth0 combined {pairs}")
        wait_pairs(trio, pairs)
        trio.a.reach(trio.b.ip, 10)
        assert trio.a.ping(trio.b.ip, 3) == 3, f"{pairs} pairs"
        assert trio.c.ping(trio.a.ip, 3) == 3, f"{pairs} pairs"
    trio.a.run("ethtool -L eth0 combined 4")
    trio.a.send_file(trio.b, 16)
    trio.b.send_file(trio.a, 16)


def test_driver_unbind_and_bind(trio: Trio) -> None:
    device = trio.b.run("basename $(readlink -f /sys/class/net/eth0/device)")
    with trio.a.watching(trio.c):
        for _ in range(3):
            trio.b.run(f"echo {device} >/sys/bus/virtio/drivers/virtio_net/unbind")
            trio.b.run(f"echo {device} >/sys/bus/virtio/drivers/virtio_net/bind; netup", 30)
            trio.b.reach(trio.a.ip, 20)


def test_guest_reboot(trio: Trio) -> None:
    with trio.a.watching(trio.c):
        trio.b.reboot()
        print(f"rebooted in {trio.b.boot_seconds:.1f} s")
        all_well(trio, 20)


def test_guest_reboot_with_switch_as_client(trio: Trio) -> None:
    trio.c.reboot()
    all_well(trio, 20)


def test_killed_vm_disturbs_no_other(trio: Trio) -> None:
    with trio.a.watching(trio.c):
        trio.b.kill()
        trio.switch.wait_link("b", up=False)
        trio.b.start()
        trio.b.boot()
        all_well(trio, 30)


def test_killed_vm_with_switch_as_client(trio: Trio) -> None:
    """The socket goes away with the VM; the switch says so, keeps trying, and finds the new one."""
    with trio.a.watching(trio.b):
        trio.c.kill()
        trio.switch.wait_link("c", up=False)
        wait_until(lambda: "waiting" in trio.switch.port("c")["state"], 10, "port c to wait", 0.2)
        assert str(trio.lab.socket("c")) in trio.switch.port("c")["state"]
        trio.c.start()
        trio.c.boot()
        all_well(trio, 30)


def test_sighup_adds_and_removes_a_port(trio: Trio) -> None:
    text = trio.config.read_text()
    with trio.a.watching(trio.c):
        try:
            for _ in range(3):
                trio.config.write_text(text + "  - {name: d, type: vhost-user, bridge: br0, "
                                       f"socket: {trio.lab.socket('d')}}}\n")
                trio.switch.reload()
                wait_until(lambda: "d" in trio.switch.ports(), 10, "port d to come", 0.1)
                assert trio.lab.socket("d").exists()
                trio.config.write_text(text)
                trio.switch.reload()
                wait_until(lambda: "d" not in trio.switch.ports(), 10, "port d to go", 0.1)
                assert not trio.lab.socket("d").exists()
            # a file that is wrong changes nothing
            trio.config.write_text(text.replace("bridge: br0", "brigde: br0", 1))
            trio.switch.reload()
            wait_until(lambda: "brigde" in trio.switch.log.read_text(), 10, "a word about the mistake")
            trio.b.reach(trio.a.ip, 5)
        finally:
            trio.config.write_text(text)


def test_switch_killed_and_restarted(trio: Trio) -> None:
    """Both roles at once: QEMU reconnects for a and b, the new switch finds c's socket.

    The port of c is back as fast as the switch is; when those of a and b are, QEMU's own interval of
    trying again decides. No ping is answered twice.
    """
    for _ in range(2):
        before = trio.switch.port("a")["rx_ok"]
        trio.a.start_ping(trio.c, interval=0.02)
        wait_until(lambda: bool(trio.switch.port("a")["rx_ok"] > before + 40), 20, "pings", 0.05)
        killed = time.monotonic()
        trio.switch.kill()
        trio.switch.start()
        trio.switch.wait_link("c", seconds=40)
        client = time.monotonic() - killed
        trio.switch.wait_link("a", "b", seconds=40)
        server = time.monotonic() - killed
        all_well(trio, 40)
        answered, missing = trio.a.stop_ping()
        print(f"back after {client:.2f} s as a client, {server:.2f} s as a server; "
              f"{answered} pings answered, {len(missing)} not")
        assert answered > 20 and trio.a.ping_duplicates() == 0
        # in hand when it was killed, and given back by the new one: at most a burst
        assert trio.switch.port("a")["rx_drop"]["restart"] <= 32
    trio.a.send_file(trio.b, 16)
    trio.b.send_file(trio.c, 16)


def test_sigterm_leaves_nothing_behind(trio: Trio) -> None:
    status = trio.switch.terminate(seconds=2)
    assert status == 0, trio.switch.report()
    left = [path.name for path in trio.switch.runtime.rglob("*") if path.is_socket()]
    left += [name for name in ("a", "b") if trio.lab.socket(name).exists()]
    assert not left, f"left behind: {left}"
    assert trio.lab.socket("c").exists(), "removed a socket that is QEMU's"
    trio.switch.start()
    all_well(trio, 40)
