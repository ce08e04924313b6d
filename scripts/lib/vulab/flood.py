# SPDX-License-Identifier: BSD-3-Clause
"""A flood ping that knows what it lost."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Sequence

from .process import SLOW, LabError

ROUND = 250  # pings of one ping(8)
PATIENCE = 10  # seconds an answer may take


class Flood:
    """ping -f of the host, round after round, each waiting for all of its answers.

    A flood that is interrupted counts what is still under way as lost; these rounds end by
    themselves, so that `lost` is exact. One thread writes the counters, anyone reads them.
    """

    def __init__(self, address: str, prefix: Sequence[str] = (), size: int = 56) -> None:
        self.sent = 0
        self.answered = 0
        self.slowest = 0.0  # milliseconds that an answer took
        self._argv = [*prefix, "ping", "-n", "-q", "-f", "-c", str(ROUND), "-s", str(size),
                      "-W", str(PATIENCE), address]
        self._end = threading.Event()
        self._failure = ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        return self.sent - self.answered

    def stop(self) -> None:
        """Ends after the round that is under way; raises LabError if ping itself failed."""
        self._end.set()
        self._thread.join((PATIENCE + 30) * SLOW)
        if self._thread.is_alive():
            raise LabError("ping does not end")
        if self._failure:
            raise LabError(self._failure)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                said = subprocess.run(self._argv, capture_output=True, text=True, check=False,
                                      timeout=120 * SLOW, stdin=subprocess.DEVNULL)
            except (OSError, subprocess.SubprocessError) as error:
                self._failure = f"ping: {error}"
                return
            found = re.search(r"(\d+) packets transmitted, (\d+) received", said.stdout)
            if not found:
                self._failure = f"ping: {(said.stderr or said.stdout).strip()}"
                return
            self.sent, self.answered = self.sent + int(found[1]), self.answered + int(found[2])
            took = re.search(r"= [\d.]+/[\d.]+/([\d.]+)/", said.stdout)
            if took:
                self.slowest = max(self.slowest, float(took[1]))
