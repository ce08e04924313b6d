# SPDX-License-Identifier: BSD-3-Clause
"""A guest's image with the switch in it, for what this machine does not have: a NIC, a second NUMA node."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .guest import Guest
from .paths import build_folder
from .process import run


def _copy_program(program: Path, root: Path) -> None:
    """A program, or a driver, with the libraries it names; links stay links."""
    files = [program]
    files += [Path(word) for word in re.findall(r"/\S+", run(["ldd", program]))]
    for file in files:
        real = file.resolve()
        at = root / real.relative_to("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        if not at.exists():
            shutil.copy(real, at)
        link = root / file.relative_to("/")
        if file != real and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(real)


def image_with_switch(image: Path, folder: Path, programs: Sequence[str], drivers: Sequence[str] = (),
                      modules: Sequence[str] = ()) -> Path:
    """The guest's image, and behind its files vuswitch, vusctl and more programs of the build, drivers of DPDK (`net_null`) and
    modules of the kernel (`vfio-pci`, to be found in /lib/modules).
    """
    more, made = folder / "root", folder / "image"
    made.mkdir()
    shutil.copy(image / "vmlinuz", made)
    release = (image / "release").read_text().strip()
    into = more / "lib/modules"
    into.mkdir(parents=True)
    places = [Path("/lib/modules") / release, image.parent / "kernel/lib/modules" / release]
    tree = next((place for place in places if place.exists()), None)
    assert tree or not modules, f"no modules of {release}"
    for name in modules:
        assert tree
        shutil.copy(next(tree.rglob(f"{name}.ko")), into)
    for program in ("app/vuswitch/vuswitch", "app/vusctl/vusctl", *programs):
        _copy_program(build_folder() / program, more)
        (more / "bin").mkdir(exist_ok=True)
        shutil.copy(build_folder() / program, more / "bin")
    for name in drivers:
        for file in Path("/usr/lib/x86_64-linux-gnu/dpdk").glob(f"pmds-*/librte_{name}.so*"):
            _copy_program(file, more)
    archive = subprocess.run("find . -print0 | cpio --quiet --null -o -H newc -R 0:0", shell=True,
                             cwd=more, check=True, capture_output=True).stdout
    # The kernel unpacks one archive after the other.
    (made / "initrd").write_bytes((image / "initrd").read_bytes() + gzip.compress(archive, 1))
    shutil.rmtree(more)
    return made


def vusctl_inside(machine: Guest, command: str) -> str:
    """What vusctl says of the switch in there, its errors too. The guest's shell is at a terminal, for which vusctl folds its lines;
    for cat it does not.
    """
    return machine.run(f"vusctl -c /tmp/v/control.sock {command} 2>&1 | cat", check=False)
