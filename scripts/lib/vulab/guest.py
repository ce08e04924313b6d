# SPDX-License-Identifier: BSD-3-Clause
"""A small Linux guest in QEMU whose network cards are vhost-user ports."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .machine import Q35, Machine
from .paths import ROOT, cache_folder
from .process import SLOW, LabError, Process, run, tail, wait_until
from .qmp import Qmp
from .shell import Shell

KERNEL_LINE = ("quiet panic=1 nokaslr tsc=reliable random.trust_cpu=on "
               "ipv6.disable=1")
# Every offload a driver may ask for, or be asked for, switched off at the card.
NO_OFFLOADS = ",".join(f"{word}=off" for word in (
    "csum", "gso", "host_tso4", "host_tso6", "host_ecn", "host_ufo",
    "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo"))
BOOT_SECONDS = 120


def qemu_binaries() -> list[Path]:
    """The QEMUs to test with: $VUSWITCH_QEMU (colons between), or all that are here."""
    named = os.environ.get("VUSWITCH_QEMU")
    if named:
        return [Path(word) for word in named.split(":") if word]
    found = [Path(word) for word in [shutil.which("qemu-system-x86_64")] if word]
    backport = cache_folder() / "qemu-backport" / "qemu"
    return found + ([backport] if backport.exists() else [])


def guest_image(*programs: str, arch: str = Q35.arch) -> Path:
    """The folder with vmlinuz and initrd, built if an input changed; with programs of this machine."""
    words = [word for program in programs for word in ("--with", program)]
    return Path(run([ROOT / "scripts" / "guest-image", *words, "--arch", arch], seconds=180).strip())


def qemu_version(qemu: Path) -> tuple[int, int]:
    found = re.search(r"version (\d+)\.(\d+)", run([qemu, "--version"]))
    if not found:
        raise LabError(f"{qemu}: does not tell its version")
    return int(found[1]), int(found[2])


def needs_line_interrupt(version: tuple[int, int], accel: str) -> bool:
    """Whether a vhost-user card needs vectors=0.

    Without KVM these QEMUs end with SIGSEGV when such a card starts with MSI-X: virtio-pci uses the
    irqfd of a vector that has none. A line interrupt serves as well.
    """
    return accel == "tcg" and version < (9, 1)


_accel: dict[Path, str] = {}


def accelerator(qemu: Path, image: Path) -> str:
    """`kvm` if this machine's KVM boots the guest's kernel, else `tcg`.

    /dev/kvm may be there and still not run a stock kernel, so a boot that powers off at once is
    tried. $VUSWITCH_ACCEL overrides.
    """
    named = os.environ.get("VUSWITCH_ACCEL")
    if named:
        return named
    if qemu not in _accel:
        _accel[qemu] = "tcg"
        if os.access("/dev/kvm", os.R_OK | os.W_OK):
            argv = [str(qemu), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                    "-machine", "q35", "-accel", "kvm", "-cpu", "max", "-m", "192M",
                    "-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"),
                    "-append", f"console={Q35.console} {KERNEL_LINE} vu.exit=1",
                    "-serial", "stdio"]
            try:
                done = subprocess.run(argv, timeout=10 * SLOW, capture_output=True,
                                      stdin=subprocess.DEVNULL, check=False)
                if done.returncode == 0 and b"vu.exit: ok" in done.stdout:
                    _accel[qemu] = "kvm"
            except (subprocess.TimeoutExpired, OSError):
                pass
    return _accel[qemu]


@dataclass
class Nic:
    """One virtio-net card. role is QEMU's: `client` connects to the switch, `server` listens."""

    socket: Path
    mac: str
    role: str = "client"
    queues: int = 1
    mtu: int | None = None
    options: str = ""
    boot_rom: bool = False  # with QEMU's own iPXE, for the firmware to boot from

    def arguments(self, index: int, version: tuple[int, int], accel: str,
                  bus: str = Q35.bus) -> list[str]:
        chardev = f"socket,id=vu{index},path={self.socket}"
        if self.role == "server":
            chardev += ",server=on,wait=off"
        elif version >= (9, 2):
            chardev += ",reconnect-ms=100"
        else:
            chardev += ",reconnect=1"
        device = (f"virtio-net-{bus},id=nic{index},netdev=n{index},mac={self.mac},"
                  "rx_queue_size=1024,tx_queue_size=1024")
        if bus == "pci" and not self.boot_rom:
            device += ",romfile="
        if self.queues > 1:
            device += ",mq=on"
        if bus == "pci" and needs_line_interrupt(version, accel):
            device += ",vectors=0"
        elif self.queues > 1:
            device += f",vectors={2 * self.queues + 2}"
        if self.mtu:
            device += f",host_mtu={self.mtu}"
        if self.options:
            device += f",{self.options}"
        return ["-chardev", chardev,
                "-netdev", f"vhost-user,id=n{index},chardev=vu{index},queues={self.queues}",
                "-device", device]


