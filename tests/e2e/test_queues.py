# SPDX-License-Identifier: BSD-3-Clause
"""As many queue pairs as a port has, and one more, with front ends that count them differently."""

from __future__ import annotations

from pathlib import Path

import pytest

from vulab.guest import Nic
from vulab.lab import Lab
from vulab.process import LabError, Process, wait_until
from vulab.switch import Switch
from vulab.testpmd import Testpmd

PAIRS = 2


def open_port(lab: Lab) -> Switch:
    switch = lab.switch([f"--vhost=vm={lab.socket('vm')},queues={PAIRS}"])
    switch.start()
    return switch


def card(lab: Lab, image: Path, qemu: Path, pairs: int) -> list[str]:
    """A QEMU that never boots: its card is negotiated before the first instruction."""
    argv = lab.guest(f"vm{pairs}", qemu, image, Nic(lab.socket("vm"), "52:54:00:00:00:01", queues=pairs),
                     "10.0.0.1/24").arguments()
    return [*argv, "-S"]


def test_qemu(lab: Lab, qemu: Path, image: Path) -> None:
    """Too many: QEMU itself says so, in its own words. As many as there are: all of them are negotiated."""
    switch = open_port(lab)
    log = lab.folder / "greedy.log"
    greedy = Process("greedy", card(lab, image, qemu, PAIRS + 1), log)
    lab.keep(greedy)
    wait_until(lambda: f"you are asking more queues than supported: {PAIRS}" in log.read_text(), 20,
               f"QEMU's own error; see {log}")
    greedy.stop()
    content = Process("content", card(lab, image, qemu, PAIRS), lab.folder / "content.log")
    lab.keep(content)
    wait_until(lambda: switch.port("vm")["state"] == "connected: the guest's driver has not started the device", 20,
               "QEMU to have negotiated")
    messages = switch.port("vm")["messages"]
    assert messages > 20 * PAIRS, f"{messages} messages for {PAIRS} queue pairs"
    content.must_run()


def virtio_user(lab: Lab, name: str, pairs: int) -> Testpmd:
    return lab.testpmd(name, [f"net_virtio_user0,path={lab.socket('vm')},queues={pairs},queue_size=256"],
                       ["--forward-mode=rxonly", f"--rxq={pairs}", f"--txq={pairs}"])


def test_virtio_user(lab: Lab) -> None:
    """It does not ask how many there are: what it configures beyond them is refused, and the port says so. It gives up."""
    switch = open_port(lab)
    content = virtio_user(lab, "content", PAIRS)
    switch.wait_link("vm")
    assert switch.port("vm")["rings_ready"] == 2 * PAIRS
    content.stop()
    with pytest.raises(LabError, match="greedy ended"):
        virtio_user(lab, "greedy", PAIRS + 1)
    assert "refused: no such ring" in switch.port("vm")["last_error"]
