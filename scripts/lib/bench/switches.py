# SPDX-License-Identifier: BSD-3-Clause
"""The peers: testpmd's vhost port, and Open vSwitch. (vuswitch itself is in vuswitch.py.)"""

import os
import re
import shutil
import time

from .process import BenchError, Child, run
from .switch import Counters, Switch
from .testpmd import ANSWER_SECONDS, START_SECONDS, Testpmd


class TestpmdSwitch(Switch):
    """testpmd with two vhost ports in io mode: what comes in at one goes out at the other.

    It learns nothing and looks at no MAC address: the least that a switch built on DPDK's vhost
    library can do, so the bar for what its copies and rings cost.
    """

    label = "testpmd"
    path = "dpdk-testpmd"

    @classmethod
    def missing(cls):
        if shutil.which(cls.path):
            return ""
        return f"{cls.path} not found: apt-get install dpdk, or name one with --testpmd PATH"

    def start(self):
        vdevs = [f"net_vhost{i},iface={socket},queues=1" for i, socket in enumerate(self.sockets)]
        self._child = Testpmd(self.label, self.path, self.cpu, self.directory, vdevs,
                              self.hugepages, ["--forward-mode=io", "--auto-start"])
        self._child.wait_ready()
        self.version = self._child.version()

    def pid(self):
        return self._child.pid

    def counters(self):
        return Counters(dropped=self._child.sample().dropped, flooded=0, macs=-1)

    def busy_cycles(self):
        return self._child.sample().cycles

    def count_cycles(self, on):
        self._child.count_cycles(on)

    def stop(self):
        self._child.stop()


class OvsSwitch(Switch):
    """Open vSwitch with its DPDK datapath: one bridge, action NORMAL (learn, then unicast).

    A private ovsdb-server and ovs-vswitchd, in a network namespace of their own because the
    userspace datapath makes two tap devices; no system service is touched.
    """

    label = "ovs"
    guests_listen = True
    daemons = ("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", "ovs-vswitchd")
    schema = "/usr/share/openvswitch/vswitch.ovsschema"
    bridge = "bench0"

    def __init__(self, directory, cpu, hugepages):
        super().__init__(directory, cpu, hugepages)
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
            raise BenchError("ovs needs hugepages (it always runs EAL with --in-memory): "
                             "sysctl -w vm.nr_hugepages=1536, or leave it out with --switches")
        self._database()
        mask = f"{1 << self.cpu:#x}"
        self._vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                    "other_config:dpdk-init=true", f"other_config:pmd-cpu-mask={mask}",
                    f"other_config:dpdk-lcore-mask={mask}", "other_config:dpdk-socket-mem=512",
                    "other_config:dpdk-extra=--no-pci")
        # the handlers and revalidators are the switch's work too: they stay on its CPU
        vswitchd = self._spawn(
            "ovs-vswitchd", ["unshare", "--net", self.daemon(), self._file("db.sock", "unix:"),
                             self._file("vswitchd.ctl", "--unixctl=")], {self.cpu})
        vswitchd.wait_for("DPDK Enabled - initialized", START_SECONDS)
        version = vswitchd.wait_for(r"\(Open vSwitch\) ([\d.]+)", ANSWER_SECONDS)
        self.version = version.group(1)
        ports = []
        for i, socket in enumerate(self.sockets):
            ports += ["--", "add-port", self.bridge, f"guest{i}", "--", "set", "Interface",
                      f"guest{i}", "type=dpdkvhostuserclient",
                      f"options:vhost-server-path={socket}"]
        self._vsctl("add-br", self.bridge, "--", "set", "bridge", self.bridge,
                    "datapath_type=netdev", *ports)

    def settle(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            states = self._vsctl("get", "Interface", "guest0", "link_state", "--", "get",
                                 "Interface", "guest1", "link_state").split()
            if states == ["up", "up"]:
                return
            time.sleep(0.2)
        raise BenchError(f"ovs: a port did not come up: link states {' '.join(states)}")

    def pid(self):
        return self._children[-1].pid

    def counters(self):
        dropped = sum(int(number) for number in
                      re.findall(r"dropped:(\d+)", self._appctl("dpctl/show", "-s")))
        macs = len(self._appctl("fdb/show", self.bridge).strip().splitlines()) - 1
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
