# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's testpmd: a switch under test, and a generator.

The generator is one testpmd process with two virtio-user ports: guest 0 and guest 1. They sit on
one polling thread in loop topology, forward mode macswap: what a guest receives it sends back
with source and destination exchanged. `start tx_first N` puts N bursts of 32 frames from guest 0
to guest 1 and N from guest 1 to guest 0 into the switch; from then on the same frames go round,
each switch port sees one source address only, and that address never moves.
"""

import dataclasses
import re
import shutil
import time

from vulab.process import HURRY, LabError
from vulab.testpmd import Testpmd

from .contract import Counters, Switch
from .cpu import CpuWatch
from .guests import Guests, Rate

GUEST_MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
MAX_PORTS = 32  # RTE_MAX_ETHPORTS of Debian's DPDK


@dataclasses.dataclass
class Sample:
    """One look at a testpmd's counters."""

    rx_pps: list  # frames/s of each port since the previous look, timed by testpmd itself
    dropped: int  # frames testpmd could not send on and freed
    cycles: int  # busy TSC cycles so far; 0 unless they are counted


def sample(testpmd):
    forwarded = testpmd.ask("show fwd stats all").rpartition("Accumulated forward")[2]
    cycles = re.search(r"(?:total|busy) cycles=(\d+)", forwarded)
    return Sample(rx_pps=[int(number) for number in re.findall(r"Rx-pps:\s*(\d+)", testpmd.ask("show port stats all"))],
                  dropped=int(re.findall(r"TX-dropped:\s*(\d+)", forwarded)[0]),
                  cycles=int(cycles[1]) if cycles else 0)


class TestpmdGuests(Guests):
    """Two guests on one CPU; with listen the switch connects to them.

    Their frames go round all the time: between windows the process has to be frozen.
    """

    polls = True
    path = "dpdk-testpmd"
    bursts = 0  # of 32 frames, from each guest; 0: ring / 64, so that all of them fit one ring
    devargs = ""

    def __init__(self, setup, wishes, listen):
        ring = wishes.ring
        self._bursts = self.bursts or ring // 64
        vdevs = [f"net_virtio_user{i},path={socket},mac={mac},queues=1,queue_size={ring}"
                 f"{',packed_vq=1' if wishes.packed else ''}{',server=1' if listen else ''}"
                 f"{self.devargs}"
                 for i, (socket, mac) in enumerate(zip(setup.sockets, GUEST_MACS))]
        self._testpmd = Testpmd(setup.directory, "generator", vdevs, [
            "--forward-mode=macswap", "--port-topology=loop", f"--txd={ring}", f"--rxd={ring}",
            f"--eth-peer=0,{GUEST_MACS[1]}", f"--eth-peer=1,{GUEST_MACS[0]}"], HURRY,
            program=self.path, cpu=wishes.cpu, hugepages=setup.hugepages)
        self.process = self._testpmd.process

    def start_traffic(self, size):
        self._testpmd.ask(f"set txpkts {size}")
        self._testpmd.ask(f"start tx_first {self._bursts}")

    def window(self, seconds):
        before = sample(self._testpmd)
        watch = CpuWatch([self.process.pid])
        time.sleep(seconds)
        share = watch.shares()[0]
        after = sample(self._testpmd)
        return Rate(sum(after.rx_pps) / 1e6, share, after.dropped - before.dropped)

    def stop_traffic(self):
        """Stop forwarding; frames in flight stay behind."""
        self._testpmd.ask("stop")

    def stop(self):
        self._testpmd.stop()


class TestpmdSwitch(Switch):
    """testpmd with two vhost ports in io mode: what comes in at one goes out at the other.

    It learns nothing and looks at no MAC address: the least that a switch built on DPDK's vhost
    library can do, so the bar for what its copies and rings cost.
    """

    label = "testpmd"
    path = "dpdk-testpmd"
    _testpmd = None

    @classmethod
    def missing(cls):
        if shutil.which(cls.path):
            return ""
        return f"{cls.path} not found: apt-get install dpdk, or name one with --testpmd PATH"

    def start(self):
        if len(self.sockets) > MAX_PORTS:
            raise LabError(f"DPDK as Debian builds it knows {MAX_PORTS} ports: --bridges {MAX_PORTS // 2} at most, "
                           f"or leave testpmd out")
        tso = ",tso=1" if self.setup.tso else ""
        vdevs = [f"net_vhost{i},iface={socket},queues={self.setup.queues}{tso}" for i, socket in enumerate(self.sockets)]
        # What it says of each guest would fill the pipe that nobody reads while they connect.
        self._testpmd = Testpmd(self.directory, self.label, vdevs, ["--forward-mode=io", "--auto-start"], HURRY,
                                program=self.path, cpu=self.cpu, hugepages=self.hugepages, eal=["--log-level=lib.vhost.*:error"])
        self.process = self._testpmd.process
        self.version = self._testpmd.version

    def counters(self):
        return Counters(dropped=sample(self._testpmd).dropped, flooded=0, macs=-1)

    def busy_cycles(self):
        return sample(self._testpmd).cycles

    def count_cycles(self, on):
        """Two TSC reads a burst: not while a figure is taken."""
        self._testpmd.ask(f"set record-core-cycles {'on' if on else 'off'}")

    def stop(self):
        if self._testpmd:
            self._testpmd.stop()
