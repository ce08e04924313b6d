# SPDX-License-Identifier: BSD-3-Clause
"""A guest that runs at its target before its memory is there, with QEMU 10.

QEMU before 9.0 is left out: it has no answer for a back end with slots. $VUSWITCH_POSTCOPIES is how
often the guest moves (default 2).

The guest has 512 MiB and eight DIMMs, of which nearly nothing has been sent when it switches over: its
rings and buffers, and all that its programs have in hand, are missing at first. A file that was written
before is read again afterwards, more of it is written all the time, and traffic flows throughout. That
the switch itself waited for pages, and not the guest alone, is seen in what QEMU traces.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from vulab.guest import Guest, Nic, boot_all, qemu_version
from vulab.lab import Lab
from vulab.migration import Home, Migration, allow, prepare, start_stream, stop_stream
from vulab.process import SLOW, wait_until
from vulab.switch import Switch

ROUNDS = int(os.environ.get("VUSWITCH_POSTCOPIES", "2"))
MAC = "52:54:00:00:00:0a"
MEMORY = "512M"
DIMMS, DIMM = 8, "128M"
KEPT_MIB = 150  # a file, hashed before and after
BUSY_MIB = 8    # a file, rewritten all the time
PRECOPY = 4 << 20  # bytes sent before it switches over
# Bytes a second: pages that are not asked for take their time. With much less, QEMU sleeps between the pages it is asked for.
TRICKLE = 8 << 20
PINGS = 30
TRACES = ("vhost_user_postcopy_fault_handler_found", "vhost_user_postcopy_end_exit",
          "postcopy_ram_fault_thread_request")


class TracedHome(Home):
    """A Home whose QEMU traces what a postcopy migration does."""

    def words(self) -> list[str]:
        """DIMMs that are there from the beginning, and traces. Both homes must be alike."""
        words = []
        for number in range(DIMMS):
            words += ["-object", f"memory-backend-memfd,id=m{number},size={DIMM},share=on",
                      "-device", f"pc-dimm,id=dimm{number},memdev=m{number}"]
        for event in TRACES:
            words += ["-trace", event]
        return words

    def switch_faults(self) -> int:
        """Pages the switch asked QEMU for, here."""
        assert self.guest.process
        return self.guest.process.log.read_text().count("vhost_user_postcopy_fault_handler_found")


def boot(homes: list[TracedHome], peer: Guest) -> None:
    homes[0].guest.extra = homes[0].words()
    boot_all([homes[0].guest, peer])
    peer.reach(homes[0].guest.ip, 20)
    peer.run("dd if=/dev/urandom of=/tmp/part bs=1k count=64 2>/dev/null")
    homes[0].guest.run(f"dd if=/dev/urandom of=/tmp/kept bs=1M count={KEPT_MIB} 2>/dev/null", 120)


def start_work(guest: Guest) -> None:
    """Memory is written all the time, at either place."""
    guest.run("touch /tmp/busy.on; (while [ -e /tmp/busy.on ]; do "
              f"dd if=/dev/urandom of=/tmp/busy bs=64k count={BUSY_MIB * 16} conv=notrunc 2>/dev/null; "
              "sleep 0.2; done) >/dev/null 2>&1 &")


def stop_work(guest: Guest) -> None:
    guest.run("rm /tmp/busy.on")


def answered_during(migration: Migration, peer: Guest, guest: Guest) -> int:
    """Waits for the first ping that comes back from the new place; how many more do while pages are missing."""
    wait_until(lambda: peer.ping(guest.ip, 1, seconds=30) == 1, 60,
               "a ping to come back from the guest at its new place")
    if migration.status()["status"] != "postcopy-active":
        return 0  # on a busy machine all of them may be there by now
    return 1 + peer.ping(guest.ip, PINGS, size=1400, options="-i 0.05")


def move(peer: Guest, here: TracedHome, there: TracedHome) -> tuple[int, int]:
    """One move under traffic, checked: for how many pages the switch waited, pings that came back meanwhile."""
    kept = here.guest.run("md5sum </tmp/kept", 60)
    allow(here.guest, ["postcopy-ram"])
    prepare(there.guest, extra=there.words(), capabilities=["postcopy-ram"])
    start_work(here.guest)
    start_stream(peer, here.guest)
    began = time.monotonic()
    migration = Migration(here.guest, there.guest)
    migration.start_postcopy(PRECOPY, TRICKLE)
    running = time.monotonic() - began
    there.switch.wait_link(there.port)
    answered = answered_during(migration, peer, there.guest)
    migration.hurry()
    migration.switch_over(120)
    moved = migration.finish()
    stop_stream(peer)
    stop_work(there.guest)
    faults = there.switch_faults()
    print(f"{here.port} to {there.port}: {moved.seconds:.1f} s, ran there after {running:.1f} s, "
          f"{moved.sent >> 20} MiB, {moved.requests} pages asked for, {faults} of them for the switch; "
          f"pings while pages were missing: {answered} of {PINGS + 1}")
    assert moved.requests > 0
    assert "virtio_net" not in there.guest.console(), there.guest.console()
    assert there.guest.run("md5sum </tmp/kept", 60) == kept, "memory was damaged by the move"
    wait_until(lambda: peer.ping(there.guest.ip, 3) == 3, 20, "pings after the move")
    return faults, answered


def expect_no_lane(switch: Switch) -> None:
    assert switch.process
    children = Path(f"/proc/{switch.process.pid}/task/{switch.process.pid}/children")
    wait_until(lambda: not children.read_text().split(), 5 * SLOW, "the lane to end")


@pytest.fixture
def modern(qemu: Path) -> Path:
    if qemu_version(qemu) < (9, 0):
        pytest.skip("QEMU before 9.0")
    return qemu


def moving_guest(lab: Lab, qemu: Path, image: Path, port: str) -> Guest:
    guest = lab.guest(port, qemu, image, Nic(lab.socket(port), MAC), "10.0.0.1/24",
                      hotplug="slots=16,maxmem=8G")
    guest.memory = MEMORY
    return guest


def test_a_guest_moves_before_its_memory(lab: Lab, modern: Path, image: Path) -> None:
    """There and back, within one switch; a third guest talks to it all the time."""
    switch = lab.switch(lab.vhost("a1", "a2", "b"))
    switch.start()
    homes = [TracedHome(moving_guest(lab, modern, image, port), switch, port) for port in ("a1", "a2")]
    peer = lab.guest("b", modern, image, Nic(lab.socket("b"), "52:54:00:00:00:0b"), "10.0.0.2/24")
    boot(homes, peer)
    moves = []
    for number in range(ROUNDS):
        moves.append(move(peer, homes[number % 2], homes[(number + 1) % 2]))
        expect_no_lane(switch)
    print(f"{len(moves)} moves; pages the switch waited for, pings meanwhile: {moves}")
    assert max(faults for faults, _ in moves) > 0, "the switch itself never waited for a page"
    assert max(answered for _, answered in moves) > 0, "no ping came back while pages were missing"
    switch.must_run()
