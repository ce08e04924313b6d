# SPDX-License-Identifier: BSD-3-Clause
"""vusctl puts into words what the control socket says."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from vulab.paths import program


def view(folder: Path, port: dict[str, Any]) -> str:
    """What `vusctl port vm1` prints when a switch, played here, says this of the port."""
    path = folder / "control.sock"
    vusctl = program("vusctl")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as lines:
                assert json.loads(lines.readline()) == {"command": "port", "name": "vm1"}
                lines.write(json.dumps({"port": port}) + "\n")

        switch = threading.Thread(target=answer)
        switch.start()
        shown = subprocess.run([vusctl, "--control", path, "port", "vm1"], text=True, timeout=30, check=True,
                               stdout=subprocess.PIPE).stdout
        switch.join()
    return shown


@pytest.mark.parametrize("waiting, line", [
    (None, "-"),
    ({"request": "REM_MEM_REG", "for": ["lcores to pass"]}, "REM_MEM_REG, lcores to pass"),
    ({"request": None, "for": ["lane to exit", "memory to be unmapped"]}, "lane to exit, memory to be unmapped"),
])
def test_what_a_port_waits_for(tmp_path: Path, waiting: dict[str, Any] | None, line: str) -> None:
    """The request first, then the steps before its answer."""
    shown = view(tmp_path, {"name": "vm1", "type": "vhost-user", "bridge": "br0", "link": "up", "waiting": waiting})
    assert re.search(rf"^  waiting +{re.escape(line)}$", shown, re.MULTILINE), shown
