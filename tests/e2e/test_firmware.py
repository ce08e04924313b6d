# SPDX-License-Identifier: BSD-3-Clause
"""Machines without a disk, whose firmware boots from a DHCP and TFTP server behind the switch's tap.

A firmware's driver is not like an operating system's:

- It polls. It switches interrupts off in the avail ring and has no EVENT_IDX; how long it does not look at its rings is
  up to whatever else the firmware is busy with.
- It agrees on no offload, so what the host's stack left unfinished (checksums of UDP) is finished by the switch.
- It has no mergeable buffers: a frame has to fit in one, and the header before VERSION_1 has 10 bytes and not 12. The
  header lies in a descriptor of its own, and iPXE shares one header among all its receive buffers.
- It posts few buffers, whatever size the ring has: iPXE 8, OVMF's VirtioNetDxe 64.
- It resets the device and begins anew several times in one boot, over the same connection: OVMF hands over to
  iPXE, and firmware to the system it has loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ALL_MACHINES, long_form, newest_qemu
from vulab.firmware import BootServer, FirmwareGuest
from vulab.guest import KERNEL_LINE, Nic
from vulab.lab import Lab
from vulab.net import Netns
from vulab.process import wait_until
from vulab.switch import Switch

NETWORK = "10.6.0"
BOOT_SECONDS = 120


@dataclass(frozen=True)
class Kind:
    """A firmware, and the form of its card. driver is what drives it, in iPXE's words."""

    name: str
    uefi: bool
    legacy: bool
    driver: str


KINDS = (Kind("ipxe", False, False, "virtio-net"), Kind("ipxe-legacy", False, True, "virtio-net"),
         Kind("ovmf", True, False, "SNP"), Kind("ovmf-legacy", True, True, "SNP"))


def boot_site(lab: Lab, kinds: Sequence[Kind]) -> tuple[Netns, Switch, BootServer]:
    """A switch with a port for each, and the server behind its tap."""
    switch, host = lab.switch_and_host(lab.vhost(*(kind.name for kind in kinds)))
    server = BootServer(host, "vut0", NETWORK, lab.folder)
    lab.keep(server)
    return host, switch, server


def firmware_guest(lab: Lab, kind: Kind, number: int, qemu: Path, image: Path) -> FirmwareGuest:
    """A started machine. UEFI drives the card itself: without a ROM there is no other driver."""
    form = "disable-modern=on" if kind.legacy else "disable-legacy=on"
    nic = Nic(lab.socket(kind.name), f"52:54:00:00:06:0{number}", options=f"{form},bootindex=1",
              boot_rom=not kind.uefi)
    guest = FirmwareGuest(kind.name, nic, qemu, image, lab.folder / kind.name, kind.uefi)
    lab.keep(guest)
    guest.start()
    return guest


@newest_qemu
def test_network_boot(lab: Lab, qemu: Path, image: Path) -> None:
    """All at once: each gets an address and a file over its port, and runs what it got."""
    # A firmware that polls keeps a CPU busy: every run has one of each kind and of each form.
    kinds = KINDS if ALL_MACHINES else KINDS[1:3]
    _, switch, server = boot_site(lab, kinds)
    guests = [firmware_guest(lab, kind, number, qemu, image)
              for number, kind in enumerate(kinds, 1)]
    for kind, guest in zip(kinds, guests):
        said = guest.wait_for(rf"{server.token} (\S+) (\S+)\s", BOOT_SECONDS)
        address = server.leased(guest.nic.mac)
        assert said[1] == address and said[2] == kind.driver, f"{kind.name}: {said[0]}"
        assert server.sent("boot.ipxe", address), f"{kind.name}:\n{server.said()}"
        assert server.sent("snponly.efi", address) == kind.uefi, f"{kind.name}:\n{server.said()}"
        port = switch.port(kind.name)
        agreed = set(port["features"])
        assert ("VERSION_1" in agreed) != kind.legacy, f"{kind.name}: {agreed}"
        assert not agreed & {"EVENT_IDX", "MRG_RXBUF", "CSUM", "GUEST_CSUM"}, f"{kind.name}: {agreed}"
        print(f"{kind.name}: {', '.join(sorted(agreed))}; from it {port['rx_ok']}, to it {port['tx_ok']}")
        server.release(guest.nic.mac)
    for kind, guest in zip(kinds, guests):
        assert guest.wait_end(30) == 0, kind.name
        switch.wait_link(kind.name, up=False)


@long_form
@pytest.mark.parametrize("kind", [KINDS[0], KINDS[3]], ids=lambda kind: kind.name)
def test_linux_from_the_network(lab: Lab, qemu: Path, image: Path, kind: Kind) -> None:
    """iPXE loads 17 MB over TFTP and starts Linux, whose driver takes the card over."""
    host, switch, server = boot_site(lab, [kind])
    for name in ("vmlinuz", "initrd"):
        (server.root / name).symlink_to(image / name)
    server.script("boot.ipxe", f"""\
#!ipxe
kernel tftp://{server.address}/vmlinuz initrd=initrd console=ttyS0 {KERNEL_LINE} vu.ip={NETWORK}.200/24
initrd tftp://{server.address}/initrd
boot
""")
    guest = firmware_guest(lab, kind, 1, qemu, image)
    wait_until(lambda: server.sent("initrd", server.leased(guest.nic.mac)), BOOT_SECONDS,
               "the kernel and its initrd to be loaded")
    host.reach(f"{NETWORK}.200", BOOT_SECONDS)
    assert sum(host.ping(f"{NETWORK}.200", 1, 1472, ("-W", "10")) for _ in range(5)) == 5
    assert "EVENT_IDX" in switch.port(kind.name)["features"], "still the firmware's driver"
