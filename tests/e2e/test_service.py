# SPDX-License-Identifier: BSD-3-Clause
"""What a service manager sees of the program, without one: exit status, notifications, priorities of lines.

tests/systemd has the same under a real systemd. No virtual machine is needed.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from vulab.lab import Lab
from vulab.paths import program
from vulab.process import Process, run, wait_until

BROKEN = "ports:\n  - {name: a, type: vhost-user, sokcet: /nowhere}\n"


class Service:
    """vuswitch with --config and --last-good, with an environment as of systemd: where to notify, and a journal to write to."""

    def __init__(self, lab: Lab) -> None:
        self.folder = lab.folder
        self.config, self.last_good = lab.folder / "vuswitch.yaml", lab.folder / "last-good.yaml"
        self.good = f"ports:\n  - {{name: a, type: vhost-user, socket: {lab.folder}/a.sock}}\n"
        self.log = lab.folder / "service.log"
        self.process: Process | None = None
        self.prefix: list[str] = []
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(lab.folder / "notify"))
        self._notify.settimeout(20)

    def start(self, *options: str, eal: tuple[str, ...] = ("-m", "64"), last_good: bool = True) -> None:
        self.log.write_text("")
        journal = self.log.stat()
        argv = [*self.prefix, program("vuswitch"), "--no-pci", *eal, "--", "--config", self.config,
                *(["--last-good", self.last_good] if last_good else []), *options]
        self.process = Process("service", argv, self.log,
                               env={"RUNTIME_DIRECTORY": str(self.folder), "JOURNAL_STREAM": f"{journal.st_dev}:{journal.st_ino}",
                                    "NOTIFY_SOCKET": str(self.folder / "notify")})

    def ends(self) -> int:
        assert self.process
        return self.process.wait(20)

    def heard(self) -> str:
        return self._notify.recv(4096).decode()

    def wait_ready(self) -> str:
        said = self.heard()
        assert said.startswith("READY=1"), said
        return said

    def errors(self) -> str:
        """Its lines at priority err or above."""
        return "".join(line for line in self.log.read_text().splitlines(True) if re.match("<[0-3]>", line))

    def version(self) -> str:
        return run([program("vusctl"), "--control", self.folder / "control.sock", "version"])

    def stop(self) -> None:
        if self.process:
            self.process.stop()
        self._notify.close()


@pytest.fixture
def service(lab: Lab) -> Iterator[Service]:
    made = Service(lab)
    try:
        yield made
    finally:
        made.stop()


def test_the_manager_hears_of_a_reload(service: Service) -> None:
    """It begins with RELOADING=1 and the time, and ends when the new file is in force and kept; or is refused."""
    service.config.write_text(service.good)
    service.start()
    assert service.wait_ready() == f"READY=1\nSTATUS=1 port, as in {service.config}"
    assert service.process
    more = service.good + f"  - {{name: b, type: vhost-user, socket: {service.folder}/b.sock}}\n"
    for text in (more, service.good):
        service.config.write_text(text)
        service.process.signal(signal.SIGHUP)
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", service.heard())
        service.wait_ready()
        assert service.last_good.read_text() == text
    service.config.write_text(BROKEN)
    service.process.signal(signal.SIGHUP)
    assert service.heard().startswith("RELOADING=1")
    assert f'STATUS=nothing was changed: {service.config}:2: key "sokcet"' in service.wait_ready()
    assert f'{service.config}:2: key "sokcet"' in service.errors()
    assert service.last_good.read_text() == service.good
    service.process.signal(signal.SIGTERM)
    assert service.heard() == "STOPPING=1"
    assert service.ends() == 0


def test_a_port_that_fails_when_the_old_one_is_gone(service: Service) -> None:
    """It is made after the old one has closed; until then the reload has not ended, and its file is not kept."""
    up0 = "  - {name: up0, type: ethdev, device: net_null0}\n"
    service.config.write_text(service.good + up0)
    service.start()
    service.wait_ready()
    assert service.process
    service.config.write_text(service.good + up0.replace("net_null0", "net_nul0"))
    service.process.signal(signal.SIGHUP)
    assert service.heard().startswith("RELOADING=1")
    assert service.wait_ready().startswith("READY=1\nSTATUS=1 port (1 could not be made)")
    assert "configuration read again, but 1 of its ports and bridges could not be made" in service.errors()
    assert "configuration read again\n" not in service.log.read_text()
    assert service.last_good.read_text() == service.good + up0


def test_a_start_that_fails_says_so_last(service: Service) -> None:
    service.config.write_text(service.good + "  - {name: up0, type: ethdev, device: net_nul0}\n")
    service.start()
    assert service.ends() == 1
    assert "ends, because 1 of its ports and bridges could not be made" in service.errors()


def test_a_broken_file_and_the_last_good_one(service: Service) -> None:
    """It is started from; without it, or if it is broken too, the status says that no attempt will help."""
    service.config.write_text(BROKEN)
    service.start()
    assert service.ends() == os.EX_CONFIG
    assert f'<3>vuswitch: error: {service.config}:2: key "sokcet"' in service.errors()
    assert f"no last good configuration is at {service.last_good} yet" in service.errors()
    service.last_good.write_text("nonsense: 1\n")
    service.start()
    assert service.ends() == os.EX_CONFIG
    assert f"{service.config}:2: " in service.errors() and f"{service.last_good}:1: " in service.errors()
    service.last_good.write_text(service.good)
    service.start()
    assert f"as in {service.last_good}, because: {service.config}:2: " in service.wait_ready()
    assert f"starts from the last good configuration, {service.last_good}" in service.errors()
    assert f"configuration: {service.last_good}\n" in service.version()
    assert f"in place of the one that was asked for: {service.config}:2: " in service.version()
    assert service.last_good.read_text() == service.good
    service.config.unlink()
    service.start("--check")
    assert service.ends() == 1, "--check is about the file"


def test_what_cannot_be_the_last_good_file(service: Service) -> None:
    """The file itself, which would be overwritten while it is edited; a pipe, which would hold up who reads it."""
    service.config.write_text(service.good)
    service.last_good.symlink_to(service.config)
    service.start()
    assert service.ends() == 1
    assert f"--last-good {service.last_good}: this is the file of --config itself; give another path" in service.errors()
    service.last_good.unlink()
    os.mkfifo(service.last_good)
    service.config.write_text(BROKEN)
    service.start()
    assert service.ends() == os.EX_CONFIG
    assert f"nor can the last good one be used: {service.last_good} is no file" in service.errors()


def test_closed_standard_descriptors_are_not_reused(service: Service) -> None:
    """Otherwise lines would go to whatever was opened next."""
    service.config.write_text(service.good)
    service.prefix = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    service.start()
    service.wait_ready()
    assert service.process
    folder = Path(f"/proc/{service.process.pid}/fd")
    assert [str((folder / str(fd)).readlink()) for fd in range(3)] == ["/dev/null"] * 3


def test_without_the_option_nothing_changes(service: Service) -> None:
    service.config.write_text(BROKEN)
    service.last_good.write_text(service.good)
    service.start(last_good=False)
    assert service.ends() == 1


def test_a_last_good_one_that_cannot_be_written_is_a_warning(service: Service) -> None:
    service.config.write_text(service.good)
    service.last_good.mkdir()
    service.start()
    service.wait_ready()
    wait_until(lambda: "<4>vuswitch: warning: this configuration could not be kept" in service.log.read_text(), 10,
               "the warning")
    assert service.errors() == ""


def test_dpdk_says_why_it_did_not_start(service: Service) -> None:
    """Its own line is an error in the journal."""
    service.config.write_text(service.good)
    service.start(eal=("-m", "64", "--vdev=net_no_such_driver0"))
    assert service.ends() == 1
    assert "net_no_such_driver0" in service.errors()
    assert "EAL did not start" in service.errors()


@pytest.mark.parametrize("cpu", [min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))])
def test_one_cpu_is_enough(service: Service, cpu: int) -> None:
    """The line of the README works on a machine with one CPU, whatever its number, and -l is still the user's word."""
    service.config.write_text(service.good)
    service.prefix = ["taskset", "-c", str(cpu)]
    service.start(last_good=False)
    service.wait_ready()
    assert f"lcore 1 polls on CPU {cpu}" in service.log.read_text()
    assert f"<4>vuswitch: warning: CPU {cpu} is the only one" in service.log.read_text()
    assert service.process
    service.process.signal(signal.SIGTERM)
    assert service.ends() == 0
    service.start(eal=("-m", "64", "-l", str(cpu)))
    assert service.ends() == 1
    assert "no lcore is left" in service.errors()
