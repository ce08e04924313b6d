# SPDX-License-Identifier: BSD-3-Clause
"""Two domains of Debian's libvirt, QEMU under its own user, one in each mode of the switch.

The cards are those of config/libvirt-interface.xml, the ports those of config/vuswitch.yaml, with other paths; the
sockets get their rights as docs/guests.md says. $VUSWITCH_LIBVIRT_ROUNDS runs each test that often (default 1).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import ROOT, open_lab
from vulab.guest import boot_all, reboot_all
from vulab.lab import Lab
from vulab.libvirt import QEMU_USER, Domain, Libvirtd, cards
from vulab.memory import DIMM_MIB, online_as
from vulab.net import Netns
from vulab.process import run, wait_until
from vulab.switch import Switch

ROUNDS = max(1, int(os.environ.get("VUSWITCH_LIBVIRT_ROUNDS", "1")))
HOST = "10.7.0.254"
GROUP = "kvm"  # of libvirt's QEMU
DOCUMENTED = {"vm1": "/run/vuswitch/vm1.sock", "vm2": "/run/vm/vm2.sock"}
MODES = ["server", "client"]  # of the switch: its ports are vm1 and vm2


class Pair:
    """A switch as documented, the host on a tap of it, and a domain at each of its VM ports."""

    def __init__(self, lab: Lab, image: Path) -> None:
        self.lab, self.image = lab, image
        # QEMU's user has to get to what lies in it.
        lab.folder.chmod(0o711)
        # The switch makes the folder of its sockets; the other is made for QEMU's, as documented.
        self.sockets = {name: lab.folder / path[1:] for name, path in DOCUMENTED.items()}
        above = self.sockets["vm1"].parent.parent
        above.mkdir()
        above.chmod(0o755)
        run(["install", "-d", "-o", QEMU_USER, "-g", GROUP, "-m", "2750", self.sockets["vm2"].parent])
        self.libvirtd = Libvirtd(lab.folder / "libvirt")
        lab.keep(self.libvirtd)
        self.switch, self.host = self._switch()
        self.domains = {"server": self._domain("vm1", "client", "10.7.0.1/24"),
                        "client": self._domain("vm2", "server", "10.7.0.2/24")}
        boot_all(list(self.domains.values()))
        for domain in self.domains.values():
            self.reaches(domain)

    def _switch(self) -> tuple[Switch, Netns]:
        config = self.lab.folder / "vuswitch.yaml"
        text = (ROOT / "config" / "vuswitch.yaml").read_text()
        for name, path in DOCUMENTED.items():
            assert f"socket: {path}" in text
            text = text.replace(path, str(self.sockets[name]))
        config.write_text(text)
        return self.lab.switch_and_host(
            ["--config", str(config), "--socket-group", GROUP, "--socket-mode", "0660"], f"{HOST}/24")

    def start_switch_again(self) -> None:
        self.switch.start()
        self.host.wait_device("vut0")
        self.host.address("vut0", f"{HOST}/24")

    def _domain(self, name: str, role: str, address: str) -> Domain:
        domain = Domain(self.libvirtd, name, cards((ROOT / "config" / "libvirt-interface.xml").read_text()), role,
                        address, self.image, self.lab.folder / name, self.sockets[name])
        self.lab.guests.append(domain)
        domain.define()
        return domain

    def reaches(self, domain: Domain) -> None:
        """The host the domain, and the domain the host."""
        self.switch.wait_link(domain.name)
        self.host.reach(domain.ip, 20)
        assert domain.ping(HOST, 2) == 2


@pytest.fixture(scope="module")
def pair(image: Path) -> Iterator[Pair]:
    for lab in open_lab():
        yield Pair(lab, image)


@pytest.fixture(params=MODES)
def domain(request: pytest.FixtureRequest, pair: Pair) -> Domain:
    """The one at the port in server mode, then the one at the port in client mode."""
    return pair.domains[request.param]


rounds = pytest.mark.parametrize("_round", range(ROUNDS))


def test_qemu_is_an_ordinary_user(pair: Pair) -> None:
    """QEMU runs as libvirt-qemu, and only it and the switch have a right to a socket."""
    assert rights(pair.sockets["vm1"]) == ("root", GROUP, 0o660)
    assert rights(pair.sockets["vm1"].parent) == ("root", GROUP, 0o750)
    assert rights(pair.sockets["vm2"])[:2] == (QEMU_USER, GROUP)
    # A vuswitch that is not root, but in the group, may connect to what QEMU has made.
    run(["setpriv", "--reuid=nobody", "--regid=nogroup", f"--groups={GROUP}", "test", "-w", pair.sockets["vm2"]])


def rights(path: Path) -> tuple[str, str, int]:
    return path.owner(), path.group(), stat.S_IMODE(path.stat().st_mode)


@rounds
def test_dimm_comes_and_goes(pair: Pair, domain: Domain, _round: int) -> None:
    slots = pair.switch.port(domain.name)["slots_used"]
    online_as(domain, "online_movable")
    before = memory_mib(domain)
    domain.attach_dimm("dimm1", DIMM_MIB)
    assert pair.switch.port(domain.name)["slots_used"] == slots + 1
    wait_until(lambda: memory_mib(domain) > before + DIMM_MIB / 2, 20, f"{domain.name} to use its DIMM", 0.2)
    pair.reaches(domain)
    domain.detach_dimm("dimm1")
    wait_until(lambda: pair.switch.port(domain.name)["slots_used"] == slots, 10, "the slot to be free")
    pair.reaches(domain)


def memory_mib(domain: Domain) -> float:
    return int(domain.run("awk '/MemTotal/ { print $2 }' /proc/meminfo")) / 1024


@rounds
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_switch_restarts_under_them(pair: Pair, how: str, _round: int) -> None:
    """Both come back by themselves: no command is given."""
    domains = list(pair.domains.values())
    boots = [boot_id(domain) for domain in domains]
    if how == "SIGKILL":
        pair.switch.kill()
    else:
        assert pair.switch.terminate() == 0
    pair.start_switch_again()
    for domain in domains:
        pair.reaches(domain)
    assert [boot_id(domain) for domain in domains] == boots


def boot_id(domain: Domain) -> str:
    return domain.run("cat /proc/sys/kernel/random/boot_id")


@rounds
@pytest.mark.parametrize(("save", "restore"), [(Domain.save, Domain.restore), (Domain.managed_save, Domain.start)],
                         ids=["save", "managedsave"])
def test_saved_and_restored(pair: Pair, domain: Domain, save: Callable[[Domain], None],
                            restore: Callable[[Domain], None], _round: int) -> None:
    """`virsh start` goes on where `virsh managedsave` stopped, too."""
    boot = boot_id(domain)
    save(domain)
    pair.switch.wait_link(domain.name, up=False)
    restore(domain)
    pair.reaches(domain)
    assert boot_id(domain) == boot


@rounds
def test_rebooted(pair: Pair, _round: int) -> None:
    reboot_all(pair.domains.values())
    for domain in pair.domains.values():
        pair.reaches(domain)


def starts_when_allowed(domain: Domain, socket: Path) -> None:
    """`virsh start` waits while QEMU may not connect, and goes on when it may; QEMU's log says why."""
    mode = stat.S_IMODE(socket.stat().st_mode)
    socket.chmod(0o600)
    with ThreadPoolExecutor() as threads:
        started = threads.submit(domain.start, 60)
        try:
            wait_until(lambda: "Permission denied" in domain.log_lines(5), 20, "QEMU to be refused")
            assert not started.done()
        finally:
            socket.chmod(mode)
        started.result()


@rounds
def test_destroyed_and_started_again(pair: Pair, _round: int) -> None:
    for domain in pair.domains.values():
        domain.destroy()
    pair.switch.wait_link("vm1", "vm2", up=False)
    starts_when_allowed(pair.domains["server"], pair.sockets["vm1"])
    pair.domains["client"].start()
    for domain in pair.domains.values():
        domain.boot()
        pair.reaches(domain)
