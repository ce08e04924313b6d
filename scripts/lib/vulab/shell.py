# SPDX-License-Identifier: BSD-3-Clause
"""A root shell in a guest, over the serial port that guest-init keeps one on."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

from .process import SLOW, LabError


class Shell:
    """Runs commands in a guest, one at a time, each with a deadline.

    `alive` is called while waiting and raises if there is no use in waiting any longer.
    """

    def __init__(self, path: Path, name: str, alive: Callable[[], None]) -> None:
        self.name = name
        self._alive = alive
        self._serial = 0
        self._buffer = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def wait_ready(self, seconds: float) -> tuple[str, float]:
        """Waits for a boot to end; returns its id and the guest's own count of seconds."""
        found = self._wait(re.compile(r"@@ready (\S+) (\S+)\n"), seconds, "the guest to boot")
        return found[1], float(found[2])

    def run(self, command: str, seconds: float = 60, check: bool = True) -> str:
        """Runs a command line and returns what it printed, standard error included.

        Raises LabError when it ends with another status than 0, unless check is false.
        """
        self._serial += 1
        mark = f"@@{self._serial}"
        self._send(f"{{ {command}\n}} </dev/null 2>&1; vu_rc=$?; echo; echo '{mark}' $vu_rc\n")
        try:
            found = self._wait(re.compile(rf"(?s)(.*?)\n{mark} (\d+)\n"), seconds, f"`{command}`")
        except LabError:
            self._send("\x03")
            raise
        if check and found[2] != "0":
            raise LabError(f"{self.name}: `{command}` ended with status {found[2]}: "
                           f"{found[1].strip()}")
        return found[1].strip()

    def send(self, command: str) -> None:
        """Sends a command line and waits for nothing: the shell will not be there to answer."""
        self._send(command + "\n")

    def close(self) -> None:
        self._socket.close()

    def _send(self, text: str) -> None:
        self._socket.settimeout(10 * SLOW)
        try:
            self._socket.sendall(text.encode())
        except OSError as error:
            self._alive()
            raise LabError(f"{self.name}: the shell's serial port: {error}") from error

    def _wait(self, pattern: re.Pattern[str], seconds: float, what: str) -> re.Match[str]:
        end = time.monotonic() + seconds * SLOW
        while True:
            found = pattern.search(self._buffer)
            if found:
                self._buffer = self._buffer[found.end():]
                return found
            if time.monotonic() > end:
                seen = self._buffer.strip()[-500:]
                raise LabError(f"{self.name}: waited {seconds * SLOW:.0f} s in vain for {what}"
                               + (f"; so far: {seen}" if seen else ""))
            self._socket.settimeout(0.2)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                self._alive()
                continue
            except OSError as error:
                self._alive()
                raise LabError(f"{self.name}: the shell's serial port: {error}") from error
            if not data:
                self._alive()
                time.sleep(0.1)
                self._alive()
                raise LabError(f"{self.name}: QEMU closed the shell's serial port")
            self._buffer += data.decode(errors="replace").replace("\r", "")
