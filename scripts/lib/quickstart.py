# SPDX-License-Identifier: BSD-3-Clause
"""The part of scripts/quickstart that follows the build: guests, traffic, rates, counters."""

from __future__ import annotations

import grp
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from show import Ticker, ends_well, step
from vulab.guest import (Guest, Nic, accelerator, boot_all, guest_image, needs_line_interrupt, qemu_binaries,
                         qemu_version)
from vulab.lab import Lab
from vulab.libvirt import LINE_INTERRUPT, XMLNS
from vulab.paths import program
from vulab.process import LabError, run, wait_until
from vulab.switch import Switch

TAP = "vuswitch0"
HOST = "198.18.0.254"  # of the range that is kept for benchmarks: in no network
TRANSFER_MIB = 64

ATTACH = """
It stays up. Another terminal shows what happens:

    {vusctl} --control {control} top

Your own VM joins at {vm3} (QEMU connects) or {vm4} (QEMU listens).
{who} Its memory must be shared. QEMU:

    -machine q35,memory-backend=ram0
    -object memory-backend-memfd,id=ram0,size=2G,share=on -m 2G
    -chardev socket,id=vu0,path={vm3},{reconnect}
    -netdev vhost-user,id=n0,chardev=vu0 -device virtio-net-pci,netdev=n0{line_interrupt}

  or, for the other role, with this chardev:

    -chardev socket,id=vu0,path={vm4},server=on

libvirt, once for the domain:

    <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>

  and one of these two cards:

    <interface type='vhostuser'>
      <source type='unix' path='{vm3}' mode='client'>
        <reconnect enabled='yes' timeout='1'/>
      </source>
      <model type='virtio'/>
    </interface>
    <interface type='vhostuser'>
      <source type='unix' path='{vm4}' mode='server'/>
      <model type='virtio'/>
    </interface>
{override}
Give it an address in 198.18.0.0/24; the host is {host}.
Ctrl-C ends everything.
"""
OVERRIDE = """
  and as the domain's last part, because there is no KVM here, and this QEMU's MSI-X needs it (its first line is then
  <domain type='qemu' xmlns:qemu='{xmlns}'>):
{line_interrupt}"""
GROUP = "kvm"  # on Debian the users of KVM are in it, and so is libvirt's QEMU


def own_socket(lab: Lab, name: str) -> Path:
    """Where one's own VM is to join."""
    return lab.folder / "own" / f"{name}.sock"


def group_there() -> bool:
    return any(one.gr_name == GROUP for one in grp.getgrall())


def own_ports(lab: Lab) -> list[str]:
    """Two ports for one's own VM. Their folder is one where its QEMU may make a socket, and the lab's
    own folder lets it through to there.
    """
    folder = own_socket(lab, "vm4").parent
    folder.mkdir()
    lab.folder.chmod(0o711)
    arguments = ["--vhost", f"vm3={own_socket(lab, 'vm3')}", "--vhost", f"vm4={own_socket(lab, 'vm4')},mode=client"]
    if group_there():
        shutil.chown(folder, group=GROUP)
        folder.chmod(0o2770)
        arguments[1] += f",socket-group={GROUP},socket-mode=0660"
    return arguments


def start_switch(lab: Lab, keep: bool) -> Switch:
    arguments = []
    for name in ("vm1", "vm2"):
        arguments += ["--vhost", f"{name}={lab.socket(name)}"]
    if keep:
        arguments += own_ports(lab)
    arguments += ["--ethdev", "host=net_tap0"]
    switch = lab.switch(arguments, ["--vdev", f"net_tap0,iface={TAP}"])
    if Path("/sys/class/net", TAP).exists():
        raise LabError(f"there is a {TAP} already: is another quickstart running? "
                       f"Else: ip link delete {TAP}")
    switch.start()
    wait_until(Path("/sys/class/net", TAP).exists, 10, f"the tap {TAP}")
    run(["ip", "address", "replace", f"{HOST}/24", "dev", TAP])
    run(["ip", "link", "set", TAP, "up"])
    return switch


