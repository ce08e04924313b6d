# SPDX-License-Identifier: BSD-3-Clause
"""Memory that is paged out: room to swap to, and a group of processes whose memory goes there."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def swap_file(mib: int, folder: Path) -> Iterator[bool]:
    """Room to swap to, on the disk that has the folder, until the end. False: this machine does not let us have it."""
    file = folder / "swap"
    with file.open("wb") as out:
        for _ in range(mib):
            out.write(bytes(1 << 20))
    file.chmod(0o600)
    made = all(subprocess.run([command, str(file)], capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0
               for command in ("mkswap", "swapon"))
    try:
        yield made
    finally:
        if made:
            subprocess.run(["swapoff", str(file)], timeout=120, stdin=subprocess.DEVNULL, check=True)
        file.unlink()


class MemoryGroup:
    """A control group for the memory of what runs with prefix() before its command line."""

    def __init__(self, name: str) -> None:
        old = Path("/sys/fs/cgroup/memory")
        self._group = (old if old.is_dir() else Path("/sys/fs/cgroup")) / name
        self._reclaim, self._amount = ("memory.force_empty", "0") if old.is_dir() else ("memory.reclaim", "1G")
        self._group.mkdir()

    def prefix(self) -> list[str]:
        return ["sh", "-c", f'echo $$ >{self._group}/cgroup.procs && exec "$@"', "sh"]

    def page_out(self) -> None:
        """As much of it as the kernel finds. That it is not all is an error to the kernel."""
        with contextlib.suppress(OSError):
            (self._group / self._reclaim).write_text(self._amount)

    def stop(self) -> None:
        """Nothing runs in it any more."""
        self._group.rmdir()


def swapped_in() -> int:
    """Pages that have come back from swap, on the whole machine."""
    return int(dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())["pswpin"])
