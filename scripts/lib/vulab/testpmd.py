# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's testpmd with virtio-user cards: guests that need no virtual machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .process import LabError, Process, tail, wait_until


class Testpmd:
    """A testpmd at its prompt, on one core, with a card per vdev argument."""

    __test__ = False  # the name means something else to pytest

    def __init__(self, folder: Path, name: str, vdevs: Sequence[str],
                 arguments: Sequence[str] = (), prefix: Sequence[str] = ()) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        runtime = folder / f"{name}.run"
        runtime.mkdir(exist_ok=True)
        argv = [*prefix, "stdbuf", "-o0", "dpdk-testpmd", "--lcores", "0@0,1@0", "--no-pci",
                "--no-huge", "--no-shconf", "-m", "256", "--file-prefix", f"{folder.name}-{name}"]
        for vdev in vdevs:
            argv += ["--vdev", vdev]
        argv += ["--", "-i", "--nb-cores=1", "--total-num-mbufs=8192", *arguments]
        self.process = Process(name, argv, self.log, stdin=subprocess.PIPE,
                               env={"RUNTIME_DIRECTORY": str(runtime)})
        self._seen = 0
        self._wait("testpmd> ", 40)

    def ask(self, line: str, seconds: float = 10) -> str:
        """Types a line at the prompt; returns what was said until the next prompt."""
        assert self.process.popen.stdin
        self._seen = len(self._text())
        try:
            self.process.popen.stdin.write(line.encode() + b"\n")
            self.process.popen.stdin.flush()
        except OSError as error:
            self.process.must_run()
            raise LabError(f"{self.name}: cannot type `{line}`: {error.strerror}") from error
        # The prompt comes once with the echo of the line and once when the work is done.
        return self._wait(re.escape(line) + r".*testpmd> ", seconds)

    def counters(self, port: int = 0) -> dict[str, int]:
        """RX-packets, TX-packets and their like of one card, since it was started."""
        said = self.ask(f"show port stats {port}")
        return {word: int(number) for word, number in re.findall(r"([RT]X-\w+):\s*(\d+)", said)}

    def stop(self) -> None:
        if self.process.running and self.process.popen.stdin:
            try:
                self.process.popen.stdin.write(b"quit\n")
                self.process.popen.stdin.flush()
                self.process.wait(5)
            except (OSError, LabError):
                pass
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def _text(self) -> str:
        return self.log.read_text(errors="replace")

    def _wait(self, pattern: str, seconds: float) -> str:
        expression = re.compile(pattern, re.DOTALL)

        def said() -> str:
            found = expression.search(self._text()[self._seen:])
            if not found:
                self.process.must_run()
            return found[0] if found else ""

        try:
            return wait_until(said, seconds, f"{self.name} to say '{pattern}'")
        except LabError as error:
            raise LabError(f"{error}; {self.log}:\n{tail(self.log)}") from error