def start_guests(lab: Lab) -> list[Guest]:
    binaries = qemu_binaries()
    if not binaries:
        raise LabError("no qemu-system-x86_64 here: run 'apt-get install qemu-system-x86'")
    qemu, image = binaries[0], guest_image()
    how = "KVM" if accelerator(qemu, image) == "kvm" else "no KVM here, so emulated"
    step("QEMU {}.{} ({}): two guests are booting".format(*qemu_version(qemu), how))
    guests = [lab.guest(f"vm{i}", qemu, image, Nic(lab.socket(f"vm{i}"), f"52:54:00:12:34:0{i}"),
                        f"198.18.0.{i}/24") for i in (1, 2)]
    with Ticker("booting"):
        boot_all(guests)
    return guests


def ping_all(first: Guest, second: Guest) -> None:
    for guest, what, address in ((first, "vm1 to vm2", second.ip), (second, "vm2 to vm1", first.ip),
                                 (first, "vm1 to host", HOST)):
        answers = guest.ping(address, 3)
        if answers != 3:
            raise LabError(f"ping {what}: {answers} of 3 answers")
        step(f"ping {what}: 3 of 3")
    said = run(["ping", "-n", "-c", "3", "-i", "0.3", "-W", "2", second.ip], 20, check=False)
    if " 3 received" not in said:
        raise LabError(f"ping host to vm2: {said.strip().splitlines()[-1]}")
    step("ping host to vm2: 3 of 3")


def transfer(first: Guest, second: Guest) -> None:
    rate = first.send_file(second, TRANSFER_MIB, seconds=240)
    step(f"TCP vm1 to vm2: {TRANSFER_MIB} MiB, checksum right, {rate:.1f} MB/s")


def show_rates(switch: Switch, first: Guest, second: Guest) -> None:
    """Three seconds of rates while the guests and the host ping each other fast."""
    step("rates while both guests ping fast (vusctl top):")
    for guest, address in ((first, second.ip), (second, HOST)):
        guest.run(f"(timeout 20 ping -q -i 0.002 {address} >/dev/null 2>&1 &)")
    time.sleep(1)
    subprocess.run([program("vusctl"), "--control", switch.control,
                    "top", "-n", "3"], timeout=30, check=False)
    for guest in (first, second):
        guest.run("killall -q ping", check=False)


def how_to_attach(lab: Lab, switch: Switch, guest: Guest) -> str:
    """What --keep prints."""
    version = qemu_version(guest.qemu)
    lines = needs_line_interrupt(version, accelerator(guest.qemu, guest.image))
    return ATTACH.format(
        vusctl=program("vusctl"), control=switch.control, host=HOST,
        vm3=own_socket(lab, "vm3"), vm4=own_socket(lab, "vm4"),
        who=f"QEMU must run as root or in group {GROUP}, as libvirt's does." if group_there() else "QEMU must run as root.",
        line_interrupt=",vectors=0  # no KVM here, and this QEMU's MSI-X needs it" if lines else "",
        override=OVERRIDE.format(xmlns=XMLNS, line_interrupt=textwrap.indent(LINE_INTERRUPT, "    ")) if lines else "",
        reconnect="reconnect-ms=100" if version >= (9, 2) else "reconnect=1")


def demonstrate(lab: Lab, keep: bool) -> None:
    switch = start_switch(lab, keep)
    step(f"vuswitch: up, with ports vm1, vm2 and {TAP} ({HOST}) on bridge br0")
    first, second = start_guests(lab)
    step(f"guests: up in {max(first.boot_seconds, second.boot_seconds):.0f} s, "
         f"{first.ip} and {second.ip}")
    switch.wait_link("vm1", "vm2", "host")
    ping_all(first, second)
    transfer(first, second)
    show_rates(switch, first, second)
    step("counters (vusctl ports):")
    print(run([program("vusctl"), "--control", switch.control, "ports"]),
          end="")
    switch.must_run()
    if not keep:
        status = switch.terminate()
        if status != 0:
            raise LabError(f"vuswitch ended with status {status}\n{switch.report()}")
    print("ok", flush=True)
    if keep:
        print(how_to_attach(lab, switch, first), flush=True)
        while True:
            time.sleep(1)
            switch.must_run()


def main() -> int:
    keep = "--keep" in sys.argv[1:]
    return ends_well(lambda lab: demonstrate(lab, keep), 0 if keep else 130)


if __name__ == "__main__":
    sys.exit(main())
