# SPDX-License-Identifier: BSD-3-Clause
"""VPP with its own vhost-user driver, each pair of guests in a learning bridge domain."""

import pathlib
import re
import shutil

from vulab.process import HURRY, LabError, Process, run, wait_until

from .contract import Counters, Switch

STARTUP = """\
unix {{ nodaemon nosyslog cli-listen {cli} runtime-dir {folder} }}
cpu {{ main-core {main} corelist-workers {worker} }}
memory {{ main-heap-size 1G }}
buffers {{ buffers-per-numa 16384{pages} }}
plugins {{ plugin default {{ disable }} plugin vhost_plugin.so {{ enable }} }}
socksvr {{ socket-name {folder}/api.sock }}
statseg {{ socket-name {folder}/stats.sock }}
"""


class VppSwitch(Switch):
    """One worker polls on the switch's CPU. The main thread, which has little to do, lives on the guests'.

    VPP is in no distribution of today's Debian, so there is none by default: --vpp names one that the reader has built.
    """

    label = "vpp"
    path = ""
    _cli = None

    @classmethod
    def missing(cls):
        if not cls.path:
            return "Debian has no VPP: name one with --vpp PATH"
        if not cls._vppctl():
            return f"{cls.path}: no vppctl beside it, nor in the PATH"
        return "" if shutil.which(cls.path) else f"--vpp {cls.path}: no such program"

    @classmethod
    def _vppctl(cls):
        beside = pathlib.Path(cls.path).with_name("vppctl")
        return str(beside) if beside.exists() else shutil.which("vppctl")

    def start(self):
        self._cli = self.directory / "cli.sock"
        startup = self.directory / "startup.conf"
        startup.write_text(STARTUP.format(
            cli=self._cli, folder=self.directory, main=self.setup.other_cpu, worker=self.cpu,
            pages=" page-size 2M" if self.hugepages else " page-size 4K"), encoding="ascii")
        self.process = Process(self.label, [*HURRY, self.path, "-c", startup], self.directory / "vpp.log")
        wait_until(self._answers, 40, f"{self.label} to answer", 0.2)
        self.version = re.search(r"vpp v(\S+)", self._ask("show version"))[1]
        for i, socket in enumerate(self.sockets):
            name = self._ask(f"create vhost-user socket {socket} server{' gso' if self.setup.tso else ''}"
                             f"{' packed' if self.setup.packed else ''}").strip()
            self._ask(f"set interface mtu packet {self.setup.mtu} {name}")
            self._ask(f"set interface l2 bridge {name} {self.setup.bridges[i] + 1}")
            self._ask(f"set interface state {name} up")

    def settle(self):
        up = re.compile(r"^VirtualEthernet\S+\s+\d+\s+up\s", re.M)
        wait_until(lambda: len(up.findall(self._ask("show hardware-interfaces brief"))) == len(self.sockets),
                   20, f"{self.label}'s links to be up", 0.2)

    def counters(self):
        """It counts a sender's empty rounds and a receiver's full ring as errors of the interface's nodes."""
        errors = re.findall(r"^\s*(\d+)\s+(\S+)\s+(\S.*?)\s+\S+\s*$", self._ask("show errors"), re.M)
        fib = re.search(r"total/learned entries: (\d+)", self._ask("show l2fib"))
        return Counters(
            dropped=sum(int(count) for count, node, _ in errors if re.match("VirtualEthernet.*-(output|tx)", node)),
            flooded=sum(int(count) for count, node, reason in errors if (node, reason) == ("l2-flood", "L2 flood packets")),
            macs=int(fib[1]) if fib else 0)

    def busy_cycles(self):
        """Of the worker: each node's packets by its cycles for one; what it polls for nothing has no packets."""
        worker = self._ask("show runtime").rpartition("Thread 1 ")[2]
        return sum(int(int(packets) * float(cycles)) for packets, cycles in re.findall(
            r"^\S+\s+\w+(?: \w+)?\s+\d+\s+(\d+)\s+\d+\s+(\S+)\s+\S+\s*$", worker, re.M))

    def stop(self):
        if self.process:
            self.process.stop()

    def _answers(self):
        try:
            return "vpp" in self._ask("show version")
        except LabError:
            return False

    def _ask(self, line):
        return run([self._vppctl(), "-s", self._cli, *line.split()])
