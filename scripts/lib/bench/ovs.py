# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch with its DPDK datapath, with action NORMAL and with static flows."""

import dataclasses
import re
import shlex

from vulab import ovs
from vulab.process import HURRY, LabError, wait_until

from .contract import Counters, Switch, address_of


class OvsSwitch(Switch):
    """Open vSwitch with its DPDK datapath: bridges of two guests, action NORMAL (learn, then unicast).

    In a network namespace of its own, because the userspace datapath makes tap devices.
    """

    label = "ovs"
    guests_listen = True
    settings = ""  # of ports, interfaces and flows (--ovs-with)
    _ovs = None

    @classmethod
    def missing(cls):
        return ovs.missing()

    def start(self):
        if not self.hugepages:
            raise LabError("Open vSwitch needs hugepages (it always runs EAL with --in-memory): "
                           "sysctl -w vm.nr_hugepages=1536, or leave it out with --switches")
        mask = f"{1 << self.cpu:#x}"
        # the handlers and revalidators are the switch's work too: they stay on its CPU
        self._ovs = ovs.Ovs(self.directory, {
            "dpdk-init": "true", "pmd-cpu-mask": mask, "dpdk-lcore-mask": mask, "dpdk-socket-mem": "512",
            "dpdk-extra": "--no-pci", "userspace-tso-enable": "true" if self.setup.tso else "false",
        }, ["unshare", "--net", "taskset", "-c", str(self.cpu), *HURRY])
        self.process = self._ovs.processes[-1]
        self.version = self._ovs.version
        for bridge in sorted(set(self.setup.bridges)):
            self._add_bridge(f"bench{bridge}", tuple(i for i, there in enumerate(self.setup.bridges) if there == bridge))

    def _add_bridge(self, name, guests):
        self._ovs.add_bridge(name, {f"guest{i}": self.sockets[i] for i in guests}, self.setup.mtu)
        self._ovs.vsctl("set", "bridge", name, f"other_config:mac-table-size={max(8192, 4 * self.setup.macs)}")
        for guest in guests:
            self._set(name, guest)

    def _set(self, bridge, guest):
        """The settings of one guest's port. A flow without {port}, {mac} or {ip} is the same one for all."""
        for word in shlex.split(self.settings):
            whose, _, setting = word.partition(":")
            setting = setting.format(port=f"guest{guest}", **address_of(guest))
            if whose == "flow":
                wait_until(lambda flow=setting: self._takes(bridge, flow), 20, f"{self.label} to take the flow '{setting}'", 0.2)
            else:
                self._ovs.vsctl("set", whose, f"guest{guest}", setting)

    def _takes(self, name, flow):
        try:
            self._ovs.ofctl("add-flow", name, flow)
        except LabError:  # the bridge is being made
            return False
        return True

    def settle(self):
        asked = []
        for i in range(len(self.sockets)):
            asked += ["--", "get", "Interface", f"guest{i}", "link_state"]
        wait_until(lambda: set(self._ovs.vsctl(*asked[1:]).split()) == {"up"}, 20, f"{self.label}'s links to be up", 0.2)

    def counters(self):
        dropped = sum(map(int, re.findall(r"dropped:(\d+)", self._ovs.appctl("dpctl/show", "-s"))))
        macs = sum(len(self._ovs.appctl("fdb/show", f"bench{bridge}").strip().splitlines()) - 1
                   for bridge in set(self.setup.bridges))
        return Counters(dropped=dropped, flooded=self._flooded(), macs=macs)

    def busy_cycles(self):
        text = self._ovs.appctl("dpif-netdev/pmd-stats-show")
        return sum(map(int, re.findall(r"processing cycles: (\d+)", text)))

    def stop(self):
        if self._ovs:
            self._ovs.stop()

    def _flooded(self):
        """Packets of the datapath flows that have more than one output."""
        flooded = 0
        for flow in self._ovs.appctl("dpctl/dump-flows").splitlines():
            packets = re.search(r"packets:(\d+)", flow)
            if packets and "," in flow.rpartition("actions:")[2]:
                flooded += int(packets.group(1))
        return flooded


class OvsStaticSwitch(OvsSwitch):
    """The same with one flow a port instead of NORMAL: in here, out there. It learns nothing."""

    label = "ovs-static"

    def _add_bridge(self, name, guests):
        super()._add_bridge(name, guests)
        for here, there in (guests, guests[::-1]):
            flow = f"in_port=guest{here},actions=output:guest{there}"
            wait_until(lambda flow=flow: self._takes(name, flow), 20, f"{self.label} to take the flow '{flow}'", 0.2)
        self._ovs.ofctl("del-flows", name, "priority=0")

    def counters(self):
        return dataclasses.replace(super().counters(), macs=-1)
