# SPDX-License-Identifier: BSD-3-Clause
"""A machine with two NUMA nodes: what the switch has of a port lies where its guest's memory is, and is polled from there.

This machine may have one node only, so the switch runs inside a virtual machine that has two, and its guests are processes in
there (victims.c). A process's memory is on the node of the CPU that it runs on.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from vulab.guest import Guest
from vulab.inside import image_with_switch, vusctl_inside
from vulab.lab import Lab
from vulab.machine import TWO_NODES
from vulab.process import LabError, wait_until

from conftest import newest_qemu

# CPU 0 is on node 0, with control and lcore 1; CPU 1 on node 1, with lcore 2.
LCORES = "0@0,1@0,2@1"
PORTS = (("a0", "b0", "e0"), ("a1", "b1", "e1"))
ATTEMPTS = 5


@pytest.fixture
def machine(lab: Lab, qemu: Path, image: Path) -> Guest:
    folder = lab.folder / "machine"
    folder.mkdir()
    made = Guest("machine", [], "10.9.0.1/24", qemu, image_with_switch(image, lab.folder, ("tests/e2e/victims",)),
                 TWO_NODES, cpus=2, memory="256M", folder=folder, extra=["-m", "512M"],
                 prefix=("nice", "-n", "-15"))
    lab.guests.append(made)
    made.start()
    made.boot()
    # On a bridge each: the others have the same addresses.
    ports = " ".join(f"--vhost {port}=/tmp/v/{port}.sock,bridge=br{group}" for group, ports in enumerate(PORTS) for port in ports)
    made.run("mkdir -p /tmp/v; echo 0 >/proc/sys/kernel/numa_balancing; cat /sys/devices/system/node/online")
    made.run(f"RUNTIME_DIRECTORY=/tmp/v vuswitch --lcores {LCORES} --no-huge --no-pci -m 64 -- {ports} >/tmp/v/log 2>&1 &")
    wait_until(lambda: "a1" in vusctl_inside(made, "ports"), 30, "the switch to answer")
    return made


def _end(machine: Guest, ports: int) -> None:
    machine.run(f"kill $(cat /tmp/v/pid{ports}); while kill -0 $(cat /tmp/v/pid{ports}); do usleep 50000; done", check=False)


def _begin(machine: Guest, ports: int, node: int) -> None:
    """Guests at these ports, with their memory on that node. They and what the switch has of them are there, and no frame is lost.

    A CPU that is emulated stands still at times, less often with priority, and the switch ends a connection that seems to hold it
    up: then once more.
    """
    for attempt in range(ATTEMPTS):
        machine.run(f"rm -f /tmp/v/in{ports}; mkfifo /tmp/v/in{ports}; sleep 1000 >/tmp/v/in{ports} & "
                    f"taskset {1 << node:x} victims /tmp/v {' '.join(PORTS[ports])} </tmp/v/in{ports} "
                    f">/tmp/v/said{ports} 2>&1 & echo $! >/tmp/v/pid{ports}")
        try:
            wait_until(lambda: all(_is_on(machine, port, node) for port in PORTS[ports]), 20, "the ports to be on their node")
            machine.run(f"echo check >/tmp/v/in{ports}")
            said = wait_until(lambda: machine.run(f"sed /ready/d /tmp/v/said{ports}"), 10, "the victims to check their frames")
            assert "ok" in said, said
            return
        except (AssertionError, LabError) as error:
            log = machine.run(f"tail -n 20 /tmp/v/log; cat /tmp/v/said{ports}", check=False)
            if attempt == ATTEMPTS - 1 or "connection ended: " not in log:
                raise LabError(f"{error}; the switch and its guests said:\n{log}") from error
            _end(machine, ports)


def _is_on(machine: Guest, port: str, node: int) -> bool:
    shown = vusctl_inside(machine, f"port {port}")
    return bool(re.search(rf"numa memory +node {node} .*the switch's own for it: node {node}\n", shown))


def _mapped(machine: Guest) -> dict[str, tuple[int, int]]:
    """Pages on nodes 0 and 1: of guests' memory, and of the switch's own that is no file, heap or stack."""
    said = machine.run("awk '/memfd/ { kind = \"guest\" } !/memfd/ { kind = /file=|heap|stack/ ? \"\" : \"own\" } "
                       "{ for (i = 3; i <= NF; i++) if (split($i, part, \"=\") == 2 && part[1] ~ /^N[01]$/) "
                       "pages[kind part[1]] += part[2] } "
                       "END { for (key in pages) print key, pages[key] }' /proc/$(pidof vuswitch)/numa_maps")
    pages = dict(line.split() for line in said.splitlines())
    return {kind: (int(pages.get(f"{kind}N0", 0)), int(pages.get(f"{kind}N1", 0))) for kind in ("guest", "own")}


def _polls(machine: Guest, lcore: int) -> tuple[int, set[str]]:
    """The node of an lcore, and the ports it polls, of which none crosses."""
    found = re.search(rf"(?m)^{lcore} +\d+ +(\d) +0/\d .* (?:us|ms) +(.*)$", vusctl_inside(machine, "lcores"))
    assert found, vusctl_inside(machine, "lcores")
    return int(found[1]), set(re.findall(r"(\w+):0 ", found[2]))


@newest_qemu
def test_what_is_had_of_a_port_lies_with_its_guest(machine: Guest) -> None:
    """Ports and lcores are at the guests' node, as vusctl says and as the kernel does; also of a guest that comes back elsewhere."""
    before = _mapped(machine)
    for node in (0, 1):
        _begin(machine, node, node)
    after = _mapped(machine)
    for node in (0, 1):
        assert _polls(machine, 1 + node) == (node, set(PORTS[node]))
        assert re.search(r"\n +0 +yes +\d .* no\n", vusctl_inside(machine, f"port {PORTS[node][0]}"))  # the queue does not cross
    # Each guest has used some ten pages at least; control has made all ports on node 0, of five pages each at least.
    assert after["guest"][1] >= before["guest"][1] + 3 * 10, (before, after)
    assert after["own"][1] >= before["own"][1] + 3 * 5, (before, after)
    _end(machine, 1)
    _begin(machine, 1, 0)
    assert _polls(machine, 1) == (0, {*PORTS[0], *PORTS[1]})
    back = _mapped(machine)
    assert back["own"][1] <= after["own"][1] - 3 * 5, (after, back)
