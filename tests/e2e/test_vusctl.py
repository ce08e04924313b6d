# SPDX-License-Identifier: BSD-3-Clause
"""vusctl puts into words what the control socket says."""

from __future__ import annotations

import json
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


EVENTS = [
    {"event": "listening", "time": "2026-11-29T22:50:01.123456Z"},
    {"event": "peer.connected", "time": "2026-11-29T22:50:02.5Z", "port": "vm1", "pid": 7, "uid": 0, "program": "qemu"},
    {"event": "from.the.future", "time": "2026-11-29T22:50:03.000001Z", "port": "vm1", "ratio": 0.25, "so": True},
]


def test_events(tmp_path: Path) -> None:
    """A line each, with whatever fields it has; as they are with -j; -n ends it, and so does the end of the switch."""
    with PlayedSwitch(tmp_path, lambda _: EVENTS) as switch:
        words: list[str | Path] = ["env", "TZ=UTC", program("vusctl"), "-c", switch.control, "events"]
        shown = run([*words, "-n", "2", "--port", "vm1"]).splitlines()
        assert switch.asked == [{"command": "events", "port": "vm1"}]
        assert [line.split() for line in shown] == [
            ["22:50:01.123", "listening", "-"],
            ["22:50:02.5Z", "peer.connected", "vm1", "pid", "7,", "uid", "0,", "program", "qemu"],
            ["22:50:03.000", "from.the.future", "vm1", "ratio", "0.25,", "so", "yes"],
        ]
        said = run([*words, "-j"], check=False).splitlines()
        assert [json.loads(line) for line in said] == EVENTS
