# SPDX-License-Identifier: BSD-3-Clause
"""docs/operations/day-2.md: each command of vuswitch's column, and of Open vSwitch's, does what its row says it is for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from vulab.lab import Lab
from vulab.ovs import DummyOvs, plain_daemon
from vulab.paths import program
from vulab.process import run
from vulab.switch import Switch

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations" / "day-2.md"
VUSWITCH, OVS = 1, 2  # columns
ELSEWHERE = ("vusctl events", "vusctl top")  # what has tests of its own, for it does not end by itself
# What Open vSwitch says of its own kind of port to one that has no DPDK, and of a dummy.
VHOST = re.compile(r"type=dpdkvhostuserclient options:\S+")


def rows() -> dict[str, list[str]]:
    """The cells of each task."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return {row[0]: row for row in cells[1:]}


def commands(column: int, first: str) -> list[tuple[str, list[str]]]:
    """Task and words of each command in that column, which begins with `first`."""
    return [(task, shlex.split(text)) for task, row in rows().items()
            for text in re.findall(r"`([^`]+)`", row[column]) if text.startswith(first) and text not in ELSEWHERE]


@pytest.fixture
def switch(lab: Lab) -> Iterator[Switch]:
    """With a bridge that knows VLANs, and a file to be read again."""
    file = lab.folder / "vuswitch.yaml"
    file.write_text("bridges:\n  - {name: br0, vlan-aware: on}\n")
    made = Switch(lab.folder, ["--config", str(file)], ["--no-huge", "-m", "64", "--no-pci"])
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_ours(switch: Switch) -> None:
    """In the order of the table, for the port is added first and removed last."""
    done = commands(VUSWITCH, "vusctl")
    assert len(done) >= 16 and done[0][0] == "add a port" and done[-1][0] == "remove the port", done
    for task, (_, *words) in done:
        said = run([program("vusctl"), "--control", switch.control, *(word.replace("/run/vuswitch", str(switch.folder)) for word in words)])
        assert said, (task, words)
        if task == "link down, link up":
            assert f"-> {words[-1]}" in said, said
    assert "vm3" not in run([program("vusctl"), "--control", switch.control, "ports", "-l"])


def test_open_vswitchs(lab: Lab) -> None:
    """The same, with a dummy in the place of a vhost-user port."""
    if not plain_daemon():
        pytest.skip("no Open vSwitch: apt-get install openvswitch-switch")
    ovs = DummyOvs(lab.folder, {})
    ask: dict[str, Callable[..., str]] = {"ovs-vsctl": ovs.vsctl, "ovs-appctl": ovs.appctl}
    try:
        ovs.add_dummies("br0", ["other"])
        done = commands(OVS, "ovs-")
        assert len(done) >= 14 and done[0][0] == "add a port" and done[-1][0] == "remove the port", done
        for _, (name, *words) in done:
            words = shlex.split(VHOST.sub("type=dummy", shlex.join(words)))
            if name == "ovs-ofctl":
                ovs.ofctl(words[0], words[1], *words[2:])
            else:
                ask[name](*words)
        assert "vm3" not in ovs.vsctl("list-ports", "br0").split()
    finally:
        ovs.stop()
