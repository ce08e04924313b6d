# SPDX-License-Identifier: BSD-3-Clause
"""A terminal of a given size in which a program runs, to be looked at and typed into: tmux, with a server of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vulab.process import run


class Terminal:
    """`argv` runs in it from the beginning to the end of a `with` block; what it shows stays when the program has ended."""

    def __init__(self, argv: Sequence[str | Path], columns: int, rows: int, env: Mapping[str, str] | None = None) -> None:
        self._tmux = ["tmux", "-L", f"vulab-{uuid.uuid4()}", "-f", os.devnull]
        words = shlex.join(["env", *(f"{key}={value}" for key, value in (env or {}).items()), *map(str, argv)])
        # Without a status line the pane is as large as the terminal.
        run([*self._tmux, "set", "-g", "status", "off", ";", "set", "-g", "remain-on-exit", "on", ";",
             "set", "-g", "remain-on-exit-format", "", ";", "set", "-g", "default-terminal", "screen-256color", ";",
             "new-session", "-d", "-x", str(columns), "-y", str(rows), words])

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False)

    def lines(self, colour: bool = False) -> list[str]:
        """What stands there, row by row, without the blanks at the ends."""
        said = run([*self._tmux, "capture-pane", "-p", *(["-e"] if colour else [])])
        return [line.rstrip() for line in said.removesuffix("\n").split("\n")]

    def type(self, *keys: str) -> None:
        """Keys by tmux's names (`Enter`, `PPage`), or text."""
        run([*self._tmux, "send-keys", *keys])

    def resize(self, columns: int, rows: int) -> None:
        run([*self._tmux, "resize-window", "-x", str(columns), "-y", str(rows)])

    def wait_for(self, looks_right: Callable[[list[str]], bool], seconds: float = 10) -> list[str]:
        """The lines once they look right."""
        end = time.monotonic() + seconds
        while not looks_right(lines := self.lines()):
            assert time.monotonic() < end, "the terminal shows:\n" + "\n".join(lines)
            time.sleep(0.05)
        return lines
