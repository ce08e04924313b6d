# SPDX-License-Identifier: BSD-3-Clause
"""A NIC with a real driver that reads guests' frames where they lie.

There is no NIC here, so the switch runs inside a virtual machine that has one: QEMU's igb or e1000e
behind QEMU's Intel IOMMU, bound to vfio-pci. The switch's guest is a fake one in there, too
(nic_guest.c); what it sends leaves QEMU as datagrams, one a frame. Without an IOMMU there is no
vfio-pci for it, and nothing to test.

It takes a minute, most of it emulation: set VUSWITCH_NIC=1.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from vulab.flow import flow_frame
from vulab.guest import Guest, qemu_version
from vulab.inside import image_with_switch, vusctl_inside
from vulab.lab import Lab
from vulab.process import wait_until

pytestmark = pytest.mark.skipif(os.environ.get("VUSWITCH_NIC") != "1",
                                reason="takes a minute: set VUSWITCH_NIC=1")

MODULES = ("irqbypass", "vfio", "vfio_virqfd", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci")
DRIVERS = ("bus_pci", "bus_vdev", "mempool_ring", "net_e1000", "net_null")
CARD = "0000:00:05.0"
COUNT = 300


class _Outside:
    """The other end of the NIC's cable: datagrams."""

    def __init__(self, folder: Path) -> None:
        self.near, self.far = folder / "nic.sock", folder / "far.sock"
        self.frames: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(str(self.far))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self.frames.append(self._socket.recv(70000))
            except OSError:
                return

    def send(self, frame: bytes) -> None:
        self._socket.sendto(frame, str(self.near))

    def stop(self) -> None:
        self._socket.close()


@pytest.fixture
def outside(lab: Lab) -> Iterator[_Outside]:
    made = _Outside(lab.folder)
    yield made
    made.stop()


def _machine(lab: Lab, qemu: Path, image: Path, outside: _Outside, card: str) -> Guest:
    if qemu_version(qemu) < (8, 0):
        pytest.skip("this QEMU has no igb, and no datagrams to send")
    folder = lab.folder / "machine"
    folder.mkdir()
    netdev = (f"dgram,id=n0,local.type=unix,local.path={outside.near},"
              f"remote.type=unix,remote.path={outside.far}")
    machine = Guest("machine", [], "10.9.0.1/24", qemu, image_with_switch(image, lab.folder, ("tests/e2e/nic_guest",), DRIVERS, MODULES),
                    cpus=2, memory="768M", folder=folder, kernel="intel_iommu=on",
                    extra=["-device", "intel-iommu,aw-bits=48", "-netdev", netdev,
                           "-device", f"{card},netdev=n0,addr=5,romfile="])
    lab.guests.append(machine)
    machine.start()
    machine.boot()
    machine.run("for m in " + " ".join(MODULES) + "; do insmod /lib/modules/$m.ko; done; "
                f"echo vfio-pci >/sys/bus/pci/devices/{CARD}/driver_override; "
                f"echo {CARD} >/sys/bus/pci/drivers_probe; ls /dev/vfio/0 || ls /dev/vfio/1; "
                "echo 64 >/proc/sys/vm/nr_hugepages; mkdir -p /dev/hugepages /tmp/v; "
                "mount -t hugetlbfs none /dev/hugepages")
    return machine


def _start_switch(machine: Guest, port: str, eal: str = "") -> None:
    machine.run(f"RUNTIME_DIRECTORY=/tmp/v vuswitch -l 0,1 -m 96 -a {CARD} {eal} -- "
                f"--vhost vm1=/tmp/v/vm1.sock --ethdev up0={CARD},{port} >/tmp/v/log 2>&1 &")
    wait_until(lambda: "link up" in vusctl_inside(machine, "port up0"), 30, "the NIC's link to come up")


@pytest.mark.parametrize(("card", "lengths", "answers"),
                         [("igb", (1514, 9014), 50), ("e1000e", (1514,), 50)])
def test_frames_leave_without_a_copy(lab: Lab, qemu: Path, image: Path, outside: _Outside,
                                     card: str, lengths: tuple[int, ...], answers: int) -> None:
    """Every byte arrives; memory that frames left from is given up at once; the NIC answers."""
    machine = _machine(lab, qemu, image, outside, card)
    for length in lengths:
        outside.frames.clear()
        _start_switch(machine, f"mtu={length - 14},zero-copy-tx=on")
        machine.run(f"nic_guest /tmp/v/vm1.sock {length} {COUNT} {answers} >/tmp/v/said & ")
        wait_until(lambda: "sent" in machine.run("cat /tmp/v/said", check=False), 60,
                   "the guest to send")
        shown = vusctl_inside(machine, "port up0")
        # While the guest waits for answers its memory, 6 MiB, is mapped for the NIC.
        mapped = 6 if answers else 0
        assert re.search(rf"zero copy tx +on, frames of 1500 bytes and more; {mapped} MiB",
                         shown), shown
        assert re.search(r"zero copy out +0\n", shown), shown
        said = machine.run("cat /tmp/v/said")
        found = re.search(r"mac (\S+)", said)
        assert found, said
        mac = bytes.fromhex(found[1].replace(":", ""))
        for number in range(answers):
            outside.send(flow_frame(2, number, length, to=mac))
        wait_until(lambda: "ok" in machine.run("cat /tmp/v/said"), 60, "the answers to arrive")
        wait_until(lambda: len(outside.frames) >= 2 * COUNT, 10, "all frames to arrive outside")
        assert len(outside.frames) == 2 * COUNT
        for number, frame in enumerate(outside.frames):
            assert frame == flow_frame(1, number, length, sender=mac), (number, length)
        log = machine.run("cat /tmp/v/log; dmesg | grep -i dmar.*fault; true")
        assert "goes all the same" not in log and "fault" not in log.lower(), log
        machine.run("kill $(pidof vuswitch); while pidof vuswitch; do usleep 50000; done", 30)


def test_physical_addresses_mean_copies(lab: Lab, qemu: Path, image: Path,
                                        outside: _Outside) -> None:
    """With IOVA as PA guests' memory has no address for the NIC: frames are copied, and it says so."""
    machine = _machine(lab, qemu, image, outside, "igb")
    _start_switch(machine, "mtu=1500,zero-copy-tx=on", "--iova-mode=pa")
    assert re.search(r"zero copy tx +on, but frames are copied: .*IOVA as VA",
                     vusctl_inside(machine, "port up0"))
    said = machine.run(f"nic_guest /tmp/v/vm1.sock 1514 {COUNT}", 60)
    assert "ok" in said
    wait_until(lambda: len(outside.frames) >= 2 * COUNT, 10, "all frames to arrive outside")
    assert len(outside.frames) == 2 * COUNT
