# SPDX-License-Identifier: BSD-3-Clause
"""A child process with a log, and waiting with a deadline."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# Deadlines are generous already; a machine slower than all we know can stretch them.
SLOW = float(os.environ.get("VUSWITCH_SLOW", "1"))

# What to write before a command that is to run ahead of everything else on the machine, where we may. Linux weighs
# sessions first if autogroup is on, so the niceness of the session, which a Process has to itself, counts too.
HURRY = ("sh", "-c", '{ echo -20 >/proc/self/autogroup; } 2>/dev/null; exec nice -n -20 "$0" "$@"')


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
    """A connection to a Unix socket; its file may be there a moment before a process listens."""
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
    """One running child. It is killed when this process dies, however that happens.

    Its output goes to a log. With `dialogue` it has a standard input as well, see send(), and its output is read
    as it comes: by wait_for(), which therefore has to be called now and then.
    """

    def __init__(self, name: str, argv: Sequence[str | Path], log: Path,
                 env: dict[str, str] | None = None, dialogue: bool = False) -> None:
        self.name = name
        self.log = log
        self.argv = [str(word) for word in argv]
        with log.open("ab") as out:
            self._mark = out.tell()
            try:
                self.popen = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *self.argv],
                    stdin=subprocess.PIPE if dialogue else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if dialogue else out,
                    stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **(env or {})})
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
            self._read(0)
            raise LabError(f"{self.name} ended with status {self.popen.returncode}; {self.log}:\n"
                           + tail(self.log))

    # --- what it says, and what it is asked --------------------------------------------------

    def send(self, line: str) -> None:
        """Types a line; from now on wait_for() sees only what comes after it."""
        assert self.popen.stdin, f"{self.name} takes no lines"
        self._read(0)
        self._mark = self.log.stat().st_size
        try:
            self.popen.stdin.write(line.encode() + b"\n")
            self.popen.stdin.flush()
        except (OSError, ValueError) as error:
            self.must_run()
            raise LabError(f"{self.name}: cannot type `{line}`: {error}") from error

    def said(self) -> str:
        """Its output since the last send(), or all of it."""
        with self.log.open("rb") as log:
            log.seek(self._mark)
            return log.read().decode(errors="replace").replace("\r", "")

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        """Waits for an expression to be in what it said()."""
        expression = re.compile(pattern, re.DOTALL)
        end = time.monotonic() + seconds * SLOW
        while True:
            alive = self.running
            self._read(0)
            found = expression.search(self.said())
            if found:
                return found
            if not alive:
                self.must_run()
            if time.monotonic() > end:
                raise LabError(f"waited {seconds * SLOW:.0f} s in vain for {self.name} to say '{pattern[:60]}'; "
                               f"{self.log}:\n" + tail(self.log))
            self._read(0.05)

    def _read(self, seconds: float) -> None:
        """Brings what it says to the log, and waits for something if there is nothing."""
        out = self.popen.stdout
        if not out:
            time.sleep(seconds)
            return
        with self.log.open("ab") as log:
            while select.select([out], [], [], seconds)[0]:
                data = os.read(out.fileno(), 65536)
                if not data:
                    time.sleep(seconds)
                    return
                log.write(data)
                seconds = 0

    # --- its end -----------------------------------------------------------------------------

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

    def stop(self, seconds: float = 5, line: str = "") -> int:
        """Asks with a line, if there is one to ask with, then with SIGTERM, insists with SIGKILL; returns the exit status."""
        if line and self.running:
            try:
                self.send(line)
                self.wait(seconds)
            except LabError:
                pass
        self.signal(signal.SIGTERM)
        try:
            self.popen.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
        self._read(0)
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.popen.stdin = self.popen.stdout = None
        return self.popen.returncode
