# SPDX-License-Identifier: BSD-3-Clause
"""What this machine is, as far as the figures depend on it."""

import os
import pathlib
import platform
import re
import time

from .process import BenchError, run

LINE_TRIP = pathlib.Path(__file__).resolve().parents[3] / "tests/perf/line_trip.c"
HUGE_2M = "/sys/kernel/mm/hugepages/hugepages-2048kB"


def cpu_model():
    match = re.search(r"^model name\s*:\s*(.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    return match.group(1) if match else platform.machine()


def tsc_hz():
    """The TSC's frequency, from the kernel log or the CPU's nominal frequency.

    It only scales "cycles per packet", so the nominal clock is good enough as a last resort.
    """
    flags = _text("/proc/cpuinfo")
    match = re.search(r"^bogomips\s*:\s*([\d.]+)", flags, re.MULTILINE)  # x86: 2 x TSC MHz
    if match and " constant_tsc" in flags:
        return float(match.group(1)) * 1e6 / 2
    match = re.search(r"^cpu MHz\s*:\s*([\d.]+)", flags, re.MULTILINE)
    return float(match.group(1)) * 1e6 if match else 0.0


def free_huge_mib():
    """Free 2 MiB hugepages, in MiB."""
    try:
        return int(_text(f"{HUGE_2M}/free_hugepages")) * 2
    except OSError:
        return 0


def line_trip(directory, generator_cpu, switch_cpu):
    """A function that takes the trip of a cache line between the two CPUs, in ns."""
    program = str(directory / "line_trip")
    run(["cc", "-O2", "-pthread", "-o", program, str(LINE_TRIP)], 30)
    cpus = [str(generator_cpu), str(switch_cpu)]
    return lambda: float(run([program, *cpus], 10, hurry=True))


def check_cpus(cpus):
    """Every CPU named on the command line must be there and ours."""
    allowed = os.sched_getaffinity(0)
    missing = sorted(set(cpus) - allowed)
    if missing:
        raise BenchError(f"CPU {missing[0]} is not one this process may use "
                         f"({','.join(map(str, sorted(allowed)))}): choose with --generator-cpu "
                         f"and --switch-cpu")


def describe(generator_cpu, switch_cpu, memory):
    return {
        "cpu": cpu_model(), "cpus": os.cpu_count(), "tsc_hz": tsc_hz(),
        "kernel": platform.release(), "memory": memory,
        "generator_cpu": generator_cpu, "switch_cpu": switch_cpu,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _text(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()
