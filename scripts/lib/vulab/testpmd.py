# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's testpmd at its prompt: with virtio-user cards guests that need no virtual machine, with vhost ports a switch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .process import LabError, Process, wait_until
from .switch import Switch

MEMORY_MIB = 256  # of one testpmd, packet buffers included


def memory_arguments(hugepages: bool) -> list[str]:
    """DPDK's arguments for memory that leaves no file behind.

    That of a guest has to be shareable: one memfd a segment, few segments (a vhost-user back end may take no more than 8).
    """
    if hugepages:
        return ["--in-memory", "--single-file-segments", "-m", str(MEMORY_MIB)]
    return ["--no-huge", "--no-shconf", "-m", str(MEMORY_MIB)]


class Testpmd:
    """A testpmd at its prompt, on one core, with a card per vdev argument."""

    __test__ = False  # the name means something else to pytest

    def __init__(self, folder: Path, name: str, vdevs: Sequence[str], arguments: Sequence[str] = (),
                 prefix: Sequence[str] = (), *, program: str = "dpdk-testpmd", cpu: int = 0, hugepages: bool = False,
                 eal: Sequence[str] = ()) -> None:
        self.name = name
        runtime = folder / f"{name}.run"
        runtime.mkdir(exist_ok=True)
        argv = [*prefix, "stdbuf", "-o0", program, "-v", "--lcores", f"0@{cpu},1@{cpu}", "--no-pci",
                *memory_arguments(hugepages), "--file-prefix", f"{folder.name}-{name}", *eal]
        for vdev in vdevs:
            argv += ["--vdev", vdev]
        argv += ["--", "-i", "--nb-cores=1", "--total-num-mbufs=16384", *arguments]
        self.process = Process(name, argv, folder / f"{name}.log", env={"RUNTIME_DIRECTORY": str(runtime)}, dialogue=True)
        try:
            said = self.process.wait_for(r".*testpmd> ", 40)[0]
        except BaseException:
            self.process.stop()
            raise
        found = re.search(r"RTE Version: '(?:DPDK )?([^']*)'", said)
        self.version = found[1] if found else ""

    def ask(self, line: str, seconds: float = 10) -> str:
        """Types a line at the prompt; returns what was said until the next prompt."""
        self.process.send(line)
        # The prompt comes once with the echo of the line and once when the work is done.
        return self.process.wait_for(re.escape(line) + r".*testpmd> ", seconds)[0]

    def counters(self, port: int = 0) -> dict[str, int]:
        """RX-packets, TX-packets and their like of one card, since it was started."""
        said = self.ask(f"show port stats {port}")
        return {word: int(number) for word, number in re.findall(r"([RT]X-\w+):\s*(\d+)", said)}

    def stop(self) -> None:
        self.process.stop(line="quit")

    def kill(self) -> None:
        self.process.kill()


def dropped(port: dict[str, Any], side: str) -> int:
    return sum(int(number) for number in port[f"{side}_drop"].values())


def difference(ports: dict[str, dict[str, Any]], drivers: dict[str, dict[str, int]]) -> str:
    """E1 and E2: where something is missing or there twice, by the drivers' own counts; empty: nowhere."""
    for name, driver in drivers.items():
        port = ports[name]
        left, arrived = port["rx_ok"] + dropped(port, "rx"), port["tx_ok"]
        if driver["TX-packets"] == 0 or (driver["TX-packets"], driver["RX-packets"]) != (left, arrived):
            return f"{name}: its driver says {driver}; {left} left it and {arrived} arrived"
    taken = sum(port["rx_ok"] + port["copies"] + port["injected"] + port["mirrored"] for port in ports.values())
    given = sum(port["tx_ok"] + dropped(port, "tx") for port in ports.values())
    return f"{taken} frames taken and {given} given" if taken != given else ""


def accounts_agree(switch: Switch, testpmd: Testpmd) -> None:
    """Waits until every frame between the ports `g0` and `g1` is where it is counted: until then some are under way."""
    def found() -> str:
        return difference(switch.ports(), {"g0": testpmd.counters(0), "g1": testpmd.counters(1)})

    try:
        wait_until(lambda: not found(), 10, "the accounts to agree")
    except LabError as error:
        raise LabError(f"{error}: {found()}") from error
