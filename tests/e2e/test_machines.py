# SPDX-License-Identifier: BSD-3-Clause
"""Guests on other machines than a PC with PCI: what of a guest differs there, and the switch must not mind.

- microvm has no PCI: its card is on virtio-mmio, which has no MSI-X. QEMU has it in two forms: legacy, without VERSION_1
  and with rings given as page numbers, and modern.
- aarch64 and ppc64 order memory weakly, and Debian's ppc64 kernel has pages of 64 KiB. (An emulator on x86
  orders memory as x86 does: what is tested here is the layout, not the barriers.)
- s390x is big-endian: with VERSION_1 its driver turns everything round itself. (Its firmware has no VERSION_1 and needs
  the switch to do so; QEMU refuses to start that.)

Other architectures are slow to boot here: they run in `scripts/test --long`, which sets VUSWITCH_MACHINES=all.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, long_form, newest_qemu
from vulab.guest import Guest, Nic, boot_all, guest_image
from vulab.lab import Lab
from vulab.machine import MICROVM, MICROVM_LEGACY, PSERIES, S390X, VIRT, Machine
from vulab.net import Netns

HOST = "10.7.0.254"
# Of what follows ping's header: frames of 60 bytes (64 with the checksum of Ethernet), and so on to 1514.
SIZES = (18, 56, 214, 470, 982, 1472)
PINGS = 3


def foreign_qemu(machine: Machine) -> Path:
    """The QEMU of another machine; skips the test where it is not installed."""
    found = shutil.which(machine.qemu)
    if not found:
        pytest.skip(f"no {machine.qemu} here: `scripts/test --long` as root installs it")
    return Path(found)


def foreign_image(machine: Machine) -> Path:
    """Its guest image; skips the test where this machine's apt sources have none."""
    done = subprocess.run([ROOT / "scripts" / "guest-image", "--arch", machine.arch], capture_output=True,
                          text=True, timeout=400, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return guest_image(arch=machine.arch)


def page_size(guest: Guest) -> int:
    """In bytes, as the guest's kernel has it."""
    return 1024 * int(guest.run("sed -n 's/^KernelPageSize: *//p' /proc/self/smaps | head -n 1").split()[0])


def boot(lab: Lab, machines: dict[str, Machine], qemu: Path, image: Path) -> tuple[Netns, list[Guest]]:
    """The machines behind one switch, and the namespace with the host behind its tap."""
    switch, host = lab.switch_and_host(lab.vhost(*machines), f"{HOST}/24")
    guests = [lab.guest(name, qemu, image, Nic(lab.socket(name), f"52:54:00:00:07:0{number}"),
                        f"10.7.0.{number}/24", machine=machine, memory="256M")
              for number, (name, machine) in enumerate(machines.items(), 1)]
    boot_all(guests)
    switch.wait_link(*machines)
    return host, guests


def speaks(host: Netns, guest: Guest, others: list[Guest]) -> None:
    """Frames of every size from the guest to the host and to other guests, and from the host to it."""
    wanted = {size: PINGS for size in SIZES}
    for address in (HOST, *(other.ip for other in others)):
        guest.reach(address)
        got = guest.ping_singly(address, SIZES, PINGS)
        assert got == wanted, f"{guest.name} to {address}, answers by size: {got}"
    got = {size: sum(host.ping(guest.ip, 1, size, ("-W", "10")) for _ in range(PINGS))
           for size in SIZES}
    assert got == wanted, f"host to {guest.name}, answers by size: {got}"


@newest_qemu
def test_microvm(lab: Lab, qemu: Path, image: Path) -> None:
    """Two guests on virtio-mmio, legacy and modern: with each other, and each with the host."""
    host, guests = boot(lab, {"modern": MICROVM, "legacy": MICROVM_LEGACY}, qemu, image)
    for guest in guests:
        features = lab.switches[0].port(guest.name)["features"]
        assert ("VERSION_1" in features) == (guest.name == "modern"), features
        assert "/virtio-mmio" in guest.run("readlink -f /sys/class/net/eth0/device/../driver")
        print(f"{guest.name}: {' '.join(features)}")
        speaks(host, guest, [other for other in guests if other is not guest])


@pytest.mark.parametrize("machine", [VIRT, PSERIES, S390X], ids=lambda machine: machine.arch)
@long_form
def test_other_architecture(lab: Lab, machine: Machine) -> None:
    qemu = foreign_qemu(machine)
    host, (guest,) = boot(lab, {machine.arch: machine}, qemu, foreign_image(machine))
    features = lab.switches[0].port(guest.name)["features"]
    assert "VERSION_1" in features, features
    speaks(host, guest, [])
    print(f"{machine.arch}: {' '.join(features)}\n{machine.arch}: Linux {guest.run('uname -rm')}, pages of {page_size(guest)} bytes, "
          f"booted in {guest.boot_seconds:.0f} s")
