# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's testpmd, driven through its prompt, and the generator made of it.

The generator is one testpmd process with two virtio-user ports: guest 0 and guest 1. They sit on
one polling thread in loop topology, forward mode macswap: what a guest receives it sends back
with source and destination exchanged. `start tx_first N` puts N bursts of 32 frames from guest 0
to guest 1 and N from guest 1 to guest 0 into the switch; from then on the same frames go round,
each switch port sees one source address only, and that address never moves.
"""

import dataclasses
import re

from .process import Child, busiest_share, cpu_times
from . import machine

GUEST_MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
TX_BURST = 32  # frames in one burst of `start tx_first`: testpmd's default
MEMORY_MIB = 512  # of one testpmd, mbufs included
START_SECONDS = 20.0
ANSWER_SECONDS = 5.0

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


class Generator(Testpmd):
    """Two guests on one CPU. With server=True they listen and the switch connects."""

    def __init__(self, path, cpu, directory, sockets, ring, hugepages, server, devargs=""):
        vdevs = [f"net_virtio_user{i},path={socket},mac={mac},queues=1,queue_size={ring}"
                 f"{',server=1' if server else ''}{devargs}"
                 for i, (socket, mac) in enumerate(zip(sockets, GUEST_MACS))]
        super().__init__("generator", path, cpu, directory, vdevs, hugepages, [
            "--forward-mode=macswap", "--port-topology=loop", f"--txd={ring}", f"--rxd={ring}",
            f"--eth-peer=0,{GUEST_MACS[1]}", f"--eth-peer=1,{GUEST_MACS[0]}"])

    def start_traffic(self, size, bursts):
        self.send(f"set txpkts {size}")
        self.ask(f"start tx_first {bursts}", r"macswap packet forwarding.*testpmd> ")

    def stop_traffic(self):
        """Stop forwarding; the final counters of this traffic (frames in flight stay behind)."""
        self.ask("stop", r"Accumulated forward.*Done\.")


class CpuWatch:
    """How much of its CPU the polling thread of each process really had, since start()."""

    def __init__(self, processes, clock):
        self._processes = processes
        self._clock = clock
        self.start()

    def start(self):
        self._before = [cpu_times(pid) for pid in self._processes]
        self._since = self._clock()
        self._steal = machine.steal_ticks()

    def shares(self):
        """A share (0 to 1) a process."""
        seconds = self._clock() - self._since
        return [busiest_share(before, cpu_times(pid), seconds)
                for pid, before in zip(self._processes, self._before)]

    def stolen(self):
        """Seconds that a hypervisor kept from the machine's CPUs."""
        return (machine.steal_ticks() - self._steal) / 100


def _numbers(pattern, text):
    return [int(number) for number in re.findall(pattern, text)]
