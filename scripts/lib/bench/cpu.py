# SPDX-License-Identifier: BSD-3-Clause
"""How much of a CPU a thread really had, and how to give it more."""

import contextlib
import os
import re
import time


def cpu_times(pid):
    """{thread id: nanoseconds on a CPU so far} of all threads of a process."""
    times = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as file:
                times[tid] = int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return times


def set_real_time(threads, real_time, rank=1):
    """Ahead of everything that is not (SCHED_FIFO), or as before; where we may, and those that are still there."""
    policy, priority = (os.SCHED_FIFO, rank) if real_time else (os.SCHED_OTHER, 0)
    for thread in threads:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.sched_setscheduler(int(thread), policy, os.sched_param(priority))


def threads_named(pid, pattern):
    """The threads of a process whose names begin so."""
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
            if re.match(pattern, file.read()):
                found.append(tid)
    return found


def polling_threads(pid):
    """Those that move packets: an lcore's of DPDK (older, newer), a PMD thread of Open vSwitch, a worker of VPP."""
    return threads_named(pid, r"(lcore|rte)-worker|dpdk-worker|pmd-c|vpp_wk")


def waking_threads(pid):
    """Those that hear kicks for them: what polls in front of them would keep a quiet queue from its frames."""
    return threads_named(pid, r"vus-bell")


def busiest_share(before, after, seconds):
    """How much of a CPU the busiest thread had between two cpu_times(), 0 to 1."""
    used = max((after[tid] - before.get(tid, 0) for tid in after), default=0)
    return used / 1e9 / seconds


class CpuWatch:
    """How much of its CPU the polling thread of each process really had, since this was made."""

    def __init__(self, processes):
        self._processes = processes
        self._before = [cpu_times(pid) for pid in processes]
        self._since = time.monotonic()
        self._steal = steal_ticks()

    def shares(self):
        """A share (0 to 1) a process."""
        seconds = time.monotonic() - self._since
        return [busiest_share(before, cpu_times(pid), seconds)
                for pid, before in zip(self._processes, self._before)]

    def stolen(self):
        """Seconds that a hypervisor kept from the machine's CPUs."""
        return (steal_ticks() - self._steal) / 100


def steal_ticks():
    """Clock ticks that a hypervisor has kept from all our CPUs so far."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8])
