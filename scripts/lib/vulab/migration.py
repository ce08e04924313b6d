# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine that moves from one QEMU to another on the same host, while it works."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .guest import Guest
from .process import SLOW, LabError, wait_until
from .switch import Switch

# Bytes a second.
MODERATE = 48 << 20
CRAWL = 1 << 19
FAST = 10 << 30
POLL = 0.1
# Bytes that are compared at once.
CHUNK = 1 << 20
PAGE = 4096
ENDED = ("completed", "failed", "cancelled")


@dataclass
class Move:
    """What QEMU said of a migration."""

    seconds: float
    downtime: float  # seconds, as QEMU says
    stopped: float  # when the guest stopped here, and when it ran there; seconds since the epoch
    resumed: float
    rounds: int  # how often it harvested the dirty log
    sent: int  # bytes
    requests: int  # pages the target asked for: only in postcopy


class Home:
    """A place where the guest that moves may be: a QEMU of its own and a port for it."""

    def __init__(self, guest: Guest, switch: Switch, port: str) -> None:
        self.guest = guest
        self.switch = switch
        self.port = port


def start_stream(peer: Guest, guest: Guest, sink: str = "md5sum", most: int = 1 << 30) -> None:
    """peer sends /tmp/part to the guest again and again, `most` times at most, for as long as /tmp/flow is there, and not
    while /tmp/rest is. The guest gives it to the program `sink`, which prints its checksum.
    """
    guest.run(f"nc -l -p 5001 -e {sink} >/dev/null & sleep 0.3")
    peer.run("rm -f /tmp/fifo /tmp/got.md5; mkfifo /tmp/fifo; touch /tmp/flow; "
             "md5sum </tmp/fifo >/tmp/sent.md5 & "
             f"(n=0; while [ -e /tmp/flow -a $n -lt {most} ]; do "
             "[ -e /tmp/rest ] || { n=$((n + 1)); cat /tmp/part; }; usleep 50000; done) | tee /tmp/fifo | "
             f"nc {guest.ip} 5001 >/tmp/got.md5 & sleep 0.1")


def stop_stream(peer: Guest, seconds: float = 60) -> None:
    """Ends it, and compares what was sent and what arrived."""
    peer.run("rm /tmp/flow")
    wait_until(lambda: peer.run("cat /tmp/got.md5") != "", seconds, "the stream to end", 0.2)
    sent, got = peer.run("cat /tmp/sent.md5"), peer.run("cat /tmp/got.md5")
    if not sent or sent != got:
        raise LabError(f"the stream was damaged: sent {sent}, received {got}")


@contextmanager
def memory_of(guest: Guest) -> Iterator[mmap.mmap]:
    """The guest's RAM as it is now: the memfd that QEMU shares with the switch."""
    assert guest.process
    for link in Path(f"/proc/{guest.process.pid}/fd").iterdir():
        if os.readlink(link).startswith("/memfd:memory-backend-memfd"):
            with link.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as ram:
                yield ram
            return
    raise LabError(f"{guest.name}: its QEMU has no memfd for its RAM")


