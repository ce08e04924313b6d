# SPDX-License-Identifier: BSD-3-Clause
"""Debian's libvirt, private to one test, and domains whose card is the one that a text shows."""

from __future__ import annotations

import re
import shutil
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from .guest import Guest, Nic, accelerator, needs_line_interrupt, qemu_version
from .process import LabError, Process, run, tail, wait_until

QEMU_USER = "libvirt-qemu"  # whom Debian's libvirt runs QEMU as
QEMU = Path("/usr/bin/qemu-system-x86_64")  # what libvirt finds by itself
XMLNS = "http://libvirt.org/schemas/domain/qemu/1.0"
ET.register_namespace("qemu", XMLNS)

# What a domain needs where needs_line_interrupt() says so; net0 is what libvirt calls its first card.
LINE_INTERRUPT = """
<qemu:override>
  <qemu:device alias='net0'>
    <qemu:frontend><qemu:property name='vectors' type='unsigned' value='0'/></qemu:frontend>
  </qemu:device>
</qemu:override>
"""
# What Debian ships in /etc/libvirt are comments: libvirt is built with its settings. These keep it off
# the machine: it would make control groups that outlive it, and where there is AppArmor write a profile
# for each domain into /etc. A socket's rights, which the kernel checks by user and group, stay the same.
SETTINGS = """cgroup_controllers = [ ]
security_driver = "none"
"""
# Run as process 1 of namespaces of its own. Nothing of what libvirt has on the machine is seen there, such
# as domains that start by themselves; nor is /run, with the D-Bus through which services would hear of ours.
# libvirtd asks every emulator it finds what it can, a second for each, so it finds one.
BEGIN = """
umask 022
cd "$1" && mkdir etc run run/libvirt lib log cache && printf '%s' "$2" >etc/qemu.conf || exit
mount --bind etc /etc/libvirt && mount --bind lib /var/lib/libvirt && mount --bind log /var/log/libvirt &&
	mount --bind cache /var/cache/libvirt && mount --bind run /run || exit
umount -l -a -t hugetlbfs
for other in /usr/bin/qemu-system-*; do
	[ "$other" -ef /usr/bin/qemu-system-x86_64 ] || mount --bind /dev/null "$other" || exit
done
virtlogd &
libvirtd &
wait $!
"""


def elements(text: str, tag: str) -> list[ET.Element]:
    """The elements of that name that a text shows."""
    return [ET.fromstring(f"<text xmlns:qemu='{XMLNS}'>{one}</text>")[0]
            for one in re.findall(rf"(?s)<{tag}[ >].*?</{tag}>", text)]


def role_of(card: ET.Element) -> str:
    """libvirt's role at the socket: `client` connects to the switch, `server` listens."""
    source = card.find("source")
    return source.get("mode", "") if source is not None else ""


def cards(text: str) -> dict[str, ET.Element]:
    """What a text shows for a domain: `memoryBacking`, the cards of the roles `client` and `server`,
    and `override`, where it has one.
    """
    shown = {role_of(card): card for card in elements(text, "interface")}
    for name, tag in (("memoryBacking", "memoryBacking"), ("override", "qemu:override")):
        shown.update((name, one) for one in elements(text, tag))
    return shown


def _element(tag: str, text: str = "", **attributes: str) -> ET.Element:
    made = ET.Element(tag, attributes)
    made.text = text or None
    return made


