# SPDX-License-Identifier: BSD-3-Clause
"""TCP between two virtual machines: QEMU, Linux, iperf3; a switch after the other, round after round.

The machines are not pinned: what the switch does not need of its CPU is theirs. So a switch that polls
costs them one of two CPUs, and one that sleeps does not; each runs as it does by itself.
"""

import dataclasses
import json
import shutil
import statistics
import time

from vulab.guest import Guest, Nic, accelerator, guest_image, qemu_binaries, qemu_version
from vulab.process import LabError

from .cpu import cpu_times
from .linux import LinuxBridge
from .ovs import OvsSwitch
from .testpmd import TestpmdSwitch
from .vuswitch import VuswitchSwitch

SECONDS = 5
MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")


class OvsTsoSwitch(OvsSwitch):
    """Open vSwitch with its experimental userspace TSO."""

    label = "ovs-tso"


KINDS = (VuswitchSwitch, TestpmdSwitch, OvsSwitch, OvsTsoSwitch, LinuxBridge)
WITH_TSO = ("testpmd", "ovs-tso")  # need an option for it


@dataclasses.dataclass
class Transfer:
    """What iperf3 saw in one direction, after the guests had found each other."""

    switch: str
    round: int
    gbits: float
    segment: int  # bytes the guest's kernel gave its card at a time, on average
    switch_cpu: float  # CPUs the switch took; 0: it is no process


class Machines:
    """What two guests are made of."""

    def __init__(self):
        if not shutil.which("iperf3"):
            raise LabError("iperf3 not found: apt-get install iperf3 (it is put into the guests)")
        found = qemu_binaries()
        if not found:
            raise LabError("no QEMU: apt-get install qemu-system-x86")
        self.qemu = found[-1]
        self.image = guest_image("iperf3")
        self.accel = accelerator(self.qemu, self.image)

    def __str__(self):
        return f"QEMU {'.'.join(map(str, qemu_version(self.qemu)))}, {self.accel}"

    def boot(self, switch, ends):
        """Both guests, up and on the switch."""
        role = "server" if switch.guests_listen else "client"
        guests = []
        for i, socket in enumerate(switch.sockets):
            folder = switch.directory / f"vm{i}"
            folder.mkdir()
            nic, prefix = Nic(socket, MACS[i], role), ()
            if isinstance(switch, LinuxBridge):
                nic, prefix = switch.nic(i, MACS[i]), switch.prefix
            guest = Guest(f"vm{i}", [nic], f"198.18.0.{i + 1}/24", self.qemu, self.image, folder=folder,
                          prefix=prefix)
            ends.callback(guest.stop)
            guest.start()
            guests.append(guest)
        for guest in guests:
            guest.boot()
        switch.settle()
        return guests


def one_switch(switch, machines, number, times, ends):
    """[Transfer] of one switch in one round. The switch is not started yet; ends: an ExitStack."""
    try:
        ends.callback(switch.stop)
        switch.start()
        client, server = machines.boot(switch, ends)
        if client.ping(server.ip, 5) == 0:
            raise LabError(f"{switch.label}: the guests do not reach each other")
        server.run("iperf3 -s -D; until netstat -ltn | grep -q :5201; do usleep 100000; done", 20)
        return [_transfer(switch, number, client, server) for _ in range(times)]
    except LabError as error:
        raise LabError(f"{switch.label}: {error}") from error


def _transfer(switch, number, client, server):
    before, packets, since = _cpu(switch), _packets(client), time.monotonic()
    said = client.run(f"iperf3 -c {server.ip} -t {SECONDS} -J", 60 + 10 * SECONDS)
    seconds, cpu = time.monotonic() - since, _cpu(switch) - before
    try:
        got = json.loads(said)["end"]["sum_received"]
    except (ValueError, KeyError) as error:
        raise LabError(f"{switch.label}: iperf3 said: {' '.join(said.split())[-300:]}") from error
    return Transfer(switch.label, number, got["bits_per_second"] / 1e9,
                    round(got["bytes"] / max(1, _packets(client) - packets)), cpu / seconds)


def _cpu(switch):
    """Seconds of CPU so far of all its threads; 0 of what is no process."""
    return sum(cpu_times(switch.process.pid).values()) / 1e9 if switch.process else 0.0


def _packets(guest):
    return int(guest.run("cat /sys/class/net/eth0/statistics/tx_packets"))


def summarise(transfers):
    """Rows: a switch each, in order of its turn; ratios are to the first."""
    rows = []
    for name in dict.fromkeys(transfer.switch for transfer in transfers):
        taken = [transfer for transfer in transfers if transfer.switch == name]
        figures = [transfer.gbits for transfer in taken]
        rows.append({"switch": name, "gbits": round(statistics.median(figures), 4), "transfers": len(taken),
                     "min": round(min(figures), 4), "max": round(max(figures), 4),
                     "segment": statistics.median(transfer.segment for transfer in taken),
                     "switch_cpu": round(statistics.median(transfer.switch_cpu for transfer in taken), 2)})
        rows[-1]["ratio"] = round(rows[0]["gbits"] / rows[-1]["gbits"], 2) if len(rows) > 1 else None
    return rows


def table(rows):
    """The rows as lines of text."""
    lines = ["", f"{'TCP, vm0 to vm1':<22}{'Gbit/s':>8}   {'min - max':<18}{rows[0]['switch'] + ' is':<14}"
                 f"{'bytes a packet':>14}{'CPUs of the switch':>20}{'transfers':>11}"]
    for row in rows:
        ratio = f"{row['ratio']:.2f} x" if row["ratio"] else "-"
        lines.append(f"  {row['switch']:<20}{row['gbits']:>8.3f}   {row['min']:>7.3f} - {row['max']:<8.3f}{ratio:<14}"
                     f"{row['segment']:>14.0f}{row['switch_cpu']:>20.2f}{row['transfers']:>11}")
    return lines
