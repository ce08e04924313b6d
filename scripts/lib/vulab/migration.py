# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine that moves from one QEMU to another on the same host, while it works."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from .guest import Guest
from .process import SLOW, LabError, wait_until

# Bytes a second.
MODERATE = 48 << 20
CRAWL = 1 << 19
FAST = 10 << 30
POLL = 0.1
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


def prepare(target: Guest) -> None:
    """Starts the QEMU that waits for the guest."""
    target.extra = ["-incoming", "defer"]
    target.start()
    assert target.folder
    uri = target.folder / "migrate.sock"
    uri.unlink(missing_ok=True)
    target.qmp.command("migrate-incoming", uri=f"unix:{uri}")


class Migration:
    """A migration that has begun. It crawls once wait_most_sent() has returned, and ends with finish()."""

    def __init__(self, source: Guest, target: Guest) -> None:
        assert target.folder
        self.source, self.target = source, target
        self.begin = time.monotonic()
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

    def finish(self, seconds: float = 60) -> Move:
        """Lets it end, and ends the QEMU that the guest has left."""
        self.tune(300, FAST)
        end = time.monotonic() + seconds * SLOW
        while (said := self.status()).get("status") not in ENDED:
            if time.monotonic() > end:
                raise LabError(f"{self.source.name}: the migration does not end: {said}")
            time.sleep(POLL)
        if said["status"] != "completed":
            raise LabError(f"{self.source.name}: the migration failed: {said}")
        wait_until(lambda: bool(self.target.qmp.command("query-status")["running"]), 20,
                   f"{self.target.name} to run", 0.02)
        stopped, resumed = self.source.qmp.when("STOP"), self.target.qmp.when("RESUME")
        self.source.stop()
        return Move(time.monotonic() - self.begin, said["downtime"] / 1000, stopped, resumed,
                    said["ram"]["dirty-sync-count"], said["ram"]["transferred"])
