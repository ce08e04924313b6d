# SPDX-License-Identifier: BSD-3-Clause
"""The hooks of config/hooks, called as libvirt and Proxmox VE call them, at a real switch."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

from vulab.lab import Lab
from vulab.paths import build_folder

HOOKS = ROOT / "config" / "hooks"
Hook = Callable[[str], subprocess.CompletedProcess[str]]


def interface(path: Path, mode: str) -> str:
    return f"<interface type='vhostuser'><source type='unix' path='{path}' mode='{mode}'/><model type='virtio'/></interface>"


def call(lab: Lab, argv: list[str | Path], stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{build_folder()}/app/vusctl:{lab.folder}:{os.environ['PATH']}", "VUSWITCH_PORTS": str(lab.folder / "ports.d"),
                   "RUNTIME_DIRECTORY": str(lab.folder / "vuswitch.run")}
    return subprocess.run(argv, input=stdin, env=environment, capture_output=True, text=True, timeout=60, check=False)


def libvirt(lab: Lab, option: str) -> Hook:
    runtime = lab.folder / "vuswitch.run"
    domain = f"""<domain type='kvm'><name>d</name>
        <metadata><v:ports xmlns:v='urn:vuswitch:ports'><v:port name='vm2' bridge='lan' {option}/></v:ports></metadata>
        <devices><interface type='network'><source network='default'/></interface>
        {interface(runtime / 'file.sock', 'client')}{interface(runtime / 'vm2.sock', 'client')}
        {interface(runtime / 'vm3.sock', 'server')}{interface(Path('/run/openvswitch/other.sock'), 'client')}</devices></domain>"""
    phases = {"before": ["prepare", "begin", "-"], "while": ["started", "begin", "-"], "after": ["release", "end", "shutdown"]}
    return lambda phase: call(lab, [HOOKS / "libvirt-qemu", "d", *phases[phase]], domain)


def proxmox(lab: Lab, option: str) -> Hook:
    runtime = lab.folder / "vuswitch.run"
    ends = " ".join(f"-chardev socket,id=c{i},path={runtime}/{name}.sock,reconnect=1"
                    for i, name in enumerate(("file", "vm2", "vm3")))
    (lab.folder / "qm").write_text(f"#!/bin/sh\n[ \"$*\" = 'config 101' ] && echo 'name: x' && echo 'args: -m 64 {ends} -nodefaults'\n")
    (lab.folder / "qm").chmod(0o755)
    (lab.folder / "ports.d").mkdir()
    (lab.folder / "ports.d" / "vm2").write_text(f"bridge=lan {option}\n".replace("'", ""))
    phases = {"before": "pre-start", "while": "post-start", "after": "post-stop"}
    return lambda phase: call(lab, [HOOKS / "proxmox", "101", phases[phase]])


@pytest.mark.parametrize("make", [libvirt, proxmox])
def test_ports_of_a_machine(lab: Lab, make: Callable[[Lab, str], Hook]) -> None:
    runtime = lab.folder / "vuswitch.run"
    switch = lab.switch(["--vhost", f"file={runtime}/file.sock"], eal=["-m", "64"])
    switch.start()
    switch.vusctl("bridge", "add", "lan")
    hook = make(lab, "queues='2'")

    def ports() -> dict[str, str]:
        return {port["name"]: port["bridge"] for port in switch.vusctl("ports")["ports"]}

    for _ in range(2):  # again is the same
        done = hook("before")
        assert done.returncode == 0, done.stderr
        assert ports() == {"file": "br0", "vm2": "lan", "vm3": "br0"}
    assert str(switch.vusctl("port", "vm2")["port"]["options"]["queues"]) == "2"
    assert switch.vusctl("port", "vm3")["port"]["options"]["mode"] == ("client" if make is libvirt else "server")
    assert hook("while").returncode == 0 and len(ports()) == 3
    for _ in range(2):
        done = hook("after")
        assert done.returncode == 0, done.stderr
        assert ports() == {"file": "br0"}


@pytest.mark.parametrize("make", [libvirt, proxmox])
def test_what_keeps_a_machine_from_starting(lab: Lab, make: Callable[[Lab, str], Hook]) -> None:
    switch = lab.switch(lab.vhost("vm1"), eal=["-m", "64"])
    switch.start()
    switch.vusctl("bridge", "add", "lan")
    done = make(lab, "queues='1000'")("before")
    assert done.returncode != 0 and "queues" in done.stderr, done
    assert "vm2" not in [port["name"] for port in switch.vusctl("ports")["ports"]]
