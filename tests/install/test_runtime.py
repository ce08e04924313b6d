# SPDX-License-Identifier: BSD-3-Clause
"""A package brings what its programs are linked with. With that, and with nothing that happens to be on the machine where
they were built, they start.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT, Installed
from machine import Machine, linked_packages, listed, query
from vulab.process import Process, run

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no Debian")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root (namespaces): run it as root")
VUSWITCH = ("/usr/bin/vuswitch", "--lcores", "0@0,1@0", "--no-huge", "--no-shconf", "--", "--control", "/run/c.sock")


def linked(package: Installed) -> set[str]:
    """What a package of the programs would depend on."""
    programs = ("bin/vuswitch", "bin/vusctl", "libexec/vuswitch/vuswitch-lane", "libexec/cni/vuscni")
    return set().union(*(linked_packages(package.at(package.prefix / program)) for program in programs))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, package: Installed) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"), package, linked(package))


@contextmanager
def switch(machine: Machine, *options: str) -> Iterator[Path]:
    """A switch that is ready, in there; ended by SIGTERM, with status 0."""
    log = machine.root / "tmp" / "log"
    log.unlink(missing_ok=True)
    process = Process("vuswitch", machine.command(*VUSWITCH, *options), log)
    try:
        process.wait_for(" ready: ", 60)
        yield log
    finally:
        status = process.stop(60)
    assert status == 0, log.read_text()


@needs_dpkg
def test_the_list_is_what_is_linked(package: Installed) -> None:
    assert linked(package) == set(listed("runtime"))


@needs_dpkg
@needs_root
def test_it_starts_with_ports_of_vms(machine: Machine) -> None:
    with switch(machine, "--vhost", "vm1=/run/vm1.sock", "--vhost", "vm2=/run/vm2.sock,mode=client") as log:
        ports = machine.run("/usr/bin/vusctl", "--control", "/run/c.sock", "ports")
        version = machine.run("/usr/bin/vusctl", "--control", "/run/c.sock", "-j", "version")
        here = machine.run("/usr/bin/vusctl", "--version")
        assert re.findall(r"^(vm\d) .*vhost-user", ports.stdout, re.M) == ["vm1", "vm2"], ports
        assert here.stdout.split()[1] in version.stdout, (here, version)
        assert "EAL" not in log.read_text()


@needs_dpkg
@needs_root
def test_a_port_without_a_driver_names_its_package(machine: Machine, package: Installed, tmp_path: Path) -> None:
    """And with that package it is made."""
    options = ("--ethdev", "up0=net_ring0")
    said = machine.run(*VUSWITCH, *options)
    lines = [line for line in said.stderr.splitlines() if "up0: error" in line]
    assert said.returncode == 1 and len(lines) == 1, said
    driver = re.search(r"install its package \(Debian: (\S+)\)", lines[0])
    assert driver, lines
    other = Machine(tmp_path / "root", package, [*linked(package), driver.group(1)])
    with switch(other, *options) as log:
        assert "up0: port ethdev" in log.read_text()


@needs_dpkg
@needs_root
@pytest.mark.skipif(not Path("/sys/bus/pci/devices").is_dir(), reason="no PCI here")
@pytest.mark.parametrize("kernel_driver, wants_package", [("vfio-pci", True), ("e1000e", False)])
def test_a_nic_without_a_driver(package: Installed, tmp_path: Path, kernel_driver: str, wants_package: bool) -> None:
    """Which of the two is missing shows in its driver of the kernel."""
    machine = Machine(tmp_path / "root", package, linked(package))
    machine.add_nic("0000:03:00.0", kernel_driver)
    said = machine.run(*VUSWITCH, "--ethdev", "up0=0000:03:00.0")
    lines = [line for line in said.stderr.splitlines() if "up0: error" in line]
    assert said.returncode == 1 and len(lines) == 1, said
    assert ("no DPDK driver for this NIC is installed; install the package" in lines[0]) == wants_package, lines


@needs_dpkg
@needs_root
def test_a_first_start_names_the_example(machine: Machine) -> None:
    """As the unit starts it, before there is a configuration."""
    said = machine.run("/usr/bin/vuswitch", "--config", "/etc/vuswitch/vuswitch.yaml", "--check")
    assert said.returncode == 1 and len(said.stderr.splitlines()) == 1, said
    example = re.search(r"as in (\S+\.example),", said.stderr)
    assert example, said
    assert machine.run("/usr/bin/vuswitch", "--config", example.group(1), "--check").returncode == 0


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A folder of user nobody's, in one that everybody may pass."""
    folder = Path(tempfile.mkdtemp(prefix="vuswitch-"))
    os.chown(folder, 65534, 65534)
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_it_needs_no_right_in_a_container(package: Installed, anybodys: Path) -> None:
    """As an unprivileged container has it: root in a user namespace, nobody outside of it; no huge pages, no device, a network of its own."""
    for name in ("vuswitch", "vusctl"):
        shutil.copy(package.at(package.prefix / "bin" / name), anybodys)
    namespaces = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                  "unshare", "--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts"]
    control = anybodys / "control.sock"
    process = Process("vuswitch", [
        *namespaces, "env", f"XDG_RUNTIME_DIR={anybodys}", anybodys / "vuswitch", "--lcores", "0@0,1@0", "--no-huge", "--no-shconf", "--",
        "--control", control, "--vhost", f"vm1={anybodys}/vm1.sock", "--vhost", f"vm2={anybodys}/vm2.sock"], anybodys / "log")
    try:
        process.wait_for(" ready: ", 60)
        ports = run([*namespaces, anybodys / "vusctl", "--control", control, "ports"])
        assert re.findall(r"^(vm\d) .*waiting: no front end is connected, listening", ports, re.M) == ["vm1", "vm2"], ports
    finally:
        status = process.stop(60)
    assert status == 0, (anybodys / "log").read_text()


@needs_dpkg
def test_the_drivers_in_the_documentation_are_packages() -> None:
    named = set(re.findall(r"`(librte-[a-z0-9-]+)`", (ROOT / "docs" / "operations" / "attach.md").read_text()))
    assert len(named) > 10
    known = set(query("-W", "-f", "${Package}\n", "librte-*").split())
    assert named <= known, named - known
