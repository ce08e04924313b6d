# SPDX-License-Identifier: BSD-3-Clause
"""Other switches between a guest and a tap of a namespace, to compare with: testpmd and OVS."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from .host import huge_pages
from .net import Netns
from .ovs import Ovs
from .process import LabError
from .testpmd import Testpmd

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
        self.label = f"testpmd (DPDK {self._testpmd.version})"

    def stop(self) -> None:
        self._testpmd.stop()


class OvsPeer:
    """An Open vSwitch; its bridge's own device is the tap. QEMU listens."""

    role = "server"

    def __init__(self, folder: Path, netns: Netns, socket: Path, tap: str) -> None:
        with ExitStack() as ends:
            if not ends.enter_context(huge_pages(OVS_MIB)):
                raise LabError(f"OVS needs {OVS_MIB} MiB in huge pages, and they cannot be had here: "
                               f"sysctl vm.nr_hugepages={OVS_MIB // 2}")
            ovs = Ovs(folder, {"dpdk-init": "true", "dpdk-socket-mem": "256", "dpdk-extra": "--no-pci",
                               "pmd-cpu-mask": "0x1"}, netns.prefix)
            ends.callback(ovs.stop)
            ovs.add_bridge(tap, {"vm1": socket})
            self.label = f"OVS {ovs.version}"
            self._ends = ends.pop_all()

    def stop(self) -> None:
        self._ends.close()
