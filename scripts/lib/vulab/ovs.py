# SPDX-License-Identifier: BSD-3-Clause
"""An Open vSwitch with its DPDK datapath, private: a folder of its own for sockets and files; no system service is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from .process import LabError, Process, run, tail, wait_until

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


class Ovs:
    """ovsdb-server and ovs-vswitchd, and what they are asked. settings: of its other_config; prefix: before ovs-vswitchd's
    command line, for its bridges are taps.
    """

    def __init__(self, folder: Path, settings: dict[str, str], prefix: Sequence[str] = ()) -> None:
        if missing():
            raise LabError(missing())
        self.folder = folder
        self.version = run([daemon(), "--version"]).split()[3]
        self.processes: list[Process] = []
        try:
            self._start(settings, prefix)
        except BaseException:
            self.stop()
            raise

    def _start(self, settings: dict[str, str], prefix: Sequence[str]) -> None:
        run(["ovsdb-tool", "create", self.folder / "ovs.db", SCHEMA])
        server = self.folder / "ovs.sock"
        self._run("ovsdb-server", ["ovsdb-server", str(self.folder / "ovs.db"), f"--remote=punix:{server}",
                                   f"--unixctl={self.folder}/ovsdb.ctl"])
        wait_until(server.exists, 20, "ovsdb-server to listen")
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   *(f"other_config:{key}={value}" for key, value in settings.items()))
        self._run("ovs-vswitchd", [*prefix, daemon(), f"unix:{server}", f"--unixctl={self.folder}/vswitchd.ctl"])
        self.processes[-1].wait_for("DPDK Enabled - initialized", 20)

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