@dataclass
class Guest:
    """One virtual machine. start() and boot() begin it, stop() or kill() ends it.

    address is eth0's, with its prefix length; folder receives sockets and logs.
    """

    name: str
    nics: Sequence[Nic]
    address: str
    qemu: Path
    image: Path
    machine: Machine = Q35
    cpus: int = 1
    memory: str = "192M"
    hotplug: str = ""  # what may come: "slots=4,maxmem=2G"
    page: int = 0  # MiB of a page of its memory, if that is on hugetlbfs
    mtu: int | None = None
    ipv6: bool = False
    extra: Sequence[str] = ()
    prefix: Sequence[str] = ()  # before QEMU's command line: `ip netns exec NAME`
    kernel: str = ""  # more words for the kernel
    folder: Path | None = None
    process: Process | None = field(default=None, init=False)
    boot_id: str = field(default="", init=False)
    boot_seconds: float = field(default=0, init=False)
    uptime: float = field(default=0, init=False)  # the guest's own count, when it was ready
    _shell: Shell | None = field(default=None, init=False)
    _qmp: Qmp | None = field(default=None, init=False)
    _started: float = field(default=0, init=False)

    def start(self) -> None:
        """Starts QEMU and returns before the guest has booted; boot() waits for that."""
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix=f"vulab-{self.name}-"))
        for name in ("console.log", "shell.sock", "qmp.sock"):
            (self.folder / name).unlink(missing_ok=True)
        self._started = time.monotonic()
        self.process = Process(self.name, [*self.prefix, *self.arguments()], self.folder / "qemu.log")
        self._qmp = None
        self._connect(self.folder / "shell.sock")

    def boot(self, seconds: float = BOOT_SECONDS) -> None:
        """Waits until the guest's shell answers."""
        assert self._shell, f"{self.name} was not started"
        try:
            self.boot_id, self.uptime = self._shell.wait_ready(seconds)
        except LabError as error:
            raise LabError(f"{error}; its console:\n{self.console()}") from error
        self.boot_seconds = time.monotonic() - self._started

    def run(self, command: str, seconds: float = 60, check: bool = True) -> str:
        """Runs a command line in the guest; see Shell.run."""
        assert self._shell, f"{self.name} has not booted"
        return self._shell.run(command, seconds, check)

    @property
    def qmp(self) -> Qmp:
        assert self.folder and self.process
        if self._qmp is None:
            self._qmp = Qmp(self.folder / "qmp.sock")
        return self._qmp

    @property
    def ip(self) -> str:
        return self.address.split("/")[0]

    def ping(self, address: str, count: int = 3, size: int = 56, seconds: float = 20,
             options: str = "") -> int:
        """Pings and returns how many answers came.

        The interval costs no patience: it is after the last that ping waits for what is missing.
        """
        said = self.run(f"ping -c {count} -i 0.2 -s {size} -W 2 {options} {address}", seconds, check=False)
        found = re.search(r"(\d+) packets received", said)
        return int(found[1]) if found else 0

    def ping_singly(self, address: str, sizes: Sequence[int], count: int) -> dict[int, int]:
        """How many of so many pings are answered, by size. Each is a ping of its own: one that has had an answer waits a
        second for the next, which may be too little for a guest that is short of CPU.
        """
        said = self.run(f"for size in {' '.join(map(str, sizes))}; do "
                        f"got=0; for n in $(seq {count}); do ping -q -c 1 -W 10 -s $size {address} "
                        ">/dev/null && got=$((got + 1)); done; echo $got; done", 120)
        return dict(zip(sizes, map(int, said.split())))

    def reach(self, address: str, seconds: float = 15, pause: float = 0.05) -> None:
        """Waits until one ping is answered."""
        wait_until(lambda: self.ping(address, 1) == 1, seconds, f"{self.name} to reach {address}", pause)

    def _learn(self, peer: Guest) -> None:
        """Both know the other's address without ARP, which would give up a guest that is short of CPU for three
        seconds: that is not the loss that is looked for.
        """
        for one, other in ((self, peer), (peer, self)):
            one.run(f"arp -s {other.ip} {other.nics[0].mac}")

    def start_ping(self, peer: Guest, interval: float = 0.1) -> None:
        """Pings peer in the background, evenly, until stop_ping().

        A ping that is short of CPU drops answers itself, from its small socket buffer: where each
        loss counts, use start_watch().
        """
        self._learn(peer)
        self.run(f"ping -i {interval} -W 2 {peer.ip} >/tmp/ping.log & echo $! >/tmp/ping.pid")

    def stop_ping(self) -> tuple[int, list[int]]:
        """Ends start_ping(); returns how many were answered, and which were not.

        What was sent after the last one that was answered may still be under way and is left out.
        """
        # Counted in the guest: the log is long, and the serial port slow.
        said = self.run("kill $(cat /tmp/ping.pid); "
                        "sed -n 's/.*seq=\\([0-9]*\\) .*/\\1/p' /tmp/ping.log | awk '"
                        "{ seen[$1] = 1; n++; if ($1 + 0 > last) last = $1 + 0 } "
                        "END { print n + 0; for (i = 0; i < last; i++) if (!(i in seen)) print i }'",
                        60)
        numbers = [int(word) for word in said.split()]
        return numbers[0], numbers[1:]

    def ping_duplicates(self) -> int:
        """How many answers of the last start_ping() came more than once."""
        return int(self.run("sed -n 's/.*seq=\\([0-9]*\\) .*/\\1/p' /tmp/ping.log | sort | "
                            "uniq -d | wc -l", 60))

    def start_watch(self, peer: Guest) -> None:
        """Pings peer in the background, some ten times a second, until stop_watch().

        Each is a ping of its own that waits for its answer: one that goes on drops answers from its small socket
        buffer when it is short of CPU.
        """
        self._learn(peer)
        self.run("rm -f /tmp/ping.log; echo 0 >/tmp/ping.count; touch /tmp/ping.on; { n=0; lost=; "
                 "while [ -e /tmp/ping.on ]; do n=$((n + 1)); echo $n >/tmp/ping.count; "
                 f"ping -q -c 1 -W 10 {peer.ip} >/dev/null || lost=\"$lost $n\"; usleep 50000; "
                 "done; echo $n $lost >/tmp/ping.tmp; mv /tmp/ping.tmp /tmp/ping.log; } &")

    def stop_watch(self, least: int = 1) -> tuple[int, list[int]]:
        """Ends start_watch() when at least so many were sent; returns how many, and which were not answered."""
        said = self.run(f"until [ \"$(cat /tmp/ping.count)\" -ge {least} ] 2>/dev/null; do usleep 50000; done; "
                        "rm /tmp/ping.on; until [ -e /tmp/ping.log ]; do usleep 50000; done; "
                        "cat /tmp/ping.log", 60)
        numbers = [int(word) for word in said.split()]
        return numbers[0], numbers[1:]

    @contextlib.contextmanager
    def watching(self, peer: Guest, least: int = 1) -> Iterator[None]:
        """Meanwhile, and until it was at least so often, pings peer, as start_watch() does: all pings are answered."""
        self.start_watch(peer)
        yield
        sent, lost = self.stop_watch(least)
        assert sent >= least and not lost, f"{self.name} to {peer.name}: lost {lost} of {sent}"

    def send_file(self, peer: Guest, mib: int, seconds: float = 240,
                  address: str | None = None) -> float:
        """Sends random bytes to peer (or to another address of its) over TCP and compares checksums; returns MB/s."""
        wanted = self.run(f"[ -f /tmp/data.{mib} ] || {{ rm -f /tmp/data.*; dd if=/dev/urandom bs=1M count={mib} 2>/dev/null | "
                          f"tee /tmp/data.{mib} | md5sum >/tmp/data.{mib}.md5; }}; cat /tmp/data.{mib}.md5", 120)
        listens = "netstat -ltn 2>/dev/null | grep -q :5001"
        peer.run(f"killall -q nc; nc -l -p 5001 -e md5sum >/dev/null & for i in $(seq 30); do sleep 0.3; {listens} && break; done; "
                 f"{listens}")
        begin = time.monotonic()
        got = self.run(f"nc {address or peer.ip} 5001 </tmp/data.{mib}", seconds)
        took = time.monotonic() - begin
        if got != wanted:
            raise LabError(f"{self.name} sent {mib} MiB with md5 {wanted.split()[0]}, "
                           f"{peer.name} received {got or 'nothing'}")
        return mib * 1.048576 / took

    def reboot(self, seconds: float = BOOT_SECONDS, *, by_machine: bool = False) -> None:
        """Reboots from within, or by a reset of the machine, and waits for the shell of the new boot.

        A Linux that transmits while it reboots may spin for ever in virtnet_poll_cleantx(), since its queues are marked as broken
        before the device is reset (mended in Linux by 0d0eff39ceb3): where there is traffic, the machine does it.
        """
        assert self._shell
        before = self.boot_id
        self._started = time.monotonic()
        if by_machine:
            self.qmp.command("system_reset")
        else:
            self._shell.send("reboot -f")
        self.boot_id, _ = self._shell.wait_ready(seconds)
        self.boot_seconds = time.monotonic() - self._started
        if self.boot_id == before:
            raise LabError(f"{self.name}: the shell came back without a reboot")

    def must_run(self) -> None:
        assert self.process
        self.process.must_run()

    def console(self, lines: int = 15) -> str:
        """The end of what the guest's kernel said, and of what QEMU said."""
        assert self.folder
        return tail(self.folder / "console.log", lines) + "\n" + tail(self.folder / "qemu.log", 5)

    def kill(self) -> None:
        """kill -9, as a host that runs out of memory does it."""
        if self.process:
            self.process.kill()
        self._close()

    def stop(self) -> None:
        if self.process:
            self.process.stop()
        self._close()

    def _connect(self, path: Path) -> None:
        """To the shell's serial port, early: QEMU throws away what the guest says where no process listens."""
        def connected() -> Shell | None:
            self.must_run()
            try:
                return Shell(path, self.name, self.must_run)
            except (FileNotFoundError, ConnectionRefusedError):
                return None  # not there yet, or there and QEMU does not listen yet

        self._shell = wait_until(connected, 30, f"{self.name}: QEMU to listen on {path}")

    def _close(self) -> None:
        for each in (self._shell, self._qmp):
            if each:
                each.close()
        self._shell = self._qmp = None
        for nic in self.nics:
            if nic.role == "server":
                Path(nic.socket).unlink(missing_ok=True)

    def accelerated_by(self) -> str:
        return accelerator(self.qemu, self.image) if self.machine.native else "tcg"

    def kernel_line(self) -> str:
        """The guest kernel's command line."""
        accel = self.accelerated_by()
        line = KERNEL_LINE.replace("ipv6.disable=1", "") if self.ipv6 else KERNEL_LINE
        line += f" {self.machine.kernel_words(accel)} vu.ip={self.address}" + (f" vu.mtu={self.mtu}" if self.mtu else "")
        if self.kernel:
            line += f" {self.kernel}"
        if self.hotplug:
            # A DIMM brings the room for its page structs along; what boots may be small.
            line += " memhp_default_state=online memory_hotplug.memmap_on_memory=1"
        return line

    def arguments(self) -> list[str]:
        """QEMU's command line."""
        version = qemu_version(self.qemu)
        accel = self.accelerated_by()
        argv = [str(self.qemu), "-name", self.name, "-nodefaults", "-no-user-config",
                "-display", "none", *self.machine.arguments(),
                "-accel", "tcg,thread=multi" if accel == "tcg" else accel,
                "-smp", str(self.cpus),
                "-m", self.memory + (f",{self.hotplug}" if self.hotplug else ""),
                "-object", f"memory-backend-memfd,id=ram0,size={self.memory},share=on"
                + (f",hugetlb=on,hugetlbsize={self.page}M" if self.page else ""),
                "-kernel", str(self.image / "vmlinuz"), "-initrd", str(self.image / "initrd"),
                "-append", self.kernel_line(),
                "-serial", f"file:{self.folder}/console.log",
                # Named chardevs exist before the network cards, which may wait for the switch.
                "-chardev", f"socket,id=shell,path={self.folder}/shell.sock,server=on,wait=off",
                *self.machine.shell_port("shell"),
                "-chardev", f"socket,id=qmp,path={self.folder}/qmp.sock,server=on,wait=off",
                "-mon", "chardev=qmp,mode=control"]
        for index, nic in enumerate(self.nics):
            argv += nic.arguments(index, version, accel, self.machine.bus)
        return argv + list(self.extra)


def boot_all(guests: Sequence[Guest]) -> None:
    """Boots guests at the same time."""
    for guest in guests:
        guest.start()
    for guest in guests:
        guest.boot()


def reboot_all(guests: Iterable[Guest]) -> None:
    """Reboots guests at the same time, from within."""
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda guest: guest.reboot(), guests))
