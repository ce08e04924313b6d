# SPDX-License-Identifier: BSD-3-Clause
"""One child process with a log file, deadlines and a certain end.

A child never outlives the bench: it gets SIGKILL from the kernel when the bench dies (even by
kill -9), and Child.stop() ends it by its own means first. Its output goes to a log file and to a
buffer that wait_for() searches, so that every wait has a deadline and an error that shows the
last lines the child said.
"""

import contextlib
import ctypes
import os
import pty
import re
import signal
import subprocess
import threading
import time
import tty

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Meets the user as one line: what, where, how to mend."""


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _hurry():
    """Ahead of everything else on the machine, where we may.

    Linux weighs the sessions first if autogroup is on, so the session's own niceness counts too.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write("-20")
    except OSError:
        pass


class Child:
    """A started process. The environment is ours plus env; stdin is a pipe (see send)."""

    def __init__(self, name, argv, log_path, env=None, affinity=None):
        self.name = name
        self.argv = argv
        self.log_path = log_path
        self._buffer = ""
        self._grew = threading.Condition()
        self._log = open(log_path, "ab")

        def prepare():
            _die_with_parent()
            _hurry()
            if affinity is not None:
                os.sched_setaffinity(0, affinity)

        self._log.write(("$ " + " ".join(argv) + "\n").encode())
        self._log.flush()
        # a terminal, not a pipe, so that C programs write line by line
        self._terminal, out = pty.openpty()
        tty.setraw(out)
        try:
            # a session of its own: Ctrl-C reaches the bench alone, which then ends its children
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=out, stderr=out,
                env={**os.environ, **(env or {})}, preexec_fn=prepare, start_new_session=True)
        except OSError as error:
            os.close(self._terminal)
            self._log.close()
            raise BenchError(f"{name}: cannot start {argv[0]}: {error.strerror}") from error
        finally:
            os.close(out)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self.process.pid

    def send(self, line):
        """Write one line to the child's stdin."""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise BenchError(f"{self.name} has ended{self.last_words()}") from error

    def mark(self):
        """Forget the output so far: the next wait_for() sees only what comes from now on."""
        with self._grew:
            self._buffer = ""

    def wait_for(self, pattern, seconds):
        """The match of pattern (a regular expression) in the output since the last mark()."""
        expression = re.compile(pattern, re.DOTALL)
        deadline = time.monotonic() + seconds
        with self._grew:
            while True:
                match = expression.search(self._buffer)
                if match:
                    return match
                left = deadline - time.monotonic()
                if left <= 0:
                    raise BenchError(f"{self.name} did not say '{pattern[:60]}' within "
                                     f"{seconds:g} s{self.last_words()}")
                if not self._reader.is_alive():
                    raise BenchError(f"{self.name} has ended{self.last_words()}")
                self._grew.wait(min(left, 0.2))

    def alive(self):
        return self.process.poll() is None

    def stop(self, seconds=5.0, polite=None):
        """End the child: by the line `polite` if it has a prompt, then SIGTERM, then SIGKILL."""
        steps = [lambda: self.process.send_signal(signal.SIGTERM), self.process.kill]
        if polite is not None:
            steps.insert(0, lambda: self.send(polite))
        for step in steps:
            if not self.alive():
                break
            try:
                step()
                self.process.wait(seconds)
            except (subprocess.TimeoutExpired, BenchError):
                continue
        self.process.wait()
        self._reader.join(1.0)
        self.process.stdin.close()
        os.close(self._terminal)
        self._log.close()

    def _read(self):
        while True:
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # EIO: the last holder of the other end has gone
                data = b""
            with self._grew:
                if data:
                    self._log.write(data)
                    self._log.flush()
                    self._buffer += data.decode(errors="replace")
                self._grew.notify_all()
            if not data:
                return

    def last_words(self):
        """The last lines of output, for an error."""
        time.sleep(0.1)
        with open(self.log_path, "rb") as log:
            lines = log.read().decode(errors="replace").strip().splitlines()
        tail = [line.strip()[:160] for line in lines if line.strip()][-4:]
        return f"; it said last: {' | '.join(tail)} (all of it: {self.log_path})"


def run(argv, seconds, env=None, hurry=False):
    """Run a command to its end; its stdout. A failure or a missed deadline is a BenchError."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=seconds, env={**os.environ, **(env or {})},
                              stdin=subprocess.DEVNULL, check=False, start_new_session=hurry,
                              preexec_fn=_hurry if hurry else None)
    except FileNotFoundError as error:
        raise BenchError(f"{argv[0]}: not found") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{' '.join(argv)}: no answer within {seconds:g} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().replace("\n", " | ")
        raise BenchError(f"{' '.join(argv)}: exit status {done.returncode}: {said}")
    return done.stdout


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


def set_real_time(threads, real_time):
    """Ahead of everything that is not (SCHED_FIFO), or as before; where we may, and those that are still there."""
    policy, priority = (os.SCHED_FIFO, 1) if real_time else (os.SCHED_OTHER, 0)
    for thread in threads:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.sched_setscheduler(int(thread), policy, os.sched_param(priority))


def polling_threads(pid):
    """The threads of a process that move packets, by their names: an lcore's of DPDK, a PMD thread of Open vSwitch."""
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
            if re.match(r"(lcore|rte)-worker|pmd-c", file.read()):
                found.append(tid)
    return found


def busiest_share(before, after, seconds):
    """How much of a CPU the busiest thread had between two cpu_times(), 0 to 1."""
    used = max((after[tid] - before.get(tid, 0) for tid in after), default=0)
    return used / 1e9 / seconds


class CpuWatch:
    """How much of its CPU the polling thread of each process really had, since start()."""

    def __init__(self, processes, clock):
        self._processes = processes
        self._clock = clock
        self.start()

    def start(self):
        self._before = [cpu_times(pid) for pid in self._processes]
        self._since = self._clock()
        self._steal = steal_ticks()

    def shares(self):
        """A share (0 to 1) a process."""
        seconds = self._clock() - self._since
        return [busiest_share(before, cpu_times(pid), seconds)
                for pid, before in zip(self._processes, self._before)]

    def stolen(self):
        """Seconds that a hypervisor kept from the machine's CPUs."""
        return (steal_ticks() - self._steal) / 100


def steal_ticks():
    """Clock ticks that a hypervisor has kept from all our CPUs so far."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8])
