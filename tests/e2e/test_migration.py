# SPDX-License-Identifier: BSD-3-Clause
"""A guest that moves from QEMU to QEMU under traffic, there and back, within one switch and between two.

$VUSWITCH_MIGRATIONS is how often it moves in each test (default 2). QEMU before 9.0 without KVM loses
now and then what its own emulated CPU wrote during a migration ("physmem: Fix migration dirty bitmap
coherency with TCG memory access"), so it is tested only if that variable is set.

TCP sends again what is lost, which hides a dirty log that misses pages: a packet that arrived on a
page QEMU does not send again is acknowledged by the old memory and gone from the new one. So part of
the data is delivered and acknowledged during the migration, and read from the socket, for the first
time, when the guest has moved.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from vulab.guest import Guest, Nic, accelerator, qemu_version
from vulab.lab import Lab
from vulab.migration import Migration, Move, prepare
from vulab.process import wait_until
from vulab.switch import Switch

MOVES = int(os.environ.get("VUSWITCH_MIGRATIONS", "2"))
MAC = "52:54:00:00:00:0a"
HELD_KIB = 1536
INTERVAL = 0.1


class Home:
    """A place where the mover may live: a QEMU of its own and a port for it."""

    def __init__(self, guest: Guest, switch: Switch, port: str) -> None:
        self.guest = guest
        self.switch = switch
        self.port = port


def boot(homes: list[Home], peer: Guest) -> None:
    for guest in (homes[0].guest, peer):
        guest.start()
    for guest in (homes[0].guest, peer):
        guest.boot()
    for guest in (homes[0].guest, peer):
        # A window that takes all of the held data at once.
        guest.run("echo '4096 4194304 8388608' >/proc/sys/net/ipv4/tcp_rmem; "
                  "echo 4194304 >/proc/sys/net/core/rmem_max")
        guest.run("echo '#!/bin/sh' >/tmp/hold; "
                  "echo 'while [ ! -e /tmp/go ]; do sleep 0.1; done; md5sum' >>/tmp/hold; "
                  "chmod 755 /tmp/hold")
    peer.run(f"dd if=/dev/urandom of=/tmp/held bs=1k count={HELD_KIB} 2>/dev/null; "
             "dd if=/dev/urandom of=/tmp/part bs=1k count=256 2>/dev/null")


def start_stream(peer: Guest, mover: Guest) -> None:
    """peer sends to mover for as long as /tmp/flow is there; both take the checksum."""
    mover.run("nc -l -p 5001 -e md5sum >/dev/null & sleep 0.3")
    peer.run("rm -f /tmp/fifo; mkfifo /tmp/fifo; touch /tmp/flow; md5sum </tmp/fifo >/tmp/sent.md5 & "
             "(while [ -e /tmp/flow ]; do cat /tmp/part; sleep 0.1; done) | tee /tmp/fifo | "
             f"nc {mover.ip} 5001 >/tmp/got.md5 & sleep 0.1")


def stop_stream(peer: Guest) -> None:
    peer.run("rm /tmp/flow")
    wait_until(lambda: peer.run("cat /tmp/got.md5") != "", 30, "the stream to end", 0.2)
    sent, got = peer.run("cat /tmp/sent.md5"), peer.run("cat /tmp/got.md5")
    assert sent and sent == got, f"the stream was damaged: sent {sent}, received {got}"


def deliver_held(peer: Guest, mover: Guest) -> None:
    """Data that mover's kernel has received and acknowledged, and nobody has read."""
    peer.run(f"nc {mover.ip} 5002 </tmp/held >/tmp/held.got &")
    # FIN_WAIT2: the end of the data is acknowledged, and so is all before it.
    wait_until(lambda: "FIN_WAIT2" in peer.run("netstat -tn | grep ':5002 ' || true"), 30,
               f"{HELD_KIB} KiB to be acknowledged", 0.2)


def check_held(peer: Guest, mover: Guest) -> None:
    mover.run("touch /tmp/go")
    wait_until(lambda: peer.run("cat /tmp/held.got") != "", 20, "the held data to be read", 0.2)
    wanted, got = peer.run("md5sum </tmp/held"), peer.run("cat /tmp/held.got")
    assert got == wanted, "data that was delivered before the move was damaged by it"


