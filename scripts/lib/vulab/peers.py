# SPDX-License-Identifier: BSD-3-Clause
"""Other switches between a guest and a tap of a namespace, to compare with: testpmd and OVS.

Each is private: its own folder for sockets and files, its devices in a namespace; no system
service is touched.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from .memory import huge_pages
from .net import Netns
from .process import LabError, Process, run, tail, wait_until
from .testpmd import Testpmd

OVS_DAEMONS = ("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", "ovs-vswitchd")
OVS_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
OVS_MIB = 512  # of huge pages, for its packet buffers


class TestpmdPeer:
    """testpmd forwarding between its vhost port and a tap; it listens, QEMU connects."""

    role = "client"  # QEMU's

    def __init__(self, folder: Path, netns: Netns, socket: Path, tap: str) -> None:
        if not shutil.which("dpdk-testpmd"):
            raise LabError("no dpdk-testpmd here: apt-get install dpdk-dev")
        self._testpmd = Testpmd(
            folder, "testpmd", [f"net_vhost0,iface={socket}", f"net_tap0,iface={tap}"],
            ["--no-mlockall", "--disable-link-check"], netns.prefix)
        self._testpmd.ask("start")
        self.label = "testpmd (DPDK " + run(["dpkg-query", "-W", "-f", "${Version}", "dpdk-dev"],
                                            check=False).split("-")[0] + ")"

    def stop(self) -> None:
        self._testpmd.stop()


class OvsPeer:
    """An Open vSwitch with its DPDK datapath; its bridge's own device is the tap. QEMU listens."""

    role = "server"

    def __init__(self, folder: Path, netns: Netns, socket: Path, tap: str) -> None:
        self._folder, self._netns = folder, netns
        self._processes: list[Process] = []
        self._pool = ExitStack()
        try:
            self._start(self._daemon(), socket, tap)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()
        self._processes = []
        self._pool.close()

    @staticmethod
    def _daemon() -> str:
        """An ovs-vswitchd that was built with DPDK."""
        for name in OVS_DAEMONS:
            path = shutil.which(name)
            if path and OVS_SCHEMA.exists() and "DPDK" in run([path, "--version"]):
                return path
        raise LabError("no Open vSwitch with DPDK here: apt-get install openvswitch-switch-dpdk "
                       "(Debian starts it as a service, too)")

    def _start(self, daemon: str, socket: Path, tap: str) -> None:
        self.label = "OVS " + run([daemon, "--version"]).split()[3]
        if not self._pool.enter_context(huge_pages(OVS_MIB)):
            raise LabError(f"OVS needs {OVS_MIB} MiB in huge pages, and they cannot be had here: "
                           f"sysctl vm.nr_hugepages={OVS_MIB // 2}")
        database, server = self._folder / "ovs.db", self._folder / "ovs.sock"
        run(["ovsdb-tool", "create", database, OVS_SCHEMA])
        self._run("ovsdb-server", ["ovsdb-server", str(database), f"--remote=punix:{server}",
                                   f"--unixctl={self._folder}/ovsdb.ctl"])
        wait_until(server.exists, 10, "ovsdb-server to listen")
        self._set("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                  "other_config:dpdk-init=true", "other_config:dpdk-socket-mem=256",
                  "other_config:dpdk-extra=--no-pci", "other_config:pmd-cpu-mask=0x1")
        self._run("ovs-vswitchd", [*self._netns.prefix, daemon, f"unix:{server}",
                                   f"--unixctl={self._folder}/vswitchd.ctl"])
        self._set("add-br", tap, "--", "set", "bridge", tap, "datapath_type=netdev", "--",
                  "add-port", tap, "vm1", "--", "set", "Interface", "vm1",
                  "type=dpdkvhostuserclient", f"options:vhost-server-path={socket}")

    def _run(self, name: str, argv: list[str]) -> None:
        self._processes.append(Process(
            name, argv, self._folder / f"{name}.log",
            env={f"OVS_{kind}DIR": str(self._folder) for kind in ("RUN", "LOG", "DB")}))

    def _set(self, *words: str) -> None:
        """ovs-vsctl, which waits until the daemon has done what it is told."""
        try:
            run(["ovs-vsctl", f"--db=unix:{self._folder}/ovs.sock", "--timeout=30", *words], 40)
        except LabError as error:
            raise LabError(f"{error}\n{tail(self._folder / 'ovs-vswitchd.log')}") from error
