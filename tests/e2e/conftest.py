# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests share: guests are booted once per module.

Run as root: /usr/bin/python3 -m pytest tests/e2e. $VUSWITCH_QEMU lists the QEMUs to use, with
colons between; $VUSWITCH_BUILD names the build folder; $VUSWITCH_SLOW stretches the deadlines;
$VUSWITCH_MACHINES=all boots every firmware and machine with every QEMU, which scripts/test --long does.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))

from vulab.guest import guest_image, qemu_binaries, qemu_version  # noqa: E402
from vulab.lab import Lab  # noqa: E402
from vulab.paths import build_folder, program  # noqa: E402

_open_labs: list[Lab] = []


def pytest_configure(config: pytest.Config) -> None:
    if os.geteuid() != 0:
        pytest.exit("tests/e2e: needs root (namespaces, taps): run it as root", returncode=1)
    binary = program("vuswitch")
    if not os.access(binary, os.X_OK):
        pytest.exit(f"tests/e2e: no {binary}: run 'ninja -C {build_folder()}', or set "
                    "VUSWITCH_BUILD", returncode=1)


def _qemu_name(qemu: Path) -> str:
    return "qemu-{}.{}".format(*qemu_version(qemu))


# Firmware and other machines are slow: every run boots some of them, with the newest QEMU.
ALL_MACHINES = os.environ.get("VUSWITCH_MACHINES") == "all"
newest_qemu = pytest.mark.parametrize(
    "qemu", qemu_binaries() if ALL_MACHINES else qemu_binaries()[-1:], ids=_qemu_name, indirect=True)
long_form = pytest.mark.skipif(
    not ALL_MACHINES, reason="slow: runs in scripts/test --long, or with VUSWITCH_MACHINES=all")


@pytest.fixture(scope="session", params=qemu_binaries(), ids=_qemu_name)
def qemu(request: pytest.FixtureRequest) -> Path:
    """Each QEMU of this machine in turn."""
    path: Path = request.param
    return path


@pytest.fixture(scope="session")
def image() -> Path:
    return guest_image()


def open_lab() -> Iterator[Lab]:
    """A lab that is closed, whatever happens, and whose logs are shown if a test fails."""
    lab = Lab()
    _open_labs.append(lab)
    try:
        yield lab
    finally:
        _open_labs.remove(lab)
        keep = os.environ.get("VUSWITCH_KEEP_LOGS")
        if keep:
            shutil.copytree(lab.folder, Path(keep) / lab.folder.name,
                            ignore=lambda folder, names: [
                                name for name in names if not name.endswith(".log")
                                and not Path(folder, name).is_dir()])
        lab.close()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab for one test."""
    yield from open_lab()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Shows what everything said while the lab of the failed test is still open."""
    if report.failed:
        for lab in _open_labs:
            report.sections.append(("what was running said", lab.report()))
