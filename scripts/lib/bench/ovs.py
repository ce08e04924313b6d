# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch with its DPDK datapath, with action NORMAL and with static flows."""

import dataclasses
import os
import re
import shutil
import time

from .process import BenchError, Child, run
from .switch import ANSWER_SECONDS, START_SECONDS, Counters, Switch


class OvsSwitch(Switch):
    """Open vSwitch with its DPDK datapath: one bridge, action NORMAL (learn, then unicast).

    A private ovsdb-server and ovs-vswitchd, in a network namespace of their own because the
    userspace datapath makes two tap devices; no system service is touched.
    """

    label = "ovs"
    guests_listen = True
    daemons = ("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", "ovs-vswitchd")
    schema = "/usr/share/openvswitch/vswitch.ovsschema"

    def __init__(self, setup):
        super().__init__(setup)
        self._children = []

    @classmethod
    def daemon(cls):
        """An ovs-vswitchd that was built with DPDK, or None."""
        for name in cls.daemons:
            path = shutil.which(name)
            if path and "DPDK" in run([path, "--version"], 10):
                return path
        return None

    @classmethod
    def missing(cls):
        if not cls.daemon() or not os.path.exists(cls.schema):
            return "no Open vSwitch with DPDK: apt-get install openvswitch-switch-dpdk"
        if os.geteuid() != 0:
            return "Open vSwitch needs root (tap devices, a network namespace)"
        return ""

    def start(self):
        if not self.hugepages:
            raise BenchError("Open vSwitch needs hugepages (it always runs EAL with --in-memory): "
                             "sysctl -w vm.nr_hugepages=1536, or leave it out with --switches")
        self._database()
        mask = f"{1 << self.cpu:#x}"
        self._vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                    "other_config:dpdk-init=true", f"other_config:pmd-cpu-mask={mask}",
                    f"other_config:dpdk-lcore-mask={mask}", "other_config:dpdk-socket-mem=512",
                    "other_config:dpdk-extra=--no-pci",
                    f"other_config:userspace-tso-enable={'true' if self.setup.tso else 'false'}")
        # the handlers and revalidators are the switch's work too: they stay on its CPU
        vswitchd = self._spawn(
            "ovs-vswitchd", ["unshare", "--net", self.daemon(), self._file("db.sock", "unix:"),
                             self._file("vswitchd.ctl", "--unixctl=")], {self.cpu})
        vswitchd.wait_for("DPDK Enabled - initialized", START_SECONDS)
        version = vswitchd.wait_for(r"\(Open vSwitch\) ([\d.]+)", ANSWER_SECONDS)
        self.version = version.group(1)
        for pair in range(self.setup.pairs):
            self._add_bridge(f"bench{pair}", (2 * pair, 2 * pair + 1))

    def _add_bridge(self, name, guests):
        ports = []
        for i in guests:
            ports += ["--", "add-port", name, f"guest{i}", "--", "set", "Interface", f"guest{i}",
                      "type=dpdkvhostuserclient",
                      f"options:vhost-server-path={self.sockets[i]}",
                      f"mtu_request={self.setup.mtu}"]
        self._vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev",
                    "--", "set", "bridge", name,
                    f"other_config:mac-table-size={max(8192, 4 * self.setup.macs)}", *ports)

    def settle(self):
        asked = []
        for i in range(len(self.sockets)):
            asked += ["--", "get", "Interface", f"guest{i}", "link_state"]
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            states = self._vsctl(*asked[1:]).split()
            if set(states) == {"up"}:
                return
            time.sleep(0.2)
        raise BenchError(f"{self.label}: a port did not come up: link states {' '.join(states)}")

    def pid(self):
        return self._children[-1].pid

    def counters(self):
        dropped = sum(int(number) for number in
                      re.findall(r"dropped:(\d+)", self._appctl("dpctl/show", "-s")))
        macs = sum(len(self._appctl("fdb/show", f"bench{pair}").strip().splitlines()) - 1
                   for pair in range(self.setup.pairs))
        return Counters(dropped=dropped, flooded=self._flooded(), macs=macs)

    def busy_cycles(self):
        text = self._appctl("dpif-netdev/pmd-stats-show")
        return sum(map(int, re.findall(r"processing cycles: (\d+)", text)))

    def stop(self):
        for child in reversed(self._children):
            child.stop()
        self._children = []

    def _flooded(self):
        """Packets of the datapath flows that have more than one output."""
        flooded = 0
        for flow in self._appctl("dpctl/dump-flows").splitlines():
            packets = re.search(r"packets:(\d+)", flow)
            if packets and "," in flow.rpartition("actions:")[2]:
                flooded += int(packets.group(1))
        return flooded

    def _database(self):
        run(["ovsdb-tool", "create", self._file("conf.db"), self.schema], 10)
        server = self._spawn("ovsdb-server", [
            "ovsdb-server", self._file("conf.db"), self._file("db.sock", "--remote=punix:"),
            self._file("ovsdb.ctl", "--unixctl="), "-vconsole:info"], None)
        server.wait_for("ovsdb-server", START_SECONDS)

    def _spawn(self, name, argv, cpus):
        child = Child(name, argv, self.directory / f"{name}.log", affinity=cpus,
                      env={f"OVS_{kind}DIR": str(self.directory) for kind in ("RUN", "LOG", "DB")})
        self._children.append(child)
        return child

    def _vsctl(self, *arguments):
        return run(["ovs-vsctl", f"--db=unix:{self._file('db.sock')}", "--timeout=20",
                    *arguments], 25)

    def _appctl(self, *arguments):
        return run(["ovs-appctl", "-t", self._file("vswitchd.ctl"), "--timeout=5", *arguments], 10)

    def _file(self, name, prefix=""):
        return f"{prefix}{self.directory / name}"


class OvsStaticSwitch(OvsSwitch):
    """The same with one flow a port instead of NORMAL: in here, out there. It learns nothing."""

    label = "ovs-static"

    def _add_bridge(self, name, guests):
        super()._add_bridge(name, guests)
        for here, there in (guests, guests[::-1]):
            flow = f"in_port=guest{here},actions=output:guest{there}"
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline:
                try:
                    run(["ovs-ofctl", "--names", "add-flow", self._file(f"{name}.mgmt", "unix:"), flow], 10)
                    break
                except BenchError:  # the bridge is being made
                    time.sleep(0.2)
            else:
                raise BenchError(f"{self.label}: the flow '{flow}' is not taken")
        run(["ovs-ofctl", "--strict", "del-flows", self._file(f"{name}.mgmt", "unix:"), "priority=0"], 10)

    def counters(self):
        return dataclasses.replace(super().counters(), macs=-1)
