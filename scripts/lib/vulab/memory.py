# SPDX-License-Identifier: BSD-3-Clause
"""Memory that a running guest gains and loses: DIMMs and virtio-mem."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from .guest import Guest
from .process import SLOW, LabError, wait_until

DIMM_MIB = 128  # what Linux adds and removes on x86: one block of memory
HOTPLUG_BASE = 1 << 32  # where q35 puts what is plugged, if the guest began with little
ONLINE = "/sys/devices/system/memory/auto_online_blocks"


def online_as(guest: Guest, how: str) -> None:
    """What becomes of memory that is plugged from now on.

    `online`: the kernel's; packet buffers lie in such memory, by preference, and it cannot be
    removed again. `online_movable`: programs' only, and removable.
    """
    guest.run(f"echo {how} >{ONLINE}")


def receive_buffers(guest: Guest) -> list[int]:
    """Where the guest's first card has the switch put the frames it receives: the guest-physical
    addresses in the descriptors of its first receive ring, read while it runs.
    """
    # Not x-query-virtio-queue-status: of a vhost device that stops the ring.
    ring = guest.qmp.command("x-query-virtio-vhost-queue-status",
                             path="/machine/peripheral/nic0/virtio-backend", queue=0)
    said = guest.qmp.command("human-monitor-command", **{
        "command-line": f"xp /{2 * ring['num']}xg {ring['desc-phys']:#x}"})
    words = [int(word, 16) for line in said.splitlines() for word in line.split(":", 1)[1].split()]
    return [address for address in words[0::2] if address]


def plugged_buffers(guest: Guest) -> tuple[int, int]:
    """How many receive buffers lie in memory that was plugged, and how many there are."""
    every = receive_buffers(guest)
    return sum(address >= HOTPLUG_BASE for address in every), len(every)


class Dimms:
    """The DIMMs of a guest; it needs `slots` and `maxmem`."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.plugged: list[int] = []
        self._serial = 0

    def plug(self) -> None:
        """One more. Raises LabError with QEMU's words where QEMU refuses."""
        number = self._serial
        backend: dict[str, Any] = {"qom-type": "memory-backend-memfd", "id": f"mem{number}",
                                   "size": DIMM_MIB << 20, "share": True}
        self.guest.qmp.command("object-add", **backend)
        try:
            self.guest.qmp.command("device_add", driver="pc-dimm", id=f"dimm{number}",
                                   memdev=f"mem{number}")
        except LabError:
            self.guest.qmp.command("object-del", id=f"mem{number}")
            raise
        self._serial += 1
        self.plugged.append(number)

    def online(self) -> int:
        """How many of them the guest uses, as it reported to QEMU (ACPI 6.3.5, _OST: 1 is a device that
        came, status 0 a success).
        """
        said = self.guest.qmp.command("query-acpi-ospm-status")
        return sum("device" in one and one["source"] == 1 and one["status"] == 0 for one in said)

    def ask_back(self, number: int) -> None:
        """Asks the guest to give a DIMM back; collect() sees whether it did."""
        with contextlib.suppress(LabError):  # asked already
            self.guest.qmp.command("device_del", id=f"dimm{number}")

    def collect(self) -> None:
        """Frees the memory of the DIMMs that the guest has given back."""
        there = {device["data"]["id"] for device in
                 self.guest.qmp.command("query-memory-devices")}
        for number in [one for one in self.plugged if f"dimm{one}" not in there]:
            self.guest.qmp.command("object-del", id=f"mem{number}")
            self.plugged.remove(number)

    def unplug(self, numbers: list[int], seconds: float = 60) -> None:
        """Takes these back, all at once, and again those that were not given back at first."""
        end = time.monotonic() + seconds * SLOW
        asked = 0.0
        while left := [number for number in numbers if number in self.plugged]:
            if time.monotonic() > end:
                raise LabError(f"{self.guest.name}: keeps {len(left)} of {len(numbers)} DIMMs")
            if time.monotonic() > asked + 5:
                for number in left:
                    self.ask_back(number)
                asked = time.monotonic()
            time.sleep(0.1)
            self.collect()


class VirtioMem:
    """A virtio-mem device. options() is for the guest's command line, resize() for its life.

    dynamic: with a memory slot for each GiB that is in use, which QEMU can from 8.2 on.
    """

    def __init__(self, name: str, size: str, dynamic: bool, huge: bool = False) -> None:
        self.name, self.huge = name, huge
        self._size, self._dynamic = size, dynamic

    def options(self) -> list[str]:
        pages = ",hugetlb=on,hugetlbsize=2M" if self.huge else ""
        slots = ",dynamic-memslots=on" if self._dynamic else ""
        return ["-object", f"memory-backend-memfd,id={self.name}-ram,size={self._size},share=on,"
                f"reserve=off{pages}",
                "-device", f"virtio-mem-pci,id={self.name},memdev={self.name}-ram,"
                f"requested-size=0{slots}"]

    def resize(self, guest: Guest, mib: int, seconds: float = 60) -> None:
        """Asks for a size and waits until the guest has it."""
        path = f"/machine/peripheral/{self.name}"
        guest.qmp.command("qom-set", path=path, property="requested-size", value=mib << 20)
        wait_until(lambda: bool(guest.qmp.command("qom-get", path=path, property="size")
                                == mib << 20), seconds, f"{self.name} to be {mib} MiB", 0.1)
