# SPDX-License-Identifier: BSD-3-Clause
"""vusctl puts into words what the control socket says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from vulab.paths import program
from vulab.played import PlayedSwitch
from vulab.process import run


def view(folder: Path, port: dict[str, Any]) -> str:
    """What `vusctl port vm1` prints when a switch, played here, says this of the port."""
    with PlayedSwitch(folder, lambda _: {"port": port}) as switch:
        shown = run([program("vusctl"), "--control", switch.control, "port", "vm1"])
        assert switch.asked == [{"command": "port", "name": "vm1"}]
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
