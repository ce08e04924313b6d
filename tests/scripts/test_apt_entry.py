# SPDX-License-Identifier: BSD-3-Clause
"""scripts/lib/apt-entry against sources of its own: a repository in a folder, named in either form that apt reads."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "lib" / "apt-entry"
pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get here")


def codename() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    pytest.skip("/etc/os-release names no release")


def publish(mirror: Path, suite: str, origin: str = "Debian") -> None:
    """One suite of a mirror, with one package: apt keeps no empty lists."""
    packages = mirror / "dists" / suite / "main" / "binary-amd64" / "Packages"
    packages.parent.mkdir(parents=True)
    text = b"Package: one\nVersion: 1\nArchitecture: all\nFilename: one.deb\nSize: 1\n"
    packages.write_bytes(text)
    digest = hashlib.sha256(text).hexdigest()
    (mirror / "dists" / suite / "Release").write_text(
        f"Origin: {origin}\nSuite: {suite}\nCodename: {suite}\nComponents: main\nArchitectures: amd64\n"
        f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {digest} {len(text)} main/binary-amd64/Packages\n")


class Machine:
    """What apt would get on a machine with these sources."""

    def __init__(self, folder: Path) -> None:
        self.sources = folder / "sources.d"
        self.config = folder / "apt.conf"
        for name in ("sources.d", "lists/partial", "cache/archives/partial", "out"):
            (folder / name).mkdir(parents=True)
        self.out = folder / "out"
        self.mirror = folder / "mirror"
        self.config.write_text(
            f'Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "{self.sources}";\n'
            f'Dir::State::lists "{folder}/lists"; Dir::Cache "{folder}/cache";\n'
            'APT::Architecture "amd64"; APT::Architectures "amd64"; APT::Sandbox::User "root";\n'
            'Acquire::Languages "none";\n')
        for suite in (codename(), codename() + "-backports"):
            publish(self.mirror, suite)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=os.environ | {"APT_CONFIG": str(self.config), "LC_ALL": "C"},
                              capture_output=True, text=True, timeout=60, check=False)

    def entry(self) -> subprocess.CompletedProcess[str]:
        assert self.run("apt-get", "-q", "update").returncode == 0
        return self.run(SCRIPT, self.out, codename(), codename() + "-backports")

    def read_entry(self) -> str:
        """What apt reads with the entry that was written in place of the machine's."""
        for old in self.sources.iterdir():
            old.unlink()
        for new in self.out.iterdir():
            new.rename(self.sources / new.name)
        update = self.run("apt-get", "-q", "update")
        assert update.returncode == 0, update.stderr
        assert "W:" not in update.stderr, update.stderr
        return self.run("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI) $(TRUSTED)",
                        "Created-By: Packages").stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def check(machine: Machine) -> None:
    entry = machine.entry()
    assert (entry.returncode, entry.stdout) == (0, f"file:{machine.mirror}/\n"), entry.stderr
    assert machine.read_entry() == "".join(
        f"{suite} main file:{machine.mirror}/ yes\n" for suite in (codename(), codename() + "-backports"))


def test_lines(machine: Machine) -> None:
    (machine.sources / "a.list").write_text(
        f"# deb [trusted=yes] file:{machine.mirror}/old {codename()} main\n\n"
        f"  deb  [trusted=yes]  file:{machine.mirror}  {codename()}  main\n")
    check(machine)


def test_stanzas(machine: Machine) -> None:
    other = machine.mirror.parent / "other"
    publish(other, codename(), origin="Somebody else")
    (machine.sources / "debian.sources").write_text(
        "# what is said here is not a stanza\n\n"
        f"Types: deb\nURIs: file:{other}\nSuites: {codename()}\nComponents: main\nTrusted: yes\n\n"
        f"Types: deb\n# a mirror\nURIs: file:{machine.mirror}\nSuites: {codename()}\n"
        "Components:\n main\nTrusted: yes\n")
    check(machine)


def test_no_source_of_debian(machine: Machine) -> None:
    entry = machine.entry()
    assert entry.returncode == 1
    assert entry.stderr.splitlines()[-1].startswith("apt-entry: apt knows no source of Debian")
