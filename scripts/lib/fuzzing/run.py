# SPDX-License-Identifier: BSD-3-Clause
"""A run of a target, watched: executions, edges, and when the last edge came; runs of many."""

import concurrent.futures
import os
import re
import signal
import subprocess
import tempfile
import time

from . import build, planted

# An input that takes longer is a finding. Seconds of the wall: other processes use the CPUs, too.
INPUT_LIMIT_S = 25
SHM = "/dev/shm"
TICK = os.sysconf("SC_CLK_TCK")
STATUS = re.compile(r"^#(\d+)\s+(\w+).*?\bcov: (\d+)")
EXECUTIONS = re.compile(r"^stat::number_of_executed_units:\s+(\d+)")
ARTIFACT = re.compile(r"Test unit written to (\S+)")


class Run:
    """One run of one target's program. Give up: a function of the run; true ends it."""

    def __init__(self, name, program, corpus, findings, extra=()):
        self.name, self.program = name, program
        self.executions = self.edges = self.first_edges = 0
        self.cpu_s = self.last_edge_s = self.wall_s = 0.0
        self.edges_at = []  # (CPU seconds, edges): when it grew
        self.artifact = None
        self.status = None
        self.lines = []
        findings.mkdir(parents=True, exist_ok=True)
        self.command = [str(program), f"-artifact_prefix={findings}/{name}-", f"-timeout={INPUT_LIMIT_S}", "-print_final_stats=1",
                        "-rss_limit_mb=2560", "-max_len=4096", "-reload=0", *extra, *map(str, corpus)]
        words = build.SOURCES / f"{name}.dict"
        if words.exists():
            self.command.insert(1, f"-dict={words}")

    def _look_at_cpu(self, pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rpartition(")")[2].split()
            self.cpu_s = (int(fields[11]) + int(fields[12])) / TICK
        except (OSError, IndexError):
            pass

    def _read(self, line):
        self.lines = self.lines[-400:] + [line]
        if match := STATUS.match(line):
            self.executions = int(match.group(1))
            if match.group(2) == "INITED":
                self.first_edges = int(match.group(3))
            if int(match.group(3)) > self.edges:
                self.edges = int(match.group(3))
                self.last_edge_s = self.cpu_s
                self.edges_at.append((self.cpu_s, self.edges))
        elif match := EXECUTIONS.match(line):
            self.executions = int(match.group(1))
        elif match := ARTIFACT.search(line):
            self.artifact = match.group(1)

    def go(self, give_up, hard_s):
        """Runs until give_up(self), or its end; at most hard_s seconds of the wall."""
        began = time.monotonic()
        asked = False
        environment = dict(os.environ, ASAN_OPTIONS="allocator_may_return_null=1:handle_abort=1:detect_stack_use_after_return=0",
                           UBSAN_OPTIONS="print_stacktrace=1")
        # Files of a target that is ended by a signal go with the folder.
        with tempfile.TemporaryDirectory(prefix="vuswitch-fuzz-", dir=SHM if os.path.isdir(SHM) else None) as folder, \
                subprocess.Popen(["nice", *self.command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, env=dict(environment, TMPDIR=folder)) as child:
            os.set_blocking(child.stderr.fileno(), False)
            rest = b""
            while True:
                ended = child.poll() is not None
                self._look_at_cpu(child.pid)
                self.wall_s = time.monotonic() - began
                rest = self._take(rest + (child.stderr.read() or b""))
                if ended:
                    break
                if not asked and (give_up(self) or self.wall_s > hard_s):
                    child.send_signal(signal.SIGUSR1)
                    asked = True
                elif self.wall_s > hard_s + 60:
                    child.kill()
                time.sleep(0.1)
            self.status = child.returncode
        return self

    def _take(self, data):
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._read(line.decode(errors="replace"))
        return rest

    @property
    def found(self):
        """libFuzzer's status of an interrupted run is 0, too; None: it still runs."""
        return self.status not in (None, 0)

    def row(self):
        rate = self.executions / self.wall_s if self.wall_s else 0
        late = [edges for at, edges in self.edges_at if at <= 0.75 * self.cpu_s]
        new = self.edges - (late[-1] if late else 0)
        return (f"{self.name:<14}{self.executions:>11} executions {rate:>7.0f}/s {self.edges:>6} edges,"
                f" {self.edges - self.first_edges:>4} beyond the corpus, {new:>3} in the last quarter,"
                f" the last after {self.last_edge_s:>4.0f} of {self.cpu_s:>4.0f} s of CPU"
                f"  {'A FINDING' if self.found else 'no finding'}")

    def finding(self):
        """One line: what, where the input is, how it is played again."""
        what = [line for line in self.lines if re.search(r"does not hold|runtime error|ERROR: |SUMMARY: ", line)]
        text = re.sub(r"^==\d+==", "", what[0]).strip() if what else f"ended with status {self.status}"
        place = os.path.relpath(self.artifact) if self.artifact else "none was kept"
        return f"fuzz: {self.name}: {text}; input: {place}; again: {os.path.relpath(self.program)} {place}"

    def explain(self):
        """What a person needs who reads it."""
        marks = [i for i, line in enumerate(self.lines) if re.search(r"ERROR|runtime error|does not hold|ALARM|SUMMARY", line)]
        first = max(0, (marks[0] if marks else len(self.lines) - 40) - 2)
        words = ["    " + line for line in self.lines[first:first + 60]]
        return "\n".join(words + [self.finding()])


def run_one(name, program, seconds, work=None, seed=None):
    """`work` is where new inputs are kept. With a seed the inputs are the same each time, as many as there is time for."""
    corpus = [build.unpack(name, build.FOLDER / "corpus" / name)]
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        corpus.insert(0, work)
    run = Run(name, program, corpus, build.FINDINGS, [f"-seed={seed}"] if seed is not None else ())
    return run.go(lambda run: run.wall_s > seconds, seconds + 60)


def run_all(names, seconds, jobs, merge, seed=None):
    planted.check(names)
    programs = build.fuzzers(names)
    works = [build.FOLDER / "work" / name if merge else None for name in names]
    found = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for run in pool.map(run_one, names, programs, [seconds] * len(names), works, [seed] * len(names)):
            print(run.row(), flush=True)
            if run.found:
                found += 1
                print(run.explain(), flush=True)
    if merge and not found:
        for name, program, work in zip(names, programs, works):
            print(add_to_corpus(name, program, work))
    return 1 if found else 0


# A corpus stays small: so many bytes of an input, and of all of them.
INPUT_BYTES = 1024
CORPUS_BYTES = 24 * 1024


def add_to_corpus(name, program, work):
    """The smallest inputs of corpus and work that reach all edges between them; those in the tree keep their place."""
    merged = build.FOLDER / "merged" / name
    build.unpack(name, merged)
    subprocess.run([program, "-merge=1", "-max_len=1024", merged, work], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True, timeout=900)
    old = set(build.inputs(name))
    total = sum(map(len, old))
    new = []
    for data in sorted((path.read_bytes() for path in merged.iterdir()), key=len):
        if data and data not in old and len(data) <= INPUT_BYTES and total + len(data) <= CORPUS_BYTES:
            new.append(data)
            total += len(data)
    with open(build.CORPUS / f"{name}.hex", "a", encoding="ascii") as file:
        file.writelines(data.hex() + "\n" for data in new)
    return f"{name}: {len(new)} inputs more, {len(old) + len(new)} in all, {total} bytes"
