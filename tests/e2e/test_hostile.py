# SPDX-License-Identifier: BSD-3-Clause
"""A guest that drives its own card as no driver would.

tests/e2e/hostile is a program in a guest's initramfs: it takes the kernel's driver off the virtio-net card and plays
cases with the card's rings, by name (`hostile_guest list`). While it does, two other guests exchange frames and lose
none, the control socket answers, and the switch says what it made of the case; afterwards the same guest resets its
card, and its frames come back from a third one. One boot plays them all:

    pytest tests/e2e/test_hostile.py -k tx_loop_of_two
"""

from __future__ import annotations

import contextlib
import gzip
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import ALL_MACHINES, open_lab
from vulab.guest import Guest, Nic, qemu_binaries, qemu_version
from vulab.lab import Lab
from vulab.paths import build_folder
from vulab.process import HURRY, LabError, Process, wait_until

PROGRAM = build_folder() / "tests/e2e/hostile_guest"
MAC = "52:54:00:00:00:0a"
ANSWER_SECONDS = 1.0  # far above the 10 ms of the switch: this machine emulates a CPU meanwhile
RACE_MS = 1000 if ALL_MACHINES else 40  # how long memory is rewritten, in each of the races


@dataclass
class Case:
    """A row of `hostile_guest list`."""

    name: str
    formats: int
    expect: str


def _cases(ring: int) -> list[Case]:
    """Those for a format of ring; none in a build without tests."""
    if not PROGRAM.exists():
        return []
    said = subprocess.run([PROGRAM, "list"], check=True, capture_output=True, text=True, timeout=20).stdout
    cases = [Case(name, int(formats), expect) for name, formats, expect in (line.split("\t") for line in said.splitlines())]
    return [case for case in cases if case.formats & ring]


def _ids(values: Sequence[Case | Path]) -> list[str]:
    return [value.name if isinstance(value, Case) else "qemu-{}.{}".format(*qemu_version(value)) for value in values]


def _image(image: Path, folder: Path) -> Path:
    """The guest's image, and the program behind its files: the kernel unpacks one archive after the other."""
    made, more = folder / "image", folder / "root"
    made.mkdir()
    (more / "bin").mkdir(parents=True)
    shutil.copy(image / "vmlinuz", made)
    shutil.copy(PROGRAM, more / "bin")
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=b"bin\nbin/hostile_guest\n",
                             cwd=more, check=True, capture_output=True).stdout
    (made / "initrd").write_bytes((image / "initrd").read_bytes() + gzip.compress(archive, 1))
    return made


class Stage:
    """The switch, the guest that plays, the guests beside it, and one that asks the switch all the time."""

    def __init__(self, lab: Lab, qemu: Path, ring: str, image: Path) -> None:
        self.ring = ring
        self.switch = lab.switch([*lab.vhost("hostile", options=",queues=2"), *lab.vhost("a", "b", "echo")])
        self.switch.start()
        nic = Nic(lab.socket("hostile"), MAC, queues=2, options="packed=on" if ring == "packed" else "")
        folder = lab.folder / "guest"
        folder.mkdir()
        # What the kernel does not use of the memory is the program's.
        self.guest = Guest("guest", [nic], "10.0.0.1/24", qemu, _image(image, lab.folder), cpus=2, folder=folder,
                           kernel="mem=128M iomem=relaxed")
        lab.guests.append(self.guest)
        self.guest.start()
        self.guest.boot()
        # What is looked for is the switch's own silence, not that of a machine which emulates a CPU.
        self.switch.prefer_lcores()
        self._lab = lab
        self.victims = self._start_victims()
        self.play("revive")
        self.slowest = 0.0
        self._mark = 0
        self._asking = threading.Event()
        self._asker = threading.Thread(target=self._ask, daemon=True)
        self._asker.start()

    def _start_victims(self) -> Process:
        victims = Process("victims", [*HURRY, build_folder() / "tests/e2e/victims", self._lab.folder, "a", "b", "echo"],
                          self._lab.folder / "victims.log", dialogue=True)
        self._lab.keep(victims)
        victims.wait_for("ready", 20)
        return victims

    def play(self, *words: str) -> None:
        said = self.guest.run(f"RACE_MS={RACE_MS} hostile_guest {' '.join(words)} {self.ring}", 60)
        assert said.endswith("played" if words[0] == "play" else "revived"), said

    def port(self) -> dict[str, Any]:
        return self.switch.port("hostile")

    def said(self) -> str:
        """What the switch has logged since begin()."""
        return self.switch.log.read_text()[self._mark:]

    def begin(self) -> None:
        if not self.victims.running:  # the case before this one ended them
            self.victims = self._start_victims()
        self._mark = len(self.switch.log.read_text())

    def must_be_well(self) -> None:
        """Nobody else lost anything, and the switch answered."""
        self.switch.must_run()
        self.victims.send("check")
        self.victims.wait_for(r"ok (\d+), ", 30)
        slowest, self.slowest = self.slowest, 0.0
        assert slowest < ANSWER_SECONDS, f"an answer of the switch took {slowest:.3f} s"

    def stop(self) -> None:
        self._asking.set()
        self._asker.join()

    def _waited(self) -> float:
        """How long the control thread, and this one, were ready and had no CPU, in seconds; 0 where the kernel does not say."""
        assert self.switch.process
        control = f"/proc/{self.switch.process.pid}/task/{self.switch.process.pid}"
        nanoseconds = 0
        for thread in (control, "/proc/thread-self"):
            with contextlib.suppress(OSError):
                nanoseconds += int(Path(thread, "schedstat").read_text().split()[1])
        return nanoseconds / 1e9

    def _ask(self) -> None:
        while not self._asking.wait(0.02):
            waited, begin = self._waited(), time.monotonic()
            try:
                self.switch.ask("ports")
            except LabError:
                self.slowest = 1000.0
            self.slowest = max(self.slowest, time.monotonic() - begin - (self._waited() - waited))


