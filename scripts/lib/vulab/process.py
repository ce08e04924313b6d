# SPDX-License-Identifier: BSD-3-Clause
"""A child process with a log, and waiting with a deadline."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")

# Deadlines are generous already; a machine slower than all we know can stretch them.
SLOW = float(os.environ.get("VUSWITCH_SLOW", "1"))


class LabError(Exception):
    """What went wrong, where, and the end of the log that tells why."""


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a text file, indented; says so when there is none."""
    try:
        text = path.read_text(errors="replace").replace("\r", "")
    except OSError as error:
        return f"    ({path}: {error.strerror})"
    kept = [line for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(f"    {line}" for line in kept) if kept else f"    ({path}: empty)"


def wait_until(condition: Callable[[], T], seconds: float, what: str, pause: float = 0.05) -> T:
    """Calls condition() until it returns something true, and returns that.

    Raises LabError naming `what` when it has not within the deadline.
    """
    end = time.monotonic() + seconds * SLOW
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise LabError(f"waited {seconds * SLOW:.0f} s in vain for {what}")
        time.sleep(pause)


def connect(path: Path, seconds: float = 10) -> socket.socket:
    """A connection to a Unix socket; its file may be there a moment before anybody listens."""
    end = time.monotonic() + seconds * SLOW
    while True:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.connect(str(path))
            return made
        except (ConnectionRefusedError, FileNotFoundError) as error:
            made.close()
            if time.monotonic() > end:
                raise LabError(f"{path}: {error.strerror}") from error
        time.sleep(0.02)


def run(argv: Sequence[str | Path], seconds: float = 30, check: bool = True) -> str:
    """Runs a short command and returns its standard output."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds * SLOW,
                              stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)}: no end within {seconds * SLOW:.0f} s") from error
    except OSError as error:
        raise LabError(f"{words[0]}: {error.strerror}") from error
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(words)}: exit status {done.returncode}: "
                       f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


class Process:
    """One running child. It is killed when this process dies, however that happens."""

    def __init__(self, name: str, argv: Sequence[str | Path], log: Path,
                 stdin: IO[bytes] | int = subprocess.DEVNULL,
                 env: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self.argv = [str(word) for word in argv]
        with log.open("ab") as out:
            try:
                self.popen = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *self.argv], stdin=stdin, stdout=out,
                    stderr=subprocess.STDOUT, start_new_session=True,
                    env={**os.environ, **(env or {})})
            except OSError as error:
                raise LabError(f"{name}: cannot start {argv[0]}: {error.strerror}") from error

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def must_run(self) -> None:
        """Raises LabError with the log's tail if the process has ended."""
        if not self.running:
            raise LabError(f"{self.name} ended with status {self.popen.returncode}; {self.log}:\n"
                           + tail(self.log))

    def signal(self, number: int) -> None:
        if self.running:
            self.popen.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Waits for the end and returns the exit status."""
        try:
            return self.popen.wait(seconds * SLOW)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name}: still running after {seconds * SLOW:.0f} s; {self.log}:\n"
                           + tail(self.log)) from error

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        self.signal(signal.SIGKILL)
        self.wait(10)

    def stop(self, seconds: float = 5) -> int:
        """Asks with SIGTERM, insists with SIGKILL; returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.popen.returncode
