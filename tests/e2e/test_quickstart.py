# SPDX-License-Identifier: BSD-3-Clause
"""scripts/quickstart as a newcomer runs it, on a machine that has the packages and the build."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from conftest import ROOT
from vulab.guest import Nic, boot_all, qemu_binaries
from vulab.lab import Lab
from vulab.libvirt import Domain, Libvirtd, cards
from vulab.paths import build_folder
from vulab.process import Process, tail, wait_until

TAP = Path("/sys/class/net/vuswitch0")
HOST = "198.18.0.254"


@pytest.fixture
def no_tap() -> None:
    if TAP.exists():
        pytest.skip(f"{TAP.name} exists: another quickstart is running on this machine")


def quickstart(lab: Lab, *options: str) -> Process:
    return Process("quickstart", [ROOT / "scripts" / "quickstart", *options],
                   lab.folder / "quickstart.log", env={"VUSWITCH_BUILD": str(build_folder())})


def children_of(pid: int) -> set[int]:
    """All processes below one."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            below.setdefault(int(words[1]), []).append(int(entry.name))
    found: set[int] = set()
    todo = [pid]
    while todo:
        for child in below.get(todo.pop(), []):
            found.add(child)
            todo.append(child)
    return found


def libvirt_starts(lab: Lab, said: str, image: Path) -> None:
    """Domains with the printed cards, exactly as printed."""
    lab.folder.chmod(0o711)
    libvirtd = Libvirtd(lab.folder / "libvirt")
    lab.keep(libvirtd)
    domains = [Domain(libvirtd, f"{role}-vm", cards(said), role, address, image, lab.folder / role)
               for role, address in (("client", "198.18.0.5/24"), ("server", "198.18.0.6/24"))]
    lab.guests.extend(domains)
    for domain in domains:
        domain.define()
        domain.start()
    for domain in domains:
        domain.boot()
        domain.reach(HOST, 20)
        domain.stop()


@pytest.mark.usefixtures("no_tap")
def test_kept_quickstart_takes_ones_own_vm(lab: Lab, image: Path) -> None:
    """--keep: all steps, ok, and the printed sockets take a further VM in both roles, of QEMU and of
    libvirt, whose QEMU is not root.
    """
    script = quickstart(lab, "--keep")

    def ready() -> bool:
        script.must_run()
        return "Ctrl-C ends everything" in script.log.read_text(errors="replace")

    wait_until(ready, 280, f"quickstart to be ready; so far:\n{tail(script.log)}", 0.5)
    said = script.log.read_text(errors="replace")
    assert re.search(r"^ok$", said, re.MULTILINE), said
    assert "checksum right" in said and "MB/s" in said
    for name, role, address in (("vm3", "client", "198.18.0.3"), ("vm4", "server", "198.18.0.4")):
        found = re.search(rf"path=(\S+/{name}\.sock),", said)
        assert found, said
        socket = Path(found[1])
        nic = Nic(socket, f"52:54:00:12:34:1{name[-1]}", role=role)
        guest = lab.guest(name, qemu_binaries()[0], image, nic, f"{address}/24")
        boot_all([guest])
        guest.reach(HOST, 20)
        guest.stop()
    libvirt_starts(lab, said, image)
    below = children_of(script.pid)
    assert len(below) >= 3, "where are the switch and two guests?"
    script.signal(signal.SIGINT)
    assert script.wait(20) == 0, tail(script.log)
    left = [pid for pid in below if os.path.exists(f"/proc/{pid}")]
    assert not left and not TAP.exists() and not socket.parent.exists()


@pytest.mark.usefixtures("no_tap")
def test_interrupted_quickstart_leaves_nothing(lab: Lab) -> None:
    script = quickstart(lab)
    wait_until(lambda: "booting" in script.log.read_text(errors="replace"), 120,
               "quickstart to boot its guests")
    below = children_of(script.pid)
    script.signal(signal.SIGINT)
    assert script.wait(20) == 130, tail(script.log)
    left = [pid for pid in below if os.path.exists(f"/proc/{pid}")]
    assert not left and not TAP.exists(), tail(script.log)


def test_hotplug_ends_by_itself(lab: Lab) -> None:
    """The VM gains and loses memory, the table tells of it, and nothing is left."""
    before = set(os.listdir("/run/netns")) if Path("/run/netns").exists() else set()
    script = quickstart(lab, "--hotplug", "--slots", "12")
    assert script.wait(120) == 0, script.log.read_text(errors="replace")
    said = script.log.read_text(errors="replace")
    assert re.search(r"^ +\d+ s  full +1\.6 GiB +12 ", said, re.MULTILINE), said
    assert re.search(r"^ +\d+ s  done +704 MiB +5 ", said, re.MULTILINE), said
    assert re.search(r" s  \d{3,} pings, 0 lost;", said), said
    assert said.endswith("\nok\n"), said
    assert set(os.listdir("/run/netns")) <= before


def test_unknown_option_is_an_error(lab: Lab) -> None:
    script = quickstart(lab, "--kepe")
    assert script.wait(10) == 1
    assert "unknown option --kepe" in tail(script.log, 1)
