# SPDX-License-Identifier: BSD-3-Clause
"""What this machine is: its CPUs, its memory, its huge pages."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .process import LabError

POOLS = Path("/sys/kernel/mm/hugepages")


def _field(path: str, pattern: str) -> str:
    """What a line of a file below /proc says; empty if there is none."""
    found = re.search(pattern, Path(path).read_text(encoding="ascii", errors="replace"), re.MULTILINE)
    return found[1] if found else ""


def cpu_model() -> str:
    return _field("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine()


def tsc_hz() -> float:
    """How fast the time stamp counter counts, by the CPU's nominal frequency, or else as fast as it runs now; 0: unknown."""
    twice_mhz = _field("/proc/cpuinfo", r"^bogomips\s*:\s*([\d.]+)")  # of x86
    if twice_mhz and _field("/proc/cpuinfo", r"^flags\b.* (constant_tsc)\b"):
        return float(twice_mhz) * 1e6 / 2
    return float(_field("/proc/cpuinfo", r"^cpu MHz\s*:\s*([\d.]+)") or 0) * 1e6


def check_cpus(cpus: Iterable[int], mend: str) -> None:
    """Raises LabError if this process may not use one of them."""
    allowed = os.sched_getaffinity(0)
    missing = sorted(set(cpus) - allowed)
    if missing:
        raise LabError(f"CPU {missing[0]} is not one this process may use ({','.join(map(str, sorted(allowed)))}): {mend}")


def available_mib() -> int:
    """What this machine could still give to a process."""
    return int(_field("/proc/meminfo", r"^MemAvailable: *(\d+) kB") or 0) // 1024


def _pool(page: int) -> Path:
    return POOLS / f"hugepages-{page * 1024}kB"


def free_huge_mib() -> int:
    """What is free in pages of 2 MiB."""
    try:
        return int((_pool(2) / "free_hugepages").read_text()) * 2
    except OSError:
        return 0


@contextlib.contextmanager
def huge_pages(mib: int, page: int = 2) -> Iterator[bool]:
    """Sees to it that so much is free in pages of so many MiB; afterwards the pool is as it was.

    False: this machine does not have them.
    """
    pool, wanted, added = _pool(page), mib // page, 0
    try:
        free, total = (int((pool / name).read_text()) for name in ("free_hugepages", "nr_hugepages"))
        if free < wanted:
            (pool / "nr_hugepages").write_text(str(total + wanted - free))
            added = int((pool / "nr_hugepages").read_text()) - total
        enough = int((pool / "free_hugepages").read_text()) >= wanted
    except OSError:
        enough = False
    try:
        yield enough
    finally:
        if added:
            # others may have asked for more meanwhile
            (pool / "nr_hugepages").write_text(
                str(max(0, int((pool / "nr_hugepages").read_text()) - added)))
