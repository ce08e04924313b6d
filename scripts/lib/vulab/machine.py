# SPDX-License-Identifier: BSD-3-Clause
"""The kinds of machine a guest can be, and what of QEMU's command line differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .host import tsc_hz


@dataclass(frozen=True)
class Machine:
    """One of QEMU's machines, with the Debian that runs on it.

    console and shell are the ports as the guest's kernel calls them: what it says goes to the first,
    the second belongs to the harness.
    """

    name: str = "q35"
    arch: str = "amd64"  # as Debian calls it
    qemu: str = "qemu-system-x86_64"
    cpu: str = "max"  # empty: the machine's own
    options: Sequence[str] = ()
    console: str = "ttyS0,115200"
    shell: str = "ttyS1"
    bus: str = "pci"  # where virtio devices are: `pci`, `ccw`, or `device` for virtio-mmio
    memory: str = "memory-backend=ram0"  # which object all memory is; empty: `options` say it

    @property
    def native(self) -> bool:
        """Whether this machine's own KVM could run it."""
        return self.arch == "amd64"

    def arguments(self) -> list[str]:
        """QEMU's arguments for the machine and its CPU."""
        return ["-machine", ",".join(filter(None, (self.name, self.memory))),
                *(["-cpu", self.cpu] if self.cpu else []), *self.options]

    def kernel_words(self, accel: str) -> str:
        """Words for the kernel."""
        words = f"console={self.console} vu.shell={self.shell}"
        if self.name == "microvm" and accel == "tcg":
            # Its ACPI has no timer to measure the counter with, and without KVM there is no clock that needs none.
            # An emulated guest reads this machine's counter as its own.
            words += f" tsc_early_khz={int(tsc_hz() / 1000) or 2_000_000}"
        return words

    def shell_port(self, chardev: str) -> list[str]:
        """QEMU's arguments for the port of the shell."""
        if self.shell == "hvc0":  # a machine with one serial port: the other is virtio's
            return ["-device", f"virtio-serial-{self.bus}",
                    "-device", f"virtconsole,chardev={chardev}"]
        return ["-serial", f"chardev:{chardev}"]


Q35 = Machine()
# Two NUMA nodes with a CPU each, and 256 MiB each: ram0 and another object. Both together are said with `-m`.
TWO_NODES = Machine(memory="", options=(
    "-object", "memory-backend-memfd,id=ram1,size=256M,share=on",
    "-numa", "node,nodeid=0,cpus=0,memdev=ram0", "-numa", "node,nodeid=1,cpus=1,memdev=ram1"))
# No PCI and so no MSI-X. virtio-mmio before its version 2 gives the rings as page numbers, 2 as addresses.
MICROVM = Machine("microvm", shell="hvc0", bus="device",
                  options=("-global", "virtio-mmio.force-legacy=false"))
MICROVM_LEGACY = Machine("microvm", shell="hvc0", bus="device",
                         options=("-global", "virtio-mmio.force-legacy=true"))
# Weakly ordered, as x86 is not.
VIRT = Machine("virt", "arm64", "qemu-system-aarch64", "cortex-a57", console="ttyAMA0",
               shell="hvc0")
# Weakly ordered as well, with pages of 64 KiB: rings and buffers lie otherwise in memory. Its memory comes in
# pieces of 256 MiB.
PSERIES = Machine("pseries", "ppc64el", "qemu-system-ppc64", "", console="hvc0", shell="hvc1")
# Big-endian: what virtio calls little-endian is turned round by the driver. No PCI either.
S390X = Machine("s390-ccw-virtio", "s390x", "qemu-system-s390x", console="ttysclp0", shell="hvc0",
                bus="ccw")