class Libvirtd:
    """libvirtd and virtlogd as Debian ships them, beside whatever libvirt the machine runs itself.

    Files, sockets and PID files lie in `folder`, which QEMU's user must be able to reach. The end of
    the process namespace is the end of every domain.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._socket = folder / "run" / "libvirt" / "libvirt-sock"
        if not shutil.which("libvirtd") or not shutil.which("virsh"):
            raise LabError("no libvirtd here: run 'apt-get install libvirt-daemon-system libvirt-clients'")
        folder.mkdir()
        folder.chmod(0o755)
        self.process = Process(
            "libvirtd", ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
                         "--mount-proc", "sh", "-c", BEGIN, "sh", folder, SETTINGS],
            folder / "libvirtd.log")
        wait_until(self._answers, 60, f"libvirtd to answer at {self._socket}", 0.2)

    def _answers(self) -> bool:
        self.must_run()
        if not self._socket.exists():
            return False
        try:
            return "QEMU" in self.virsh("version")
        except LabError:
            return False

    def virsh(self, *words: str | Path, seconds: float = 30) -> str:
        """Runs virsh, and gives up after that many seconds."""
        return run(["virsh", "--quiet", "--connect", f"qemu:///system?socket={self._socket}", *words],
                   seconds)

    def must_run(self) -> None:
        self.process.must_run()

    def stop(self) -> None:
        """Ends it and every domain, and returns when they are gone."""
        if not self.process.running:
            return
        first = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        if first.strip():
            # The kernel ends the namespace's other processes before it tells unshare.
            run(["kill", "-KILL", first.strip()], check=False)
            self.process.wait(10)
        else:
            self.process.kill()


class Domain(Guest):
    """A guest that libvirt runs. `shown` is cards() of the text whose card of that role it has.

    The card is used as it is written, but for its path, where `socket` is given.
    """

    def __init__(self, libvirtd: Libvirtd, name: str, shown: dict[str, ET.Element], role: str,
                 address: str, image: Path, folder: Path, socket: Path | None = None) -> None:
        self.libvirtd, self.shown, self.role = libvirtd, shown, role
        self.card = shown[role]
        source, mac = self.card.find("source"), self.card.find("mac")
        assert source is not None
        if socket:
            source.set("path", str(socket))
        nic = Nic(Path(source.get("path", "")), mac.get("address", "") if mac is not None else "", role)
        super().__init__(name, [nic], address, QEMU, image, hotplug="slots=4,maxmem=1G", folder=folder)
        folder.mkdir()
        folder.chmod(0o755)
        for file in ("vmlinuz", "initrd"):
            shutil.copy(image / file, folder / file)  # the image lies where only root gets
        self.image = image
        self.process = libvirtd.process  # of which this is a part
        self._saved = folder / "saved"

    def virsh(self, command: str, *words: str | Path, seconds: float = 30) -> str:
        """A command of virsh about this domain."""
        return self.libvirtd.virsh(command, self.name, *words, seconds=seconds)

    def define(self) -> None:
        file = self._file("domain.xml")
        file.write_text(self.xml())
        self.libvirtd.virsh("define", file)

    def start(self, seconds: float = 20) -> None:
        """Starts it, and raises LabError with QEMU's words where that does not work, or hangs."""
        self._started = time.monotonic()
        try:
            self.virsh("start", seconds=seconds)
        except LabError as error:
            raise LabError(f"{error}\n{self.console()}") from error
        self._attach()

    def save(self) -> None:
        self.virsh("save", self._saved, seconds=60)
        self._detach()

    def restore(self) -> None:
        self.libvirtd.virsh("restore", self._saved, seconds=60)
        self._attach()

    def managed_save(self) -> None:
        self.virsh("managedsave", seconds=60)
        self._detach()

    def destroy(self) -> None:
        self.virsh("destroy")
        self._detach()

    def attach_dimm(self, name: str, mib: int = 128) -> None:
        dimm = _element("memory", model="dimm")
        target = ET.SubElement(dimm, "target")
        target.append(_element("size", str(mib), unit="MiB"))
        target.append(_element("node", "0"))
        dimm.append(_element("alias", name=f"ua-{name}"))
        file = self._file("dimm.xml")
        file.write_text(ET.tostring(dimm, encoding="unicode"))
        self.virsh("attach-device", file, "--live")

    def detach_dimm(self, name: str, seconds: float = 30) -> None:
        """Asks the guest to give it back until it has; one that is busy says no at first."""
        asked = 0.0

        def gone() -> bool:
            nonlocal asked
            if time.monotonic() > asked + 5:
                asked = time.monotonic()
                try:
                    self.virsh("detach-device-alias", f"ua-{name}", "--live")
                except LabError:
                    pass  # asked already, or gone meanwhile
            return f"ua-{name}" not in self.virsh("dumpxml")

        wait_until(gone, seconds, f"{self.name} to give back {name}", 0.2)

    def must_run(self) -> None:
        self.libvirtd.must_run()
        if self.virsh("domstate").strip() != "running":
            raise LabError(f"{self.name} is {self.virsh('domstate').strip()}:\n{self.console()}")

    def console(self, lines: int = 15) -> str:
        return tail(self._file("console.log"), lines) + "\n" + self.log_lines(5)

    def log_lines(self, lines: int) -> str:
        """The end of what libvirt and QEMU wrote about it."""
        return tail(self.libvirtd.folder / "log" / "qemu" / f"{self.name}.log", lines)

    def stop(self) -> None:
        """Ends it, if it runs, and forgets it."""
        self._detach()
        for command in ("destroy", "undefine"):
            try:
                self.virsh(command, seconds=10)
            except LabError:
                pass

    kill = stop

    def xml(self) -> str:
        """The domain: small, and without anything that the card and the harness do not need."""
        words = self.kernel_line()
        accel = accelerator(self.qemu, self.image)
        domain = _element("domain", type="kvm" if accel == "kvm" else "qemu")
        domain.append(_element("name", self.name))
        domain.append(_element("maxMemory", "1024", slots="4", unit="MiB"))
        domain.append(_element("memory", self.memory[:-1], unit="MiB"))
        domain.append(_element("vcpu", str(self.cpus)))
        domain.append(self.shown["memoryBacking"])
        system = ET.SubElement(domain, "os")
        system.append(_element("type", "hvm", arch="x86_64", machine="q35"))
        for tag, value in (("kernel", self._file("vmlinuz")), ("initrd", self._file("initrd")), ("cmdline", words)):
            system.append(_element(tag, str(value)))
        ET.SubElement(ET.SubElement(domain, "features"), "acpi")
        # A domain whose memory is to grow has NUMA cells.
        numa = ET.SubElement(ET.SubElement(domain, "cpu", mode="maximum"), "numa")
        numa.append(_element("cell", id="0", cpus=f"0-{self.cpus - 1}", memory=self.memory[:-1], unit="MiB"))
        devices = ET.SubElement(domain, "devices")
        devices.append(self.card)
        console, shell = (ET.SubElement(devices, "serial", type=kind) for kind in ("file", "unix"))
        console.append(_element("source", path=str(self._file("console.log"))))
        shell.append(_element("source", mode="bind", path=str(self._file("shell.sock"))))
        shell.append(_element("target", port="1"))
        devices.append(_element("controller", type="usb", model="none"))
        devices.append(_element("memballoon", model="none"))
        override = self.shown.get("override")
        if override is None and needs_line_interrupt(qemu_version(self.qemu), accel):
            override = cards(LINE_INTERRUPT)["override"]
        if override is not None:
            domain.append(override)
        return ET.tostring(domain, encoding="unicode")

    def _file(self, name: str) -> Path:
        assert self.folder
        return self.folder / name

    def _attach(self) -> None:
        """To the shell of a domain that runs."""
        self._connect(self._file("shell.sock"))

    def _detach(self) -> None:
        if self._shell:
            self._shell.close()
        self._shell = None