def lost_in_a_row(lost: list[int]) -> bool:
    return not lost or lost[-1] - lost[0] + 1 == len(lost)


def move(peer: Guest, here: Home, there: Home) -> Move:
    """One move under traffic, checked."""
    prepare(there.guest)
    here.guest.run("rm -f /tmp/go; nc -l -p 5002 -e /tmp/hold >/dev/null & sleep 0.3")
    start_stream(peer, here.guest)
    migration = Migration(here.guest, there.guest)
    migration.wait_most_sent()
    deliver_held(peer, here.guest)
    peer.start_ping(here.guest, INTERVAL)
    time.sleep(1)
    moved = migration.finish()
    there.switch.wait_link(there.port)

    def follows() -> bool:
        where = {entry["mac"]: entry["port"] for entry in there.switch.vusctl("macs")["macs"]}
        return where.get(MAC) == there.port

    wait_until(follows, 10, f"{MAC} to be known at {there.port}", 0.02)
    away = time.time() - moved.stopped
    check_held(peer, there.guest)
    stop_stream(peer)
    answered, lost = peer.stop_ping()
    print(f"{here.port} to {there.port}: {moved.seconds:.1f} s, {moved.rounds} harvests, "
          f"{moved.sent >> 20} MiB; down {moved.downtime * 1000:.0f} ms, ran after "
          f"{(moved.resumed - moved.stopped) * 1000:.0f} ms, found after {away * 1000:.0f} ms; "
          f"pings {answered}, lost {lost}")
    assert "virtio_net" not in there.guest.console(), there.guest.console()
    assert answered > 0
    assert lost_in_a_row(lost), f"lost at other times than when it moved: {lost}"
    assert len(lost) <= away / INTERVAL + 2, f"{len(lost)} pings lost in {away:.2f} s"
    return moved


def there_and_back(peer: Guest, homes: list[Home]) -> None:
    if (qemu_version(peer.qemu) < (9, 0) and accelerator(peer.qemu, peer.image) == "tcg"
            and "VUSWITCH_MIGRATIONS" not in os.environ):
        pytest.skip("QEMU before 9.0 without KVM loses writes of its emulated CPU")
    boot(homes, peer)
    wait_until(lambda: peer.ping(homes[0].guest.ip, 1) == 1, 20, "the first ping", 0.2)
    moves = [move(peer, homes[number % 2], homes[(number + 1) % 2]) for number in range(MOVES)]
    print(f"{len(moves)} moves, longest downtime {max(one.downtime for one in moves) * 1000:.0f} ms")


def mover(lab: Lab, qemu: Path, image: Path, port: str, options: str = "") -> Guest:
    return lab.guest(port, qemu, image, Nic(lab.socket(port), MAC, options=options), "10.0.0.1/24")


def peer_guest(lab: Lab, qemu: Path, image: Path) -> Guest:
    return lab.guest("b", qemu, image, Nic(lab.socket("b"), "52:54:00:00:00:0b"), "10.0.0.2/24")


def vhost(lab: Lab, *names: str) -> list[str]:
    return [word for name in names for word in ("--vhost", f"{name}={lab.socket(name)}")]


def test_within_one_switch(lab: Lab, qemu: Path, image: Path) -> None:
    """The guest announces itself."""
    switch = lab.switch(vhost(lab, "a1", "a2", "b"))
    switch.start()
    homes = [Home(mover(lab, qemu, image, port), switch, port) for port in ("a1", "a2")]
    there_and_back(peer_guest(lab, qemu, image), homes)


def test_between_two_switches(lab: Lab, qemu: Path, image: Path) -> None:
    """Two switches on one host, joined by memif; the peer lives at the second. The guest
    announces nothing: the switch does, and the other one learns of it.
    """
    socket = lab.folder / "memif.sock"
    homes = []
    for role, ports in (("server", ("a1",)), ("client", ("a2", "b"))):
        memif = f"net_memif0,role={role},id=0,socket={socket},socket-abstract=no"
        switch = lab.switch([*vhost(lab, *ports), "--ethdev", "other=net_memif0"],
                            ["--vdev", memif], name=role)
        switch.start()
        guest = mover(lab, qemu, image, ports[0], "guest_announce=off")
        homes.append(Home(guest, switch, ports[0]))
    for home in homes:
        home.switch.wait_link("other")
    there_and_back(peer_guest(lab, qemu, image), homes)
