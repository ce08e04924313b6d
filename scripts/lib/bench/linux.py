# SPDX-License-Identifier: BSD-3-Clause
"""The Linux bridge, for virtual machines with a tap each; QEMU or vhost-net moves the frames between guest and tap."""

import os
from dataclasses import dataclass

from vulab.guest import Nic
from vulab.net import Netns

from .contract import Counters, Switch


@dataclass
class TapNic(Nic):
    """A virtio-net card that is a tap of QEMU's namespace."""

    tap: str = ""

    def arguments(self, index, version, accel, bus="pci"):
        vhost = "on" if os.access("/dev/vhost-net", os.R_OK | os.W_OK) else "off"
        return ["-netdev", f"tap,id=n{index},ifname={self.tap},script=no,downscript=no,vhost={vhost}",
                "-device", f"virtio-net-pci,netdev=n{index},mac={self.mac},romfile=,rx_queue_size=1024"]


class LinuxBridge(Switch):
    """A bridge and its taps in a network namespace. The kernel is the switch: no process to look at."""

    label = "linux"

    def __init__(self, setup):
        super().__init__(setup)
        self._netns = None

    @classmethod
    def missing(cls):
        if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            return "the Linux bridge needs root and /dev/net/tun"
        return ""

    @property
    def prefix(self):
        """What to write before a command that is to see the taps."""
        return self._netns.prefix

    def nic(self, guest, mac):
        """The card of a guest."""
        return TapNic(self.sockets[guest], mac, tap=f"tap{guest}")

    def start(self):
        self._netns = Netns(f"bench{os.getpid()}")
        self.version = os.uname().release
        self._netns.run("ip", "link", "add", "br0", "type", "bridge")
        for guest in range(len(self.sockets)):
            self._netns.run("ip", "tuntap", "add", f"tap{guest}", "mode", "tap")
            self._netns.run("ip", "link", "set", f"tap{guest}", "master", "br0", "up")
        self._netns.run("ip", "link", "set", "br0", "up")

    def counters(self):
        return Counters(dropped=0, flooded=0, macs=-1)

    def stop(self):
        if self._netns:
            self._netns.delete()
        self._netns = None
