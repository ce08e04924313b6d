# SPDX-License-Identifier: BSD-3-Clause
"""The long form: each target until it has had its time and nothing new comes; how it stands, a line a minute, in
build-fuzz/long."""

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
# For an input, of the wall: what may wait hours may wait for a CPU.
INPUT_LIMIT_S = 900


class _Watch:
    """Whether a run has had enough; and its lines."""

    def __init__(self, name):
        folder = build.FOLDER / "long"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.log"
        self.path.write_text("")
        self.minutes = 0

    def __call__(self, run):
        if run.wall_s // 60 > self.minutes:
            self.minutes = run.wall_s // 60
            with self.path.open("a") as log:
                log.write(f"{time.strftime('%H:%M', time.gmtime())} {run.row()}\n")
        return run.cpu_s >= LEAST_S and run.cpu_s - run.last_edge_s >= QUIET_S


def _run(name, program):
    work = build.FOLDER / "work" / name
    work.mkdir(parents=True, exist_ok=True)
    corpus = build.unpack(name, build.FOLDER / "corpus" / name)
    run = Run(name, program, [work, corpus], build.FINDINGS, [f"-timeout={INPUT_LIMIT_S}"])
    return run.go(_Watch(name), MOST_S)


def run_long(names, jobs):
    """Prints a row of docs/reliability.md for each target."""
    commit = subprocess.run(["git", "-c", "safe.directory=*", "rev-parse", "--short", "HEAD"], cwd=build.ROOT, text=True,
                            capture_output=True, check=False).stdout.strip() or "unknown"
    programs = build.fuzzers(names)
    found = 0
    print("| target | CPU | executions | a second | edges | last new edge after | findings | when, commit |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # In the order in which they end.
        for task in concurrent.futures.as_completed(list(map(pool.submit, [_run] * len(names), names, programs))):
            run = task.result()
            found += run.found
            print(f"| {run.name} | {run.cpu_s / 60:.0f} min | {run.executions:,} | {run.executions / max(run.cpu_s, 1):,.0f} |"
                  f" {run.edges} | {run.last_edge_s / 60:.0f} min | {int(run.found)} |"
                  f" {time.strftime('%Y-%m-%d', time.gmtime())}, `{commit}` |", flush=True)
            if run.found:
                print(run.explain(), flush=True)
    return 1 if found else 0
