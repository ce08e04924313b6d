# SPDX-License-Identifier: BSD-3-Clause
"""A switch that is played: a control socket that gives the answers it is told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# A line, or several, of which the last is followed by the end.
Answer = Callable[[dict[str, Any]], dict[str, Any] | list[dict[str, Any]]]


class PlayedSwitch:
    """Answers each request by what `answer` makes of it, until the end of a `with` block; `asked` are the requests."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self.control = folder / "control.sock"
        self.asked: list[dict[str, Any]] = []
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.control))
        self._listener.listen()

    def __enter__(self) -> PlayedSwitch:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Wakes the thread that waits for a client.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.control.unlink()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw") as lines:
            for line in lines:
                request = json.loads(line)
                self.asked.append(request)
                answer = self._answer(request)
                for part in answer if isinstance(answer, list) else [answer]:
                    lines.write(json.dumps(part) + "\n")
                lines.flush()
                if isinstance(answer, list):
                    return
