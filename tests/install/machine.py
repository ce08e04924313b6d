# SPDX-License-Identifier: BSD-3-Clause
"""A machine that has the programs and some Debian packages, and nothing else: a root folder, filled from the packages of
this machine, in which programs run in namespaces of their own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from conftest import ROOT, Installed
from vulab.process import run


def listed(group: str) -> list[str]:
    """A group of scripts/lib/packages."""
    return run(["bash", "-c", f'. "$0"; printf "%s\\n" "${{packages_{group}[@]}}"', ROOT / "scripts/lib/packages"]).split()


@cache
def query(*words: str) -> str:
    return run(["dpkg-query", *words])


def with_dependencies(packages: Iterable[str]) -> set[str]:
    """The packages, and all that they depend on, as apt would bring them."""
    found: set[str] = set()
    wanted = list(packages)
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found.add(name)
        for part in query("-W", "-f", "${Pre-Depends},${Depends}", name).split(","):
            # The first of several that would do; without its version and architecture.
            first = re.match(r"\s*([a-z0-9.+-]+)", part)
            # What makes configuration files and folders runs at the installation only.
            if first and first.group(1) not in ("debconf", "dpkg"):
                wanted.append(first.group(1))
    return found


@cache
def linked_packages(program: Path) -> set[str]:
    """The packages of the libraries that a program is linked with, its own and not those of other libraries."""
    needed = re.findall(r"NEEDED +(\S+)", run(["objdump", "-p", program]))
    found = dict(re.findall(r"^\s*(\S+) => (/\S+)", run(["ldd", program]), re.M))
    # Without the dynamic linker, which is libc's.
    paths = {str(Path(found[library]).resolve()) for library in needed if library in found}
    # dpkg may know a file by where it was before /lib became a link to /usr/lib, and says so of the other name.
    said = run(["dpkg-query", "-S", *paths, *(path.removeprefix("/usr") for path in paths)], 60, check=False)
    owners = {"/usr" + path.removeprefix("/usr"): names.split(":")[0]
              for names, path in re.findall(r"^(\S+): (/\S+)$", said, re.M)}
    assert set(owners) == paths, f"of no package: {paths - set(owners)}"
    return set(owners.values())


class Machine:
    """packages, and what they depend on, beside the programs that were installed."""

    def __init__(self, root: Path, package: Installed, packages: Iterable[str]) -> None:
        self.root = root
        for folder in ("usr/lib", "usr/lib64", "usr/bin", "usr/sbin", "var", "proc", "sys", "dev", "run", "tmp",
                       "etc"):
            (root / folder).mkdir(parents=True)
        for link in ("lib", "lib64", "bin", "sbin"):
            (root / link).symlink_to(f"usr/{link}")
        (root / "var/run").symlink_to("/run")
        shutil.copytree(package.root, root, dirs_exist_ok=True)
        self.has: set[str] = set()
        self.add(packages)

    def add(self, packages: Iterable[str]) -> None:
        """Installs packages: the programs and libraries in them."""
        for name in with_dependencies(packages) - self.has:
            self.has.add(name)
            for line in query("-L", name).splitlines():
                source, target = Path(line), self.root / line.lstrip("/")
                if "/lib" in line and "/gconv/" not in line and (source.is_symlink() or source.is_file()):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if not target.is_symlink() and not target.exists():
                        shutil.copy2(source, target, follow_symlinks=False)

    def command(self, *words: str) -> list[str]:
        """In there, with a network of its own; all of it goes with the process."""
        script = ("for folder in proc sys dev; do mount --rbind /$folder \"$0/$folder\" || exit; done; "
                  "[ ! -d \"$0/nics\" ] || mount --bind \"$0/nics\" \"$0/sys/bus/pci/devices\" || exit; "
                  "exec chroot \"$0\" \"$@\"")
        return ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script, str(self.root), *words]

    def add_nic(self, address: str, kernel_driver: str) -> None:
        """From now on this is all there is on its PCI bus, as far as sysfs tells: an Intel 82574."""
        nic = self.root / "nics" / address
        nic.mkdir(parents=True)
        for name, text in {"vendor": "0x8086", "device": "0x10d3", "subsystem_vendor": "0x8086",
                           "subsystem_device": "0x0000", "class": "0x020000",
                           "resource": "\n".join(["0x0000000000000000 " * 3] * 6)}.items():
            (nic / name).write_text(text + "\n")
        (nic / "driver").symlink_to(f"../../drivers/{kernel_driver}")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60, check=False)