def pages_that_differ(one: Guest, other: Guest) -> list[int]:
    """Compares the whole RAM of two guests that both stand still: the pages that are not equal."""
    with memory_of(one) as left, memory_of(other) as right:
        if len(left) != len(right):
            raise LabError(f"{one.name} has {len(left)} bytes of RAM, {other.name} {len(right)}")
        return [page for chunk in range(0, len(left), CHUNK)
                if left[chunk:chunk + CHUNK] != right[chunk:chunk + CHUNK]
                for page in range(chunk // PAGE, min(chunk + CHUNK, len(left)) // PAGE)
                if left[page * PAGE:(page + 1) * PAGE] != right[page * PAGE:(page + 1) * PAGE]]


def prepare(target: Guest, held: bool = False, extra: Sequence[str] = (),
            capabilities: Sequence[str] = ()) -> None:
    """Starts the QEMU that waits for the guest. held: it does not let it run before a command says so.
    extra: further words of its command line.
    """
    target.extra = [*extra, "-incoming", "defer"] + (["-S"] if held else [])
    target.start()
    assert target.folder
    uri = target.folder / "migrate.sock"
    uri.unlink(missing_ok=True)
    allow(target, capabilities)
    target.qmp.command("migrate-incoming", uri=f"unix:{uri}")


def allow(guest: Guest, capabilities: Sequence[str]) -> None:
    """Sets migration capabilities: on both sides, and before anything begins."""
    if capabilities:
        guest.qmp.command("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in capabilities])


class Migration:
    """A migration that has begun.

    It crawls once wait_most_sent() has returned, and ends with switch_over() and finish(), or with cancel().
    """

    def __init__(self, source: Guest, target: Guest) -> None:
        assert target.folder
        self.source, self.target = source, target
        self.begin = time.monotonic()
        self.said: dict[str, Any] = {}
        self.tune(1, MODERATE)
        source.qmp.command("migrate", uri=f"unix:{target.folder}/migrate.sock")

    def tune(self, downtime_ms: int, bandwidth: int) -> None:
        self.source.qmp.command("migrate-set-parameters", **{
            "downtime-limit": downtime_ms, "max-bandwidth": bandwidth})

    def status(self) -> dict[str, Any]:
        self.source.must_run()
        self.target.must_run()
        said: dict[str, Any] = self.source.qmp.command("query-migrate")
        return said

    def wait_most_sent(self, seconds: float = 60) -> None:
        """Waits until nearly all of the memory is sent: what is written from now on has to be sent
        again, mostly. And what is written stays so for a while.
        """
        def sent() -> bool:
            said = self.status()
            if said.get("status") in ENDED:
                raise LabError(f"the migration ended too early: {said}")
            ram = said.get("ram")
            return ram is not None and ram["remaining"] < ram["total"] / 8

        wait_until(sent, seconds, f"most of {self.source.name}'s memory to be sent", 0.02)
        self.tune(1, CRAWL)

    def cancel(self) -> None:
        """Calls it off: the guest stays, and the QEMU that waited for it ends."""
        self.source.qmp.command("migrate_cancel")
        wait_until(lambda: self.status_of_source() == "cancelled", 30, "the migration to be cancelled")
        self.target.stop()

    def status_of_source(self) -> str:
        return str(self.source.qmp.command("query-migrate").get("status"))

    def start_postcopy(self, after: int, bandwidth: int, seconds: float = 20) -> None:
        """Lets the guest run there once `after` bytes have been sent; the rest follows at `bandwidth`."""
        def sent() -> bool:
            said = self.status()
            return (said.get("status") == "active"
                    and said.get("ram", {}).get("transferred", 0) >= after)

        wait_until(sent, seconds, f"{after} bytes of {self.source.name} to be sent", 0.02)
        self.source.qmp.command("migrate-set-parameters", **{"max-postcopy-bandwidth": bandwidth})
        self.source.qmp.command("migrate-start-postcopy")
        wait_until(lambda: bool(self.target.qmp.command("query-status")["running"]), seconds,
                   f"{self.target.name} to run", 0.02)

    def hurry(self) -> None:
        """The rest of a postcopy migration comes as fast as it can."""
        self.source.qmp.command("migrate-set-parameters", **{"max-postcopy-bandwidth": FAST})

    def switch_over(self, seconds: float = 60) -> None:
        """Lets it end: the guest stands still here, and all of it is there."""
        self.tune(300, FAST)
        end = time.monotonic() + seconds * SLOW
        while (said := self.status()).get("status") not in ENDED:
            if time.monotonic() > end:
                raise LabError(f"{self.source.name}: the migration does not end: {said}")
            time.sleep(POLL)
        if said["status"] != "completed":
            raise LabError(f"{self.source.name}: the migration failed: {said}")
        self.said = said

    def finish(self, held: bool = False) -> Move:
        """Waits until the guest runs there (lets it, if the target is held), and ends the QEMU it has left."""
        if held:
            self.target.qmp.command("cont")
            # QEMU announced it as soon as all of it was there, to a device that had not started.
            self.target.qmp.command("announce-self", initial=50, max=550, rounds=5, step=100)
        wait_until(lambda: bool(self.target.qmp.command("query-status")["running"]), 20,
                   f"{self.target.name} to run", 0.02)
        stopped, resumed = self.source.qmp.when("STOP"), self.target.qmp.when("RESUME")
        self.source.stop()
        return Move(time.monotonic() - self.begin, self.said["downtime"] / 1000, stopped, resumed,
                    self.said["ram"]["dirty-sync-count"], self.said["ram"]["transferred"],
                    self.said["ram"]["postcopy-requests"])
