# SPDX-License-Identifier: BSD-3-Clause
"""What keeps vuswitch and vusctl from working is said in one line that names it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from vulab.lab import Lab
from vulab.paths import program
from vulab.process import Process, wait_until

EAL = ("--lcores", "0@0,1@0", "--no-pci", "-m", "64")
AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def refused(lab: Lab, *arguments: str, eal: Sequence[str] = EAL, prefix: Sequence[str] = ()) -> list[str]:
    """The lines of a vuswitch that does not start, but for those about huge pages and that it ends."""
    runtime = lab.folder / "refused.run"
    runtime.mkdir(exist_ok=True)
    done = subprocess.run([*prefix, str(program("vuswitch")), *eal, "--", *arguments],
                          env={**os.environ, "RUNTIME_DIRECTORY": str(runtime)}, text=True, capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == 1 and done.stdout == ""
    known = ("free in huge pages", "bridge for", "calls on what front ends gave", "error: ends, because 1 of its ports")
    return [line for line in done.stderr.splitlines() if not any(words in line for words in known)]


def without(capability: str) -> list[str]:
    return ["setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}"]


@pytest.mark.parametrize(("eal", "words"), [
    (("--nosuch",), "unrecognized option '--nosuch'; options before `--` are EAL's"),
    (("--config", "x"), "vuswitch's own go behind it"),
    (("-l", f"0-{os.cpu_count()}"), "please check specified cores are part of 0-"),
    (("-m", "999999999", "--no-huge"), "-m 999999999 is more than this machine has"),
    (("-m1000000",), "-m 1000000 is more than this machine has"),
])
def test_eal_in_one_line(lab: Lab, eal: Sequence[str], words: str) -> None:
    """DPDK prints its usage, a hundred lines, and not always the reason."""
    (line,) = refused(lab, "--vhost", f"vm1={lab.folder}/vm1.sock", eal=eal)
    assert line.startswith("vuswitch: EAL did not start: ") and words in line


@pytest.mark.parametrize(("eal", "words"), [
    (("--vhost", "vm1=/tmp/vm1.sock"), "--vhost stands before `--`"),
    (("-l", "0", "--config=x"), "--config stands before `--`"),
    (("-l", "0"), "give --config FILE, or --vhost NAME=SOCKET for each VM"),
])
def test_options_on_the_wrong_side(lab: Lab, eal: Sequence[str], words: str) -> None:
    """Behind `--` nothing is left, and the line says where it went."""
    (line,) = refused(lab, "--control", f"{lab.folder}/c.sock", eal=eal)
    assert line.startswith("vuswitch: there is nothing to switch: ") and words in line


def test_a_port_at_the_control_socket(lab: Lab) -> None:
    """It was said that another process listens there."""
    config = lab.folder / "control.yaml"
    config.write_text(f"ports:\n- {{name: vm1, type: vhost-user, socket: {lab.folder}/./c.sock}}\n")
    for arguments, where in (("--config", str(config)), f"{config}:2"), (("--vhost", f"vm1={lab.folder}/c.sock"), "--vhost"):
        (line,) = refused(lab, *arguments, "--control", f"{lab.folder}/c.sock")
        assert line.startswith(f"vuswitch: {where}") and "is the control socket" in line


def test_eal_says_everything_if_asked(lab: Lab) -> None:
    lines = subprocess.run([str(program("vuswitch")), "--nosuch", "--log-level=*:info",
                            "--", "--vhost", f"vm1={lab.folder}/vm1.sock"], text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60, check=False).stdout.splitlines()
    assert "Usage: vuswitch [options]" in lines
    shown = subprocess.run([str(program("vuswitch")), "-h", "--", "--vhost",
                            f"vm1={lab.folder}/vm1.sock"], text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60, check=False).stdout
    assert "Usage: vuswitch [options]" in shown and "--huge-dir" in shown


@pytest.mark.parametrize(("device", "prefix", "words"), [
    ("net_tap0,iface=a234567890123456", (), "iface=a234567890123456 has 16 characters"),
    ("net_tap0,iface=vuno", without("net_admin"), "this process may not make a tap; start it as root, or give it"),
    ("net_af_packet0,iface=lo", without("net_raw"), "this process may not open packet sockets"),
    ("net_af_packet0,iface=vunosuch", (), "the kernel has no interface vunosuch here"),
    ("lo", (), "lo is an interface of the kernel; use net_af_packet0,iface=lo"),
    ("0000:ff:1f.7", (), "--no-pci"),
])
def test_devices(lab: Lab, device: str, prefix: Sequence[str], words: str) -> None:
    """Each of these ended in advice about vfio-pci."""
    (line,) = refused(lab, "--ethdev", f"up0={device}", prefix=prefix)
    assert words in line and "vfio-pci (dpdk-devbind" not in line


def test_a_pci_address(lab: Lab) -> None:
    """Without --no-pci: there is no such NIC."""
    (line,) = refused(lab, "--ethdev", "up0=0000:ff:1f.7", eal=EAL[:2] + EAL[3:])
    assert "this machine has no PCI device of that address" in line


class Listener:
    """A listener at a path that closes after some seconds: as a killed process does."""

    def __init__(self, path: Path, seconds: float) -> None:
        path.parent.mkdir(exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(64)
        self.timer = threading.Timer(seconds, self.socket.close)
        self.timer.start()

    def close(self) -> None:
        self.timer.cancel()
        self.socket.close()


def test_right_after_a_kill(lab: Lab) -> None:
    """The sockets of a process that was killed look alive for a moment; those of a live one still do after a second."""
    switch = lab.switch(lab.vhost("vm1"), ["-m", "64"])
    dying = [Listener(switch.control, 0.4), Listener(lab.folder / "vm1.sock", 0.6)]
    try:
        switch.start()
        assert set(switch.ports()) == {"vm1"}
        again = refused(lab, "--vhost", f"vm2={lab.folder}/vm2.sock", "--control", str(switch.control))
        assert "another vuswitch answers here" in again[-1]
        again = refused(lab, "--vhost", f"vm1={lab.folder}/vm1.sock")
        assert "another process listens on" in again[-1]
    finally:
        for listener in dying:
            listener.close()


def vusctl(control: Path, *prefix: str) -> str:
    """The line of a vusctl that does not get through: a copy of it, which any user may run."""
    copy = control.parents[1] / "vusctl"
    if not copy.exists():
        shutil.copy(program("vusctl"), copy)
    done = subprocess.run([*prefix, str(copy), "--control", str(control), "ports"], text=True, capture_output=True,
                          timeout=20, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


def test_vusctl_without_rights(lab: Lab) -> None:
    """Who may not open the socket, and who finds none, get different advice."""
    folder = lab.folder / "ctl"
    control = folder / "control.sock"
    assert "there is no such socket; start it" in vusctl(control)
    listener = Listener(control, 60)
    try:
        os.chmod(lab.folder, 0o711)
        os.chmod(folder, 0o755)
        os.chown(control, 0, 1)
        os.chmod(control, 0o660)
        line = vusctl(control, *AS_NOBODY)
        assert f"may not write to {control} (needs w; it is root:daemon 0660)" in line
        assert "user nobody" in line
        assert "join group daemon (usermod -aG daemon nobody, and log in again), or use sudo" in line
        os.chown(control, 0, 0)
        assert vusctl(control, *AS_NOBODY).endswith("(needs w; it is root:root 0660); use sudo")
        os.chown(folder, 0, 1)
        os.chmod(folder, 0o750)
        line = vusctl(control, *AS_NOBODY)
        assert f"may not search {folder} (needs x; it is root:daemon 0750)" in line
        assert "join group daemon" in line
    finally:
        listener.close()
    assert "the one that made it has ended; start it" in vusctl(control)


def test_relative_paths_of_the_command_line(lab: Lab) -> None:
    """Two switches with a c.sock each, in folders of their own, have DPDK files of their own, too."""
    vuswitch = str(program("vuswitch"))
    for name in ("one", "two"):
        folder = lab.folder / name
        folder.mkdir()
        process = Process(name, ["env", "-C", folder, vuswitch, *EAL, "--", "--control", "c.sock", "--vhost", "vm1=vm1.sock"],
                          lab.folder / f"{name}.log", env={"RUNTIME_DIRECTORY": str(lab.folder)})
        lab.keep(process)
        process.wait_for(re.escape(f"vusctl --control {folder}/c.sock"), 30)
        assert (folder / "vm1.sock").is_socket()
    assert len(list((lab.folder / "dpdk").iterdir())) == 2


def test_check_without_eal(lab: Lab) -> None:
    """What is wrong in itself is refused, with its line; what may still come is a warning."""
    vuswitch = str(program("vuswitch"))

    def check(*arguments: str, stdin: str = "") -> tuple[int, str]:
        done = subprocess.run(["bash", "-c", f'exec "$0" --check "$@" {stdin}', vuswitch, *arguments], text=True,
                              capture_output=True, timeout=20, cwd=lab.folder, check=False)
        return done.returncode, done.stderr

    config = lab.folder / "check.yaml"
    config.write_text("ports:\n- name: vm1\n  type: vhost-user\n  socket: vm1.sock\n")
    assert check("--config", str(config)) == (
        1, f"vuswitch: {config}:4: port vm1: socket \"vm1.sock\" is not a path from the root; write it whole, as in "
           "/run/vuswitch/vm1.sock\n")
    assert check("--vhost", "vm1=vm1.sock") == (0, "")
    status, said = check("--vhost", f"vm1={lab.folder}/no/such/vm1.sock", "--ethdev", "up0=net_af_packet0,iface=vunosuch")
    assert status == 0 and said.count("warning: port ") == 2
    assert check("--vhost", f"vm1={config}") == (
        0, f"warning: port vm1: {config} exists and is not a socket; remove it, or choose another path\n")
    assert check("--vhost", f"vm1={config},mode=client") == (0, "")
    config.write_text("ports: []\n")
    assert check("--config", "/dev/stdin", stdin=f"<{config}") == (0, "")
    status, said = check("--config", "/dev/stdin", stdin="< <(echo 'ports: []')")
    assert status == 1 and "this is a pipe" in said
    assert check("--config", "/dev/null")[1] == (
        "vuswitch: /dev/null:1: there is nothing in this file; to have no ports, write \"ports: []\"\n")
    assert check("--vhost", "a\nb=/tmp/x")[1].count("\n") == 1


def test_a_reload_does_not_wait(lab: Lab) -> None:
    """A FIFO in the place of the file would stop the control thread at SIGHUP."""
    config = lab.folder / "reload.yaml"
    config.write_text(f"ports: [{{name: vm1, type: vhost-user, socket: {lab.folder}/vm1.sock}}]\n")
    switch = lab.switch(["--config", str(config)], ["-m", "64"])
    switch.start()
    config.unlink()
    os.mkfifo(config)
    switch.reload()
    wait_until(lambda: "this is a pipe" in switch.log.read_text(), 10, "a word about the pipe")
    assert set(switch.ports()) == {"vm1"}


def test_what_is_given_twice_or_is_misspelt() -> None:
    def said(name: str, *arguments: str) -> str:
        done = subprocess.run([str(program(name)), *arguments], text=True, capture_output=True, timeout=20, check=False)
        assert done.returncode == 1
        return done.stderr

    assert "--config is given twice, as /a and /b" in said("vuswitch", "--check", "--config", "/a", "--config", "/b")
    assert "did you mean isolated?" in said("vuswitch", "--check", "--ethdev", "up0=net_tap0,iface=tapx,isolatd=on")
    assert "--vhots is not an option of vuswitch; did you mean --vhost?; see --help" in said("vuswitch", "--check", "--vhots", "a=/a")
    assert "did you mean" not in said("vuswitch", "--check", "--nonsense")
    for words, wanted in {
        "porst": '"porst" is not known; there are ports, ',  # port or ports
        "prots": '"prots" is not known; did you mean ports?; see --help',
        "filter tset arp x": '"filter" is not known; did you mean filter test?',
        "port sett vm1 queues=2": '"vm1" is one word too many; did you mean port set?',
        "macs flush lan": "no vuswitch is at",
        "ports all": '"all" is one word too many; see --help',
        "ports --nmaes": "--nmaes is not an option; did you mean --names?",
        "ports -q": "-q is not an option; see --help",
    }.items():
        assert wanted in said("vusctl", "-c", "/none", *words.split()), words


def test_a_tap_that_ignored_its_arguments(lab: Lab) -> None:
    """DPDK's tap takes none of them if one is unknown to it, and makes an interface of another name."""
    switch = lab.switch(["--ethdev", "up0=net_tap0,iface=vuign0,bogus=1"], ["-m", "64"])
    switch.start()
    assert "device net_tap0 is there, but no interface vuign0" in switch.log.read_text()
