# SPDX-License-Identifier: BSD-3-Clause
"""vusctl puts into words what the control socket says."""

from __future__ import annotations

import json
import re
import struct
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
            ["22:50:01.123", "listening", "-", "all", "that", "happens", "from", "here", "on"],
            ["22:50:02.5Z", "peer.connected", "vm1", "pid", "7,", "uid", "0,", "program", "qemu"],
            ["22:50:03.000", "from.the.future", "vm1", "ratio", "0.25,", "so", "yes"],
        ]
        said = run([*words, "-j"], check=False).splitlines()
        assert [json.loads(line) for line in said] == EVENTS


DONE = {"changed": True, "changes": [{"kind": "port", "name": "vm3", "what": "comes", "text": "port vm3: comes"}], "time_ns": 1}
WAITS = {**DONE, "waits": [{"kind": "port", "name": "vm3"}]}


def changes(folder: Path, answer: dict[str, Any], *words: str | Path) -> tuple[list[dict[str, Any]], str]:
    """What vusctl asks, and what it prints, standard error too."""
    with PlayedSwitch(folder, lambda _: answer) as switch:
        shown = run(["sh", "-c", 'exec "$@" 2>&1', "sh", program("vusctl"), "-c", switch.control, *words], check=False)
        return switch.asked, shown


@pytest.mark.parametrize("line, request_", [
    ("port add vm3 type=vhost-user socket=/run/a=b.sock queues=2",
     {"command": "port.add", "port": {"name": "vm3", "type": "vhost-user", "socket": "/run/a=b.sock", "queues": "2"}}),
    ("port set vm3 queues= -d", {"command": "port.set", "dry-run": True, "port": {"name": "vm3", "queues": None}}),
    ("bridge ensure lan", {"command": "bridge.ensure", "bridge": {"name": "lan"}}),
    ("port remove vm3 --dry-run", {"command": "port.remove", "dry-run": True, "name": "vm3"}),
    ("profile ensure web queues=2", {"command": "profile.ensure", "profile": {"name": "web", "queues": "2"}}),
    ("profile remove web", {"command": "profile.remove", "name": "web"}),
    ("port link vm3 down", {"command": "port.link", "name": "vm3", "link": "down"}),
    ("macs flush lan", {"command": "macs.flush", "bridge": "lan"}),
    ("macs flush --port vm3", {"command": "macs.flush", "port": "vm3"}),
    ("queue pin vm3 0 2", {"command": "queue.pin", "port": "vm3", "queue": "0", "lcore": "2"}),
    ("queue unpin vm3 0", {"command": "queue.unpin", "port": "vm3", "queue": "0"}),
    ("log level warning vm3", {"command": "log.level", "level": "warning", "topic": "vm3"}),
    ("bridge remove lan", {"command": "bridge.remove", "name": "lan"}),
    ("reload", {"command": "reload"}),
])
def test_changes(tmp_path: Path, line: str, request_: dict[str, Any]) -> None:
    asked, shown = changes(tmp_path, WAITS, *line.split())
    assert asked == [request_]
    assert shown.splitlines() == ["port vm3: comes", "port vm3: is still waited for"]


@pytest.mark.parametrize("text", [
    "bridges:\n- name: lan\nports:\n- {name: vm3, type: vhost-user, queues: 2, isolated: yes, mtu: }\n",
    '{"bridges": [{"name": "lan"}], "ports": [{"name": "vm3", "type": "vhost-user", "queues": 2, "isolated": "yes", "mtu": null}]}',
])
def test_ensure_reads_yaml_and_json(tmp_path: Path, text: str) -> None:
    """Scalars stay texts: the switch knows what each has to be."""
    (tmp_path / "file").write_text(text)
    asked, _ = changes(tmp_path, DONE, "ensure", tmp_path / "file")
    port = {"name": "vm3", "type": "vhost-user", "queues": "2", "isolated": "yes", "mtu": None}
    assert asked == [{"command": "ensure", "config": {"bridges": [{"name": "lan"}], "ports": [port]}}]


@pytest.mark.parametrize("words, complaint", [
    (["port", "add"], "which port"),
    (["port", "add", "vm3", "queues"], "no KEY=VALUE"),
    (["port", "add", "vm3", "=2"], "no KEY=VALUE"),
    (["port", "add", "vm3", "queues=2", "queues=4"], "there twice"),
    (["port", "remove", "vm3", "vm4"], "one word too many"),
    (["macs", "flush"], "either a bridge's, as in `vusctl macs flush lan`, or with --port"),
    (["macs", "flush", "lan", "--port", "vm3"], "either a bridge's"),
    (["ports", "--dry-run"], "--dry-run is not for ports"),
    (["ensure", "/none"], "No such file"),
    (["ensure", "/dev/null"], "there is nothing in this file"),
    (["ensure", "/dev/zero"], "256 KiB"),
])
def test_what_is_not_asked(tmp_path: Path, words: list[str], complaint: str) -> None:
    """What makes no sense is told in one line, and the switch is not asked."""
    asked, shown = changes(tmp_path, DONE, *words)
    assert asked == [] and complaint in shown and len(shown.splitlines()) == 1, shown


