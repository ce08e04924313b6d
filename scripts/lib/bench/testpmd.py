# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's testpmd, driven through its prompt: a switch under test, and a generator.

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

from .guests import Guests, Rate
from .process import BenchError, Child, CpuWatch
from .switch import ANSWER_SECONDS, START_SECONDS, Counters, Switch

GUEST_MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
MEMORY_MIB = 256  # of one testpmd, mbufs included

MAX_PORTS = 32  # RTE_MAX_ETHPORTS of Debian's DPDK

_PORTS = (r"NIC statistics for port 0 .*?Tx-pps:.*?NIC statistics for port 1 "
          r".*?Tx-pps:[^\n]*\n[^\n]*#{8}")


def memory_arguments(hugepages):
    """EAL arguments that leave no file behind, whichever memory it is.

    Guest memory has to be shareable: one memfd a segment, few segments (a vhost-user back end may
    take no more than 8 of them).
    """
    if hugepages:
        return ["--in-memory", "--single-file-segments", "-m", str(MEMORY_MIB)]
    return ["--no-huge", "--no-shconf", "-m", str(MEMORY_MIB)]


@dataclasses.dataclass
class Sample:
    """One look at a testpmd's counters."""

    rx: list  # frames received since start, a port
    tx: list
    rx_pps: list  # frames/s since the previous look, timed by testpmd itself
    dropped: int  # frames testpmd could not send on and freed
    cycles: int  # busy TSC cycles so far; 0 unless count_cycles(True)


class Testpmd(Child):
    """A testpmd that has reached its prompt. arguments: what follows the EAL's own."""

    def __init__(self, name, path, cpu, directory, vdevs, hugepages, arguments):
        runtime = directory / f"{name}.run"
        runtime.mkdir(exist_ok=True)
        argv = [path, "-v", "--lcores", f"0@{cpu},1@{cpu}", "--no-pci", "--log-level=*:info",
                *memory_arguments(hugepages), f"--file-prefix=bench-{name}"]
        for vdev in vdevs:
            argv += ["--vdev", vdev]
        argv += ["--", "-i", "--nb-cores=1", "--total-num-mbufs=16384", *arguments]
        super().__init__(name, argv, directory / f"{name}.log",
                         env={"RUNTIME_DIRECTORY": str(runtime)})

    def wait_ready(self):
        started = self.wait_for(r"(RTE Version: '([^']*)')?.*testpmd> ", START_SECONDS)
        return started

    def version(self):
        """The DPDK release, as it said at start; call it before the first mark()."""
        return self.wait_for(r"RTE Version: '(?:DPDK )?([^']*)'", ANSWER_SECONDS).group(1)

    def ask(self, command, answer):
        """Send one command and wait for its answer (a regular expression)."""
        self.mark()
        self.send(command)
        return self.wait_for(answer, ANSWER_SECONDS)

    def count_cycles(self, on):
        """Count busy cycles (two TSC reads a burst: not while a figure is taken)."""
        self.send(f"set record-core-cycles {'on' if on else 'off'}")

    def sample(self):
        self.mark()
        self.send("show fwd stats all")
        self.send("show port stats all")
        text = self.wait_for(r"Accumulated forward.*" + _PORTS, ANSWER_SECONDS).group(0)
        cycles = re.search(r"(?:total|busy) cycles=(\d+)", text)
        return Sample(
            rx=_numbers(r"RX-packets:\s*(\d+)\s+RX-missed", text),
            tx=_numbers(r"TX-packets:\s*(\d+)\s+TX-errors", text),
            rx_pps=_numbers(r"Rx-pps:\s*(\d+)", text),
            dropped=_numbers(r"TX-dropped:\s*(\d+)", text)[0],
            cycles=int(cycles.group(1)) if cycles else 0)

    def stop(self, seconds=5.0, polite="quit"):
        super().stop(seconds, polite)


class TestpmdGuests(Testpmd, Guests):
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
        super().__init__("generator", self.path, wishes.cpu, setup.directory, vdevs,
                         setup.hugepages, [
            "--forward-mode=macswap", "--port-topology=loop", f"--txd={ring}", f"--rxd={ring}",
            f"--eth-peer=0,{GUEST_MACS[1]}", f"--eth-peer=1,{GUEST_MACS[0]}"])

    def start_traffic(self, size):
        self.send(f"set txpkts {size}")
        self.ask(f"start tx_first {self._bursts}", r"macswap packet forwarding.*testpmd> ")

    def window(self, seconds):
        before = self.sample()
        watch = CpuWatch([self.pid], time.monotonic)
        time.sleep(seconds)
        share = watch.shares()[0]
        after = self.sample()
        return Rate(sum(after.rx_pps) / 1e6, share, after.dropped - before.dropped)

    def stop_traffic(self):
        """Stop forwarding; the final counters of this traffic (frames in flight stay behind)."""
        self.ask("stop", r"Accumulated forward.*Done\.")


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
        if len(self.sockets) > MAX_PORTS:
            raise BenchError(f"DPDK as Debian builds it knows {MAX_PORTS} ports: --bridges {MAX_PORTS // 2} at most, "
                             f"or leave testpmd out")
        vdevs = [f"net_vhost{i},iface={socket},queues=1{',tso=1' if self.setup.tso else ''}" for i, socket in enumerate(self.sockets)]
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


def _numbers(pattern, text):
    return [int(number) for number in re.findall(pattern, text)]
