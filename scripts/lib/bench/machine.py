# SPDX-License-Identifier: BSD-3-Clause
"""What the figures depend on: this machine, and how far from each other two of its CPUs are."""

import os
import platform
import time

from vulab.host import cpu_model, tsc_hz
from vulab.paths import ROOT
from vulab.process import HURRY, run


def line_trip(directory, generator_cpu, switch_cpu):
    """A function that takes the trip of a cache line between the two CPUs, in ns."""
    program = directory / "line_trip"
    run(["cc", "-O2", "-pthread", "-o", program, ROOT / "tests/perf/line_trip.c"], 30)
    # in a session of its own, whose niceness is not this one's
    argv = ["setsid", "--wait", *HURRY, program, generator_cpu, switch_cpu]
    return lambda: float(run(argv, 10))


def describe(generator_cpu, switch_cpu, memory):
    return {
        "cpu": cpu_model(), "cpus": os.cpu_count(), "tsc_hz": tsc_hz(),
        "kernel": platform.release(), "memory": memory,
        "generator_cpu": generator_cpu, "switch_cpu": switch_cpu,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
