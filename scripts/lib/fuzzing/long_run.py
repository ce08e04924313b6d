# SPDX-License-Identifier: BSD-3-Clause
"""The long form: each target until it has had its time and nothing new comes."""

import concurrent.futures
import os
import subprocess
import time

from . import build
from .run import Run

SHARE = int(os.environ.get("VUSWITCH_LONG_SHARE", "1"))
LEAST_S = 40 * 60 / SHARE  # of CPU
QUIET_S = 10 * 60 / SHARE  # of CPU, without a new edge
MOST_S = 6 * 3600  # of the wall, whatever comes


def _enough(run):
    return run.cpu_s >= LEAST_S and run.cpu_s - run.last_edge_s >= QUIET_S


def _run(name, program):
    work = build.FOLDER / "work" / name
    work.mkdir(parents=True, exist_ok=True)
    corpus = build.unpack(name, build.FOLDER / "corpus" / name)
    return Run(name, program, [work, corpus], build.FINDINGS).go(_enough, MOST_S)


def run_long(names, jobs):
    """Prints a row of docs/reliability.md for each target."""
    commit = subprocess.run(["git", "-c", "safe.directory=*", "rev-parse", "--short", "HEAD"], cwd=build.ROOT, text=True,
                            capture_output=True, check=False).stdout.strip() or "unknown"
    programs = build.fuzzers(names)
    found = 0
    print("| target | CPU | executions | a second | edges | last new edge after | findings | when, commit |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for run in pool.map(_run, names, programs):
            found += run.found
            print(f"| {run.name} | {run.cpu_s / 60:.0f} min | {run.executions:,} | {run.executions / max(run.cpu_s, 1):,.0f} |"
                  f" {run.edges} | {run.last_edge_s / 60:.0f} min | {int(run.found)} |"
                  f" {time.strftime('%Y-%m-%d', time.gmtime())}, `{commit}` |", flush=True)
            if run.found:
                print(run.explain(), flush=True)
    return 1 if found else 0
