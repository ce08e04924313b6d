# SPDX-License-Identifier: BSD-3-Clause
"""vusctl on terminals of several sizes: nothing is wrapped, pages and keys work, shares are whole."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vulab.paths import program
from vulab.played import PlayedSwitch
from vulab.terminal import Terminal

HZ = 1_000_000_000
PORTS = 60


def a_port(i: int, ns: int) -> dict[str, Any]:
    """vm10 receives the most; a third of them are down, with a state that is long."""
    up = i % 3 != 0
    return {
        "name": f"vm{i}", "type": "vhost-user", "bridge": "br0", "id": i, "link": "up" if up else "down",
        "state": "running" if up else "no front end: the last one closed its connection after 12 s; listening",
        "rx_ok": ns * (i if i <= 10 else 1) // 1000, "rx_bytes": ns * i // 10, "tx_ok": ns // 1000, "tx_bytes": ns // 10,
        "rx_drops": 0, "tx_drops": ns // 100000 if i == 7 else 0,
    }


def an_lcore(i: int, ns: int) -> dict[str, Any]:
    return {
        "lcore": i, "cpu": i, "frames": ns // 1000, "busy_cycles": ns // 3, "idle_cycles": ns // 3, "asleep_cycles": ns // 3,
        "longest_us": 1250.0, "polls": [{"port": f"vm{j}", "queue": 0, "load_percent": 3.0} for j in range(1, 31)],
    }


def played(request: dict[str, Any]) -> dict[str, Any]:
    ns = time.monotonic_ns()
    parts: dict[str, dict[str, Any]] = {
        "ports": {"ports": [a_port(i, ns) for i in range(1, PORTS + 1)], "total": PORTS, "more": 0},
        "port": {"port": a_port(1, ns) | {"options": {f"option_number_{i}": i for i in range(12)}, "memory_wait_ms": 1500,
                                          "features": [f"VIRTIO_NET_F_{i}" for i in range(20)],
                                          "rx_queues": [{f"column_{i}": i for i in range(14)} for _ in range(3)]}},
        "macs": {"macs": [{"mac": "52:54:00:00:00:01", "bridge": "br0", "port": "vm1", "static": False, "age": 290},
                          {"mac": "52:54:00:00:00:02", "bridge": "br0", "port": "vm2", "static": False, "age": 7200}], "more": 0},
        "bridges": {"bridges": [{"name": "a-bridge-with-a-name-that-is-long", "ports": 60, "macs": 60, "mac_table_size": 65536,
                                 "mac_aging": 300, "learned": 123456789, "moved": 123456, "aged": 123456, "evicted": 1,
                                 "refused": 99999999}]},
        "lcores": {"lcores": [an_lcore(i, ns) for i in range(1, 4)], "cycles_per_second": HZ, "rebalance": "on", "moves": 3,
                   "would_move": [{"port": "vm1", "queue": 0, "load_percent": 30.0, "from": 1, "to": 2,
                                   "before_percent": 90.0, "after_percent": 60.0}]},
        "rebalance": {"moved": []},
        "version": {"version": "1", "dpdk": "DPDK 22.11", "pid": 1, "config": "/etc/" + "long/" * 30 + "vuswitch.yaml"},
    }
    return parts[request["command"]] | {"time_ns": ns}


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[PlayedSwitch]:
    with PlayedSwitch(tmp_path, played) as it:
        yield it


def vusctl(switch: PlayedSwitch, *words: str) -> list[str | Path]:
    return [program("vusctl"), "-c", switch.control, *words]


def top(switch: PlayedSwitch, columns: int, rows: int, *words: str, **env: str) -> Terminal:
    return Terminal(vusctl(switch, "top", "-w", "0.3", *words), columns, rows, env)


def names(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines if re.match(r"vm\d", line)]


@pytest.mark.parametrize("columns, rows", [(40, 8), (80, 24), (200, 60)])
def test_top_fits(switch: PlayedSwitch, columns: int, rows: int) -> None:
    """A line that sums up, titles, as many ports as there is room for, and a status line: nothing else, and nothing wrapped."""
    with top(switch, columns, rows) as terminal:
        lines = terminal.wait_for(lambda lines: "keys" in lines[-1])
        assert len(lines) == rows
        assert re.match(r"3 lcores: \d+ % busy, \d+ % idle, \d+ % as", lines[0])
        assert lines[1].startswith("PORT")
        assert names(lines) == [f"vm{i}" for i in range(1, min(PORTS, rows - 3) + 1)]
        assert f"1-{min(PORTS, rows - 3)} of {PORTS}" in lines[-1]
        assert max(map(len, lines)) <= columns
        assert ("STATE" in lines[1]) == (columns >= 80)


def test_pages(switch: PlayedSwitch) -> None:
    """Forth and back, to the ends; titles stay."""
    with top(switch, 40, 8) as terminal:
        for key, first in (("Space", 6), ("NPage", 11), ("PPage", 6), ("Down", 7), ("Up", 6), ("End", 56), ("Home", 1)):
            terminal.type(key)
            lines = terminal.wait_for(lambda lines, first=first: names(lines)[:1] == [f"vm{first}"])  # type: ignore[misc]
            assert lines[1].startswith("PORT") and f"{first}-{first + 4} of 60" in lines[-1]


def test_columns_that_do_not_fit(switch: PlayedSwitch) -> None:
    with top(switch, 40, 8) as terminal:
        lines = terminal.wait_for(lambda lines: "keys" in lines[-1])
        seen = set(re.split(r"  +", lines[1]))
        for _ in range(7):
            terminal.type("Right")
            before = lines[1]
            lines = terminal.wait_for(lambda lines, before=before: lines[1] != before)  # type: ignore[misc]
            assert lines[1].startswith("PORT") and max(map(len, lines)) <= 40
            seen |= set(re.split(r"  +", lines[1]))
            if "STATE" in lines[1]:
                break
        assert {"LINK", "RX/s", "RX bit/s", "TX/s", "TX bit/s", "DROPPED/s", "STATE"} <= seen
        terminal.type(*["Left"] * 9)
        terminal.wait_for(lambda lines: "LINK" in lines[1])


def test_sort_by_any_column(switch: PlayedSwitch) -> None:
    """Numbers from the largest, names as people count, both the other way round."""
    with top(switch, 120, 70) as terminal:
        terminal.type("s")
        lines = terminal.wait_for(lambda lines: "by PORT" in lines[-1])
        assert names(lines) == [f"vm{i}" for i in range(1, PORTS + 1)]
        terminal.type("r")
        lines = terminal.wait_for(lambda lines: "by PORT reversed" in lines[-1])
        assert names(lines) == [f"vm{i}" for i in range(PORTS, 0, -1)]
        terminal.type("r", "s", "s")
        lines = terminal.wait_for(lambda lines: "by RX/s " in lines[-1])
        assert names(lines)[:3] == ["vm10", "vm9", "vm8"]
        terminal.type("S", "S", "S")
        lines = terminal.wait_for(lambda lines: "by STATE" in lines[-1])
        for title in ("PORT", "LINK", "RX/s", "RX bit/s", "TX/s", "TX bit/s", "DROPPED/s"):
            terminal.type("s")
            lines = terminal.wait_for(lambda lines, title=title: f"by {title} " in lines[-1])  # type: ignore[misc]
        assert names(lines)[0] == "vm7"


def test_filter(switch: PlayedSwitch) -> None:
    """Rows with the text in any column, while it is typed; Escape drops it."""
    with top(switch, 100, 20) as terminal:
        terminal.type("/", "v", "m", "5")
        lines = terminal.wait_for(lambda lines: "filter: vm5_" in lines[-1])
        assert names(lines) == ["vm5", *(f"vm5{i}" for i in range(10))]
        terminal.type("Enter")
        terminal.wait_for(lambda lines: "1-11 of 11, with vm5" in lines[-1])
        terminal.type("/", "Escape")
        terminal.wait_for(lambda lines: "of 60" in lines[-1])


def test_keys_are_shown(switch: PlayedSwitch) -> None:
    """On small terminals page by page."""
    with top(switch, 40, 8) as terminal:
        terminal.type("?")
        lines = terminal.wait_for(lambda lines: "back" in lines[-1])
        assert lines[0].startswith("space, PgDn")
        terminal.type("End")
        terminal.wait_for(lambda lines: any(re.match(r"q +quit", line) for line in lines))
        terminal.type("?", "q")
        terminal.wait_for(lambda lines: not any("of 60" in line for line in lines))


def test_shares_are_whole(switch: PlayedSwitch) -> None:
    """Busy, idle and asleep are a third each: 100 % nonetheless."""
    with top(switch, 200, 60) as terminal:
        terminal.type("Tab")
        lines = terminal.wait_for(lambda lines: lines[1].startswith("LCORE"))
        rows = [re.findall(r"(\d+) %(?= )", line)[:3] for line in lines[2:5]]
        assert len(rows) == 3 and all(sum(map(int, row)) == 100 for row in rows), lines
        assert sum(map(int, re.findall(r"(\d+) %", lines[0]))) == 100
        assert "1.25 ms" in lines[2]


def test_a_terminal_that_changes(switch: PlayedSwitch) -> None:
    with top(switch, 200, 60) as terminal:
        terminal.wait_for(lambda lines: "STATE" in lines[1])
        terminal.resize(40, 8)
        lines = terminal.wait_for(lambda lines: "1-5 of 60" in lines[-1])
        assert len(lines) == 8 and max(map(len, lines)) <= 40


@pytest.mark.parametrize("words", [
    "ports", "port vm1", "macs", "bridges", "lcores", "rebalance", "version", "top -n 2 -w 0.2", "--help"])
def test_nothing_is_wrapped(switch: PlayedSwitch, words: str) -> None:
    """At 80 columns, and at 40, a line is as long as the terminal is wide at most; on a pipe it may be of any length."""
    for columns in (80, 40):
        read, write = os.openpty()
        subprocess.run(["stty", "cols", str(columns), "rows", "24"], stdin=write, check=True)
        process = subprocess.Popen(vusctl(switch, *words.split()), stdin=subprocess.DEVNULL, stdout=write, env=os.environ | {"NO_COLOR": "1"})
        os.close(write)
        said = b""
        while chunk := _read(read):
            said += chunk
        os.close(read)
        assert process.wait(10) == 0
        lines = said.decode().replace("\r", "").split("\n")
        assert len(lines) > 1 and max(map(len, lines)) <= columns, "\n".join(lines)


def test_a_line_a_port(switch: PlayedSwitch) -> None:
    """A state that is long ends in "..": `vusctl port` has all of it, and so has a pipe."""
    for columns in (120, 80):
        with Terminal(["sh", "-c", f"{program('vusctl')} -c {switch.control} ports; sleep 60"], columns, 70, {}) as terminal:
            lines = [line for line in terminal.wait_for(lambda lines: any("vm60 " in line for line in lines)) if line.strip()]
            assert len(lines) == PORTS + 1 and max(map(len, lines)) <= columns
            assert sum(line.endswith("..") and "  no front end: " in line for line in lines) == PORTS // 3
    piped = subprocess.run(vusctl(switch, "ports"), stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout
    assert piped.count("connection after 12 s; listening\n") == PORTS // 3


def _read(descriptor: int) -> bytes:
    """b"": the program has ended."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_watch_of_any_view(switch: PlayedSwitch) -> None:
    """On a terminal as top is; on a pipe one after the other."""
    with Terminal(vusctl(switch, "macs", "--watch", "0.2"), 80, 10) as terminal:
        lines = terminal.wait_for(lambda lines: "1-2 of 2" in lines[-1])
        assert lines[0].startswith("MAC") and lines[1].endswith("290 s") and lines[2].endswith("2 h")
    said = subprocess.run(vusctl(switch, "bridges", "-w", "0.1", "-n", "3"), stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout
    assert said.count("BRIDGE") == 3


def test_colour_is_for_terminals(switch: PlayedSwitch) -> None:
    """Not with NO_COLOR, not on a terminal that has none, not on a pipe."""
    piped = subprocess.run(vusctl(switch, "ports"), stdout=subprocess.PIPE, check=True, timeout=20).stdout
    assert b"\033" not in piped and b"\001" not in piped
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        with Terminal(["sh", "-c", f"{program('vusctl')} -c {switch.control} ports -f vm12; sleep 60"], 80, 24, env) as terminal:
            terminal.wait_for(lambda lines: any("vm12" in line for line in lines))
            assert any("\033[" in line for line in terminal.lines(colour=True)) == coloured


def test_rows_of_a_view(switch: PlayedSwitch) -> None:
    """--sort, --reverse and --filter are for every table; a column that is not there is said."""
    said = subprocess.run(vusctl(switch, "ports", "--sort", "rx", "--filter", "running"), stdout=subprocess.PIPE, text=True, check=True,
                          timeout=20).stdout.splitlines()
    assert names(said)[:2] == ["vm10", "vm8"] and "vm9" not in names(said)
    wrong = subprocess.run(vusctl(switch, "ports", "--sort", "height"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                           check=False, timeout=20)
    assert wrong.returncode == 1 and "no such column" in wrong.stderr
