# SPDX-License-Identifier: BSD-3-Clause
"""Firmware that boots from the network, and the server it boots from."""

from __future__ import annotations

import re
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .guest import Nic, accelerator, qemu_version
from .machine import Machine
from .net import Netns
from .process import LabError, Process, tail, wait_until

# Without graphics SeaBIOS, and so iPXE, speaks on the serial port.
MACHINE = Machine("q35,graphics=off")
OVMF = Path("/usr/share/OVMF")
SNPONLY = Path("/usr/lib/ipxe/snponly.efi")
# The script is as long as some hundred of its packets, and its last lines are what counts.
PADDING = ("# " + "x" * 61 + "\n") * 4096
SCRIPT = """\
#!ipxe
{padding}echo {token} ${{net0/ip}} ${{net0/chip}}
:wait
imgfetch tftp://{server}/${{net0/mac:hexhyp}}.go && goto done ||
sleep 1
goto wait
:done
reboot
"""


class BootServer:
    """dnsmasq on a device of a namespace: DHCP with the name of a file, and TFTP.

    UEFI gets iPXE as a program, which then asks again as iPXE, and iPXE gets a script. It prints the token, the
    guest's address and the driver, waits until release() of its card, and reboots.
    """

    def __init__(self, netns: Netns, device: str, network: str, folder: Path) -> None:
        """network is the first three numbers of an IPv4 network: `10.6.0`."""
        self.address = f"{network}.254"
        self.token = secrets.token_hex(16)
        self.log = folder / "dnsmasq.log"
        self.root = folder / "tftp"
        self.root.mkdir()
        self.script("boot.ipxe", SCRIPT.format(padding=PADDING, token=self.token, server=self.address))
        shutil.copy(SNPONLY, self.root)
        netns.address(device, f"{self.address}/24")
        # iPXE asks for an IPv6 router as well, and without an answer takes sixteen seconds to believe that there is none.
        netns.run("sysctl", "-q", "-w", f"net.ipv6.conf.{device}.disable_ipv6=0")
        netns.run("ip", "address", "add", "fd00:6::1/64", "dev", device, "nodad")
        self.process = Process("dnsmasq", [
            *netns.prefix, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root",
            "--pid-file=", f"--dhcp-leasefile={folder}/leases", f"--interface={device}",
            "--bind-interfaces", f"--dhcp-range={network}.10,{network}.99,255.255.255.0,1h",
            "--enable-ra", "--dhcp-range=fd00:6::,ra-only",
            "--enable-tftp", f"--tftp-root={self.root}", "--dhcp-userclass=set:ipxe,iPXE",
            "--dhcp-boot=tag:ipxe,boot.ipxe", "--dhcp-boot=tag:!ipxe,snponly.efi"], self.log)

    def stop(self) -> None:
        self.process.stop()

    def script(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def release(self, mac: str) -> None:
        """Lets the script of that card go on."""
        self.script(f"{mac.replace(':', '-')}.go", "#!ipxe\n")

    def leased(self, mac: str) -> str:
        """The address that card was given; empty if none was."""
        found = re.findall(rf"DHCPACK\(\S+\) (\S+) {mac}", self.said())
        return str(found[-1]) if found else ""

    def sent(self, name: str, address: str) -> bool:
        """Whether that file has gone to that address, whole."""
        return f"sent {self.root / name} to {address}\n" in self.said()

    def said(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class FirmwareGuest:
    """A virtual machine without a disk: its firmware boots from its card. It ends when it reboots."""

    name: str
    nic: Nic
    qemu: Path
    image: Path
    folder: Path
    uefi: bool = False
    process: Process | None = field(default=None, init=False)

    def start(self) -> None:
        self.folder.mkdir()
        self.process = Process(self.name, self.arguments(), self.folder / "qemu.log")

    def stop(self) -> None:
        if self.process:
            self.process.stop()

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        """Waits until the serial console has said something."""
        process = self.process
        assert process
        console = self.folder / "console.log"

        def said() -> re.Match[str] | None:
            text = console.read_text(errors="replace") if console.exists() else ""
            found = re.search(pattern, text)
            if not found:
                process.must_run()
            return found

        try:
            return wait_until(said, seconds, f"{self.name} to say `{pattern}`")
        except LabError as error:
            raise LabError(f"{error}; its console:\n{tail(console, 25)}") from error

    def wait_end(self, seconds: float) -> int:
        assert self.process
        return self.process.wait(seconds)

    def arguments(self) -> list[str]:
        """QEMU's command line."""
        accel = accelerator(self.qemu, self.image)
        argv = [str(self.qemu), "-name", self.name, "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot", *MACHINE.arguments(),
                "-accel", "tcg,thread=multi" if accel == "tcg" else accel, "-m", "192M",
                "-object", "memory-backend-memfd,id=ram0,size=192M,share=on",
                "-serial", f"file:{self.folder}/console.log", "-serial", "null"]
        if self.uefi:
            variables = self.folder / "vars.fd"
            shutil.copy(OVMF / "OVMF_VARS_4M.fd", variables)
            argv += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
                     "-drive", f"if=pflash,unit=1,format=raw,file={variables}"]
        return argv + self.nic.arguments(0, qemu_version(self.qemu), accel)