def test_what_the_switch_refuses(tmp_path: Path) -> None:
    """Its line, as it is."""
    _, shown = changes(tmp_path, {"error": "there is no port vm3", "code": "not-found"}, "port", "remove", "vm3")
    assert shown == "vusctl: there is no port vm3\n"
    _, shown = changes(tmp_path, {"error": "there is no port vm3", "code": "not-found"}, "-j", "port", "remove", "vm3")
    assert '"not-found"' in shown and shown.endswith("vusctl: there is no port vm3\n")
    _, shown = changes(tmp_path, {"changed": False, "changes": [], "time_ns": 1}, "port", "ensure", "vm3")
    assert "nothing to change" in shown


WHY = {"why": {
    "port": "vm1", "bridge": "lan", "dropped": "isolated",
    "steps": [{"step": "from vm1", "text": "130 bytes"}, {"step": "vlan", "text": "VLAN 10 (access 10)", "option": "access 10"}],
    "receivers": [{"port": "vm2", "delivered": False, "reason": "isolated", "text": "dropped (isolated): isolated, as vm1 is"}],
    "mirrors": [{"mirror": "m", "direction": "from", "of": "vm1", "sink": "cap", "text": "a copy of what comes from vm1, to cap"}],
}, "time_ns": 1}


def capture(*frames: bytes) -> bytes:
    """A pcap file."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames)


@pytest.mark.parametrize("words, asked", [
    ([bytes(14).hex(":")], {"frame": bytes(14).hex(), "length": 14}),
    (["capture.pcap"], {"frame": bytes(range(200)).hex(), "length": 200}),
    (["-L", "9000", "--offload", "tcp4:1448", bytes(128).hex()],
     {"frame": bytes(128).hex(), "length": 9000, "offload": "tcp4:1448"}),
    ([bytes(1000).hex()], {"frame": bytes(384).hex(), "length": 1000}),
])
def test_why(tmp_path: Path, words: list[str], asked: dict[str, Any]) -> None:
    """The first bytes of the frame are asked about, of a capture's first; the answer is a line for each decision."""
    (tmp_path / "capture.pcap").write_bytes(capture(bytes(range(200)), bytes(14)))
    words = [str(tmp_path / word) if word.endswith(".pcap") else word for word in words]
    with PlayedSwitch(tmp_path, lambda _: WHY) as switch:
        shown = run([program("vusctl"), "--control", switch.control, "why", "vm1", *words]).splitlines()
        assert switch.asked == [{"command": "why", "name": "vm1", **asked}]
    assert shown == [
        "from vm1: 130 bytes",
        "vlan: VLAN 10 (access 10)",
        "to vm2: dropped (isolated): isolated, as vm1 is",
        "mirror m: a copy of what comes from vm1, to cap",
        "dropped, counted as isolated of vm1",
    ]


DROPS = {
    "drops": [{"port": "vm1", "reasons": [{"reason": "rx_drop.isolated", "frames": 3}]}],
    "switch": [{"of": "switch", "reason": "reports_lost", "count": 5},
               {"of": "mirror", "name": "all", "bridge": "lan", "reason": "dropped", "count": 2}],
    "total": 1, "more": 0,
}


def test_drops_of_no_port(tmp_path: Path) -> None:
    """They stand below those of ports, and their rates are their own."""
    seconds = iter(range(1, 100))

    def answer(_: Any) -> dict[str, Any]:
        now = next(seconds)
        own = [{**entry, "count": entry["count"] * now} for entry in DROPS["switch"]]
        return {**DROPS, "switch": own, "time_ns": now * 10**9}

    with PlayedSwitch(tmp_path, answer) as switch:
        shown = run([program("vusctl"), "--control", switch.control, "drops"]).splitlines()
    assert [line.split("  ")[0] for line in shown[1:]] == ["vm1", "(switch)", "(mirror all of lan)"], shown
    assert shown[2].split()[1:4] == ["reports_lost", "10", "5"] and "addresses" in shown[2]
    assert shown[3].split()[4:7] == ["dropped", "4", "2"]