# The oldest QEMU plays with split rings and the newest with packed ones; in scripts/test --long each plays with both.
SPLIT_QEMUS = qemu_binaries() if ALL_MACHINES else qemu_binaries()[:1]
PACKED_QEMUS = qemu_binaries() if ALL_MACHINES else qemu_binaries()[-1:]
SPLIT_CASES, PACKED_CASES = _cases(1), _cases(2)


def _stage(qemu: Path, ring: str, image: Path) -> Iterator[Stage]:
    for lab in open_lab():
        stage = Stage(lab, qemu, ring, image)
        yield stage
        stage.stop()


@pytest.fixture(scope="module", params=SPLIT_QEMUS, ids=_ids(SPLIT_QEMUS))
def split_stage(request: pytest.FixtureRequest, image: Path) -> Iterator[Stage]:
    yield from _stage(request.param, "split", image)


@pytest.fixture(scope="module", params=PACKED_QEMUS, ids=_ids(PACKED_QEMUS))
def packed_stage(request: pytest.FixtureRequest, image: Path) -> Iterator[Stage]:
    yield from _stage(request.param, "packed", image)


def _counter(port: dict[str, Any], path: str) -> int:
    group, name = path.split(".")
    return int(port[group][name])


def _faults(port: dict[str, Any]) -> dict[int, str]:
    return {int(ring["ring"]): ring["fault"] for ring in port["rings"] if ring["fault"] != "ok"}


def _seen(stage: Stage, expect: str, before: dict[str, Any]) -> bool:
    """Whether the switch made of a case what is expected of it: hostile/play.h says what the words mean."""
    word, _, rest = expect.partition(" ")
    now = stage.port()
    if word == "fault":
        ring, _, text = rest.partition(" ")
        return _faults(now) == {int(ring): text} and text in now["last_error"]
    if word == "drop":
        return _counter(now, rest) > _counter(before, rest)
    if word == "refused":
        # Not from the log, which leaves out lines that are like others before them.
        return now["connections"] > before["connections"] and f"refused: {rest}" in now["last_error"]
    if word == "stopped":
        return not now["rings"][int(rest)]["ready"]
    sent = int(now["rx_ok"]) - int(before["rx_ok"])
    if word == "sent":
        return sent == int(rest) and not _faults(now)
    if word == "idle":
        return sent == 0 and now["rx_drop"] == before["rx_drop"] and not _faults(now)
    assert word == "any", expect
    return True


def _told(stage: Stage, before: dict[str, Any]) -> str:
    """What the switch says of a case: the faults of rings, the counters that have grown, its log."""
    now = stage.port()
    grown = {f"{group}.{name}": number - before[group][name] for group in ("rx_drop", "tx_drop")
             for name, number in now[group].items() if number > before[group][name]}
    lines = {line.partition("hostile: ")[2] for line in stage.said().splitlines()}
    return f"sent {now['rx_ok'] - before['rx_ok']}, drops {grown}, rings {_faults(now)}, log {sorted(lines)}"


def _play(stage: Stage, case: Case) -> None:
    before = stage.port()
    stage.begin()
    stage.play("play", case.name)
    try:
        wait_until(lambda: _seen(stage, case.expect, before), 20, case.expect)
    except LabError as error:
        raise LabError(f"{error}; {_told(stage, before)}") from error
    print(f"case {case.name}: ok: {_told(stage, before)}")
    stage.must_be_well()
    stage.play("revive")


@pytest.mark.parametrize("case", SPLIT_CASES, ids=_ids(SPLIT_CASES))
def test_split(split_stage: Stage, case: Case) -> None:
    _play(split_stage, case)


@pytest.mark.parametrize("case", PACKED_CASES, ids=_ids(PACKED_CASES))
def test_packed(packed_stage: Stage, case: Case) -> None:
    _play(packed_stage, case)
