# SPDX-License-Identifier: BSD-3-Clause
"""An Open vSwitch with its DPDK datapath, private: a folder of its own for sockets and files; no system service is touched."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from .process import LabError, Process, connect, run, tail, wait_until

DAEMONS = ("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", "ovs-vswitchd")
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


def daemon() -> str:
    """An ovs-vswitchd that was built with DPDK; empty if there is none."""
    for name in DAEMONS:
        path = shutil.which(name)
        if path and SCHEMA.exists() and "DPDK" in run([path, "--version"]):
            return path
    return ""


def missing() -> str:
    """Why it cannot run here, and the mend; empty: it can."""
    if not daemon():
        return "no Open vSwitch with DPDK: apt-get install openvswitch-switch-dpdk (Debian starts it as a service, too)"
    if os.geteuid() != 0:
        return "Open vSwitch needs root (tap devices, a network namespace)"
    return ""


def plain_daemon() -> str:
    """Any ovs-vswitchd: its ports are dummies, which need neither DPDK nor root. Empty if there is none."""
    for name in ("ovs-vswitchd", "/usr/lib/openvswitch-switch/ovs-vswitchd", *DAEMONS):
        path = shutil.which(name)
        if path and SCHEMA.exists():
            return path
    return ""


class Ovs:
    """ovsdb-server and ovs-vswitchd, and what they are asked. settings: of its other_config; prefix: before ovs-vswitchd's
    command line, for its bridges are taps.
    """

    def __init__(self, folder: Path, settings: dict[str, str], prefix: Sequence[str] = ()) -> None:
        self._check()
        self.folder = folder
        self.version = run([self._daemon(), "--version"]).split()[3]
        self.processes: list[Process] = []
        try:
            self._start(settings, prefix)
        except BaseException:
            self.stop()
            raise

    def _check(self) -> None:
        if missing():
            raise LabError(missing())

    def _daemon(self) -> str:
        return daemon()

    def _start_daemon(self, server: Path, prefix: Sequence[str]) -> None:
        self._run("ovs-vswitchd", [*prefix, daemon(), f"unix:{server}", f"--unixctl={self.folder}/vswitchd.ctl"])
        self.processes[-1].wait_for("DPDK Enabled - initialized", 20)

    def _start(self, settings: dict[str, str], prefix: Sequence[str]) -> None:
        run(["ovsdb-tool", "create", self.folder / "ovs.db", SCHEMA])
        server = self.folder / "ovs.sock"
        self._run("ovsdb-server", ["ovsdb-server", str(self.folder / "ovs.db"), f"--remote=punix:{server}",
                                   f"--unixctl={self.folder}/ovsdb.ctl"])
        wait_until(server.exists, 20, "ovsdb-server to listen")
        self.vsctl("--no-wait", "init", *(word for key, value in settings.items()
                                          for word in ("--", "set", "Open_vSwitch", ".", f"other_config:{key}={value}")))
        self._start_daemon(server, prefix)

    def _run(self, name: str, argv: list[str]) -> None:
        self.processes.append(Process(
            name, argv, self.folder / f"{name}.log",
            env={f"OVS_{kind}DIR": str(self.folder) for kind in ("RUN", "LOG", "DB")}))

    def vsctl(self, *words: str) -> str:
        """ovs-vsctl, which waits until the daemon has done it."""
        try:
            return run(["ovs-vsctl", f"--db=unix:{self.folder}/ovs.sock", "--timeout=30", *words], 40)
        except LabError as error:
            raise LabError(f"{error}\n{tail(self.folder / 'ovs-vswitchd.log')}") from error

    def appctl(self, *words: str) -> str:
        """ovs-appctl."""
        return run(["ovs-appctl", "-t", f"{self.folder}/vswitchd.ctl", "--timeout=5", *words], 10)

    def ofctl(self, command: str, bridge: str, *words: str) -> str:
        """ovs-ofctl. Ports have their names."""
        return run(["ovs-ofctl", "--names", "--strict", command, f"unix:{self.folder}/{bridge}.mgmt", *words], 10)

    def add_bridge(self, name: str, sockets: dict[str, Path], mtu: int = 1500) -> None:
        """A bridge with a vhost-user port for each socket, which QEMU makes."""
        ports: list[str] = []
        for port, socket in sockets.items():
            ports += ["--", "add-port", name, port, "--", "set", "Interface", port, "type=dpdkvhostuserclient",
                      f"options:vhost-server-path={socket}", f"mtu_request={mtu}"]
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", *ports)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()
        self.processes = []


class DummyOvs(Ovs):
    """One whose ports are dummies: each is given frames by give(), and writes what it sends into a file."""

    def _check(self) -> None:
        if not plain_daemon():
            raise LabError("no Open vSwitch: apt-get install openvswitch-switch (Debian starts it as a service, too)")

    def _daemon(self) -> str:
        return plain_daemon()

    def _start_daemon(self, server: Path, prefix: Sequence[str]) -> None:
        control = self.folder / "vswitchd.ctl"
        self._run("ovs-vswitchd", [*prefix, plain_daemon(), f"unix:{server}", f"--unixctl={control}", "--enable-dummy"])
        wait_until(control.exists, 20, "ovs-vswitchd to listen")

    def add_dummies(self, bridge: str, ports: Sequence[str]) -> None:
        """A bridge with these ports."""
        words: list[str] = []
        for port in ports:
            words += ["--", "add-port", bridge, port, "--", "set", "Interface", port, "type=dummy",
                      f"options:tx_pcap={self.sent(port)}"]
        self.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=dummy", *words)

    def sent(self, port: str) -> Path:
        """The file of what a port has sent."""
        return self.folder / f"{port}.pcap"

    def give(self, port: str, frames: Sequence[bytes]) -> None:
        """The port receives these. Its queue has room for 100."""
        with connect(self.folder / "vswitchd.ctl") as control:
            request = {"id": 0, "method": "netdev-dummy/receive", "params": [port, *(frame.hex() for frame in frames)]}
            control.sendall(json.dumps(request).encode())
            reply = b""
            while not reply.endswith(b"}"):
                reply += control.recv(65536)
        if json.loads(reply).get("error"):
            raise LabError(f"ovs-vswitchd: netdev-dummy/receive {port}: {reply.decode()}")


def frames_of(pcap: Path) -> list[bytes]:
    """What a file of packets has, written in this machine's byte order."""
    data = pcap.read_bytes() if pcap.exists() else b""
    frames, at = [], 24
    while at + 16 <= len(data):
        length = int.from_bytes(data[at + 8:at + 12], sys.byteorder)
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames
