# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's machine protocol, as much of it as a test needs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from .process import SLOW, LabError, connect


class Qmp:
    """One connection; commands one at a time, events kept aside in `events`."""

    def __init__(self, path: Path, seconds: float = 20) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        self._buffer = b""
        self._socket = connect(path)
        self._read(time.monotonic() + seconds * SLOW, "greeting")
        self.command("qmp_capabilities")

    def command(self, name: str, seconds: float = 10, **arguments: Any) -> Any:
        """Runs a command and returns what it returned."""
        end = time.monotonic() + seconds * SLOW
        request = {"execute": name, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise LabError(f"QMP {name}: {self.path}: {error.strerror}") from error
        while True:
            answer = self._read(end, name)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise LabError(f"QMP {name}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def when(self, name: str) -> float:
        """When the last event of that name happened, in seconds since the epoch."""
        stamps = [event["timestamp"] for event in self.events if event["event"] == name]
        if not stamps:
            raise LabError(f"QMP: {self.path}: no event {name}")
        return float(stamps[-1]["seconds"] + stamps[-1]["microseconds"] / 1e6)

    def close(self) -> None:
        self._socket.close()

    def _read(self, end: float, what: str) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0:
                raise LabError(f"QMP {what}: no answer from {self.path}")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise LabError(f"QMP {what}: {self.path}: {error.strerror}") from error
            if not data:
                raise LabError(f"QMP {what}: QEMU closed {self.path}")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer
