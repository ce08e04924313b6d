# SPDX-License-Identifier: BSD-3-Clause
"""vusctl capture: tshark reads what it writes, from a file, and live through a pipe. vusctl drops: what was dropped, in words."""

from __future__ import annotations

import json
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from vulab.lab import Lab
from vulab.paths import build_folder, program
from vulab.process import SLOW, run, wait_until
from vulab.switch import Switch

A, B, NOBODY = "020000000001", "020000000002", "000000000000"
IPV4 = "08004500002800000000400600000a0000010a00000204000019" + "00" * 16
FIELDS = ["frame.interface_name", "frame.packet_flags_direction", "frame.cap_len", "frame.len", "frame.comment", "vlan.id",
          "tcp.dstport"]

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


class Guests:
    """Two guests, which send what they are told."""

    def __init__(self, folder: Path, *ports: str) -> None:
        words = [str(build_folder() / "tests" / "e2e" / "frames"), str(folder), *ports]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, port: str, frame: str) -> list[str]:
        """Who got it, and what."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{port} {frame}\n")
        self.process.stdin.flush()
        return [line.strip() for line in iter(self.process.stdout.readline, ".\n")]


@pytest.fixture(name="switch")
def running_switch(lab: Lab) -> Switch:
    file = lab.folder / "capture.yaml"
    file.write_text("bridges: [{name: br0, vlan-aware: on}]\nports:\n"
                    f"  - {{name: a, type: vhost-user, socket: {lab.socket('a')}, bridge: br0, access: 10}}\n"
                    f"  - {{name: b, type: vhost-user, socket: {lab.socket('b')}, bridge: br0, trunk: 10}}\n")
    switch = lab.switch(["--config", str(file)])
    switch.start()
    return switch


@pytest.fixture(name="guests")
def two_guests(lab: Lab, switch: Switch) -> Iterator[Guests]:
    assert switch.process
    guests = Guests(lab.folder, "a", "b")
    try:
        yield guests
    finally:
        guests.process.kill()
        guests.process.wait()


def words_of(switch: Switch, *words: str | Path) -> list[str]:
    return [str(program("vusctl")), "-c", str(switch.control), "capture", *map(str, words)]


def await_begun(switch: Switch, times: int) -> None:
    wait_until(lambda: switch.log.read_text().count("captured by") == times, 20, "the capture to begin")


def read(file: Path) -> list[dict[str, str]]:
    fields = [word for field in FIELDS for word in ("-e", field)]
    lines = run(["tshark", "-r", str(file), "-T", "fields", "-E", "separator=|", *fields]).splitlines()
    return [dict(zip(FIELDS, line.split("|"), strict=True)) for line in lines if line.count("|") == len(FIELDS) - 1]


def test_a_file(lab: Lab, switch: Switch, guests: Guests) -> None:
    """Each port with its own tags, directions and reasons; the whole of a jumbo frame, or its beginning."""
    file, short = lab.folder / "ab.pcapng", lab.folder / "b.pcapng"
    both = subprocess.Popen(words_of(switch, "a,b", "-W", file), stderr=subprocess.PIPE, text=True)
    some = subprocess.Popen(words_of(switch, "b", "--write", short, "--snap", "40", "--dir", "tx", "vlan", "and", "tcp"),
                            stderr=subprocess.PIPE, text=True)
    await_begun(switch, 2)
    assert guests.send("a", B + A + IPV4)
    guests.send("a", B + NOBODY + IPV4)
    guests.send("a", B + A + "0800" + "11" * 1986)
    for process, said in ((both, "vusctl: 5 frames, 0 more lost\n"), (some, "vusctl: 1 frames, 0 more lost\n")):
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30 * SLOW)[1] == said
        assert process.returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    packets = read(file)
    assert [[packet[field] for field in FIELDS] for packet in packets] == [
        ["a", "0x00000001", "54", "54", "", "", "25"],
        ["b", "0x00000002", "58", "58", "", "10", "25"],
        ["a", "0x00000001", "54", "54", "rx_drop.source", "", "25"],
        ["a", "0x00000001", "2000", "2000", "", "", ""],
        ["b", "0x00000002", "2004", "2004", "", "10", ""],
    ]
    assert [(packet["frame.cap_len"], packet["frame.len"]) for packet in read(short)] == [("40", "58")]
    told = run(["capinfos", str(file)])
    assert "Number of interfaces in file: 2" in told and "nanoseconds (9)" in told


def test_live_through_a_pipe(switch: Switch, guests: Guests) -> None:
    """tshark shows a frame while the capture goes on; when it has enough, vusctl ends as well."""
    capture = subprocess.Popen(words_of(switch, "a", "--drops", "-W", "-"), stdout=subprocess.PIPE)
    tshark = subprocess.Popen(["tshark", "-l", "-i", "-", "-c", "2", "-T", "fields", "-e", "frame.comment"], stdin=capture.stdout,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert capture.stdout and tshark.stdout
    capture.stdout.close()
    await_begun(switch, 1)
    guests.send("a", B + A + IPV4)
    guests.send("a", B + NOBODY + IPV4)
    assert tshark.stdout.readline() == "rx_drop.source\n"
    assert tshark.poll() is None and capture.poll() is None
    guests.send("a", A + A + IPV4)
    assert tshark.stdout.readline() == "rx_drop.reflection\n"
    assert tshark.wait(30 * SLOW) == 0
    guests.send("a", B + NOBODY + IPV4)
    assert capture.wait(30 * SLOW) == 0


def test_a_number_of_frames(lab: Lab, switch: Switch, guests: Guests) -> None:
    file = lab.folder / "three.pcapng"
    capture = subprocess.Popen(words_of(switch, "a", "-W", file, "-n", "3"), stderr=subprocess.PIPE, text=True)
    await_begun(switch, 1)
    for _ in range(5):
        guests.send("a", B + A + IPV4)
    assert "3 frames" in capture.communicate(timeout=30 * SLOW)[1]
    assert len(read(file)) == 3


def test_drops_are_told(switch: Switch, guests: Guests) -> None:
    """How many, since when, and the last of them; a port that has dropped nothing has no row."""
    words = [str(program("vusctl")), "-c", str(switch.control), "drops"]
    assert run([*words, "a", "b"]) == "nothing was dropped\n"
    for _ in range(3):
        guests.send("a", B + NOBODY + IPV4)
    said = run([*words, "--hex"])
    assert re.search(r"^a +rx_drop\.source +3 +0 +\S.* 00:00:00:00:00:00 > 02:00:00:00:00:02, TCP 10\.0\.0\.1:1024 > 10\.0\.0\.2:25, "
                     r"54 bytes$", said, re.M)
    assert "\na rx_drop.source: 54 of 54 bytes\n  0000  02 00 00 00 00 02 00 00 00 00 00 00 08 00 45 00\n" in said
    assert run([*words, "b"]) == "nothing was dropped\n"
    (port,) = json.loads(run([*words, "a", "-j"]))["drops"]
    (reason,) = port["reasons"]
    assert reason["reason"] == "rx_drop.source" and reason["frames"] == 3 and reason["first_ms"] >= reason["last_ms"]
    assert reason["frame"]["bytes"] == B + NOBODY + IPV4 and reason["frame"]["len"] == 54
    assert "there is no port" in subprocess.run([*words, "nobody"], capture_output=True, text=True, check=False).stderr


def test_what_is_wrong_is_said(switch: Switch) -> None:
    def said(*words: str) -> str:
        return subprocess.run(words_of(switch, *words), capture_output=True, text=True, timeout=60, check=False).stderr

    assert "there is no port nobody" in said("nobody").replace('"', "")
    assert "syntax error" in said("a", "tcp", "port")
    assert "use rx, tx or both" in said("a", "--dir", "up")
    assert "of which port?" in said()


def test_why_of_the_next_frame(switch: Switch, guests: Guests) -> None:
    """What a port sends is explained; the filter picks it, and where nothing comes that is said."""
    why = [str(program("vusctl")), "-c", str(switch.control), "why", "a", "--next"]
    asks = subprocess.Popen([*why, "--timeout", "120", "tcp", "dst", "port", "25"], stdout=subprocess.PIPE, text=True)
    await_begun(switch, 1)
    guests.send("a", B + A + "0800" + "11" * 50)
    guests.send("a", B + A + IPV4)
    lines = asks.communicate(timeout=150 * SLOW)[0].splitlines()
    assert asks.returncode == 0
    assert lines[0] == ("from a: 54 bytes, 02:00:00:00:00:01 to 02:00:00:00:00:02, IPv4 from 10.0.0.1 to 10.0.0.2, protocol 6, "
                        "no tag")
    assert "vlan: VLAN 10 (access 10)" in lines and lines[-1] == "to b: delivered, with the tag of VLAN 10"
    silent = subprocess.run([*why, "-T", "1", "arp"], capture_output=True, text=True, timeout=60 * SLOW, check=False)
    assert silent.returncode == 1 and "a has sent no such frame for 1 s" in silent.stderr
