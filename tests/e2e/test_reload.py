# SPDX-License-Identifier: BSD-3-Clause
"""A reload changes what can change while a port lives; what costs a connection is said beforehand."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

from vulab.lab import Lab
from vulab.paths import program
from vulab.switch import Switch

PROGRAM = str(program("vuswitch"))


def check(config: Path, control: Path) -> tuple[list[str], str]:
    """What --check says of the switch that runs, and its warnings."""
    done = subprocess.run([PROGRAM, "--config", str(config), "--control", str(control), "--check"], text=True,
                          capture_output=True, timeout=20, check=True)
    _, found, said = done.stdout.partition(f"compared with the switch that runs at {control}:\n")
    return (said.splitlines() if found else []), done.stderr


def wait_for(what: str, log: Path) -> None:
    end = time.monotonic() + 10
    while what not in log.read_text():
        assert time.monotonic() < end, f"nothing was said of: {what}"
        time.sleep(0.05)


def is_open(front_end: socket.socket) -> bool:
    front_end.settimeout(1)
    try:
        return front_end.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False


def test_what_a_reload_costs(lab: Lab) -> None:
    config = lab.folder / "cost.yaml"
    path = lab.folder / "vm1.sock"

    def write(more: str) -> None:
        config.write_text(f"bridges: [{{name: lan}}]\nports:\n- {{name: vm1, type: vhost-user, socket: {path}{more}}}\n"
                          f"- {{name: vm2, type: vhost-user, socket: {lab.folder}/vm2.sock}}\n")

    write("")
    switch = Switch(lab.folder, ["--config", str(config)], eal=["-m", "64"])
    assert check(config, switch.control) == ([], "")
    switch.start()
    front_end = socket.socket(socket.AF_UNIX)
    try:
        front_end.connect(str(path))
        assert check(config, switch.control) == (["nothing changes"], "")
        write(", bridge: lan, isolated: yes, socket-mode: 0600")
        live = "port vm1: socket-mode not set -> 0600, bridge br0 -> lan, isolated off -> on: changed while it runs"
        assert check(config, switch.control) == ([live], "")
        switch.reload()
        wait_for("configuration read again", switch.log)
        assert live in switch.log.read_text()
        options = switch.port("vm1")["options"]
        assert options["isolated"] is True and options["socket-mode"] == "0600"
        assert path.stat().st_mode & 0o777 == 0o600 and is_open(front_end)
        write(", queues: 2")
        anew = "the port is made anew, its VM loses the connection"
        (line,) = check(config, switch.control)[0]
        assert line.startswith("port vm1: queues 1 -> 2, postcopy on -> off, socket-mode 0600 -> not set, bridge lan -> br0")
        assert line.endswith(anew)
        assert switch.process
        switch.process.signal(signal.SIGSTOP)
        said, warning = check(config, switch.control)
        switch.process.signal(signal.SIGCONT)
        assert not said and "no answer that can be read within 5 s" in warning
        switch.reload()
        wait_for(anew, switch.log)
        assert not is_open(front_end)
    finally:
        front_end.close()
        switch.stop()


def test_a_port_of_the_command_line_stays(lab: Lab) -> None:
    """A file is compared with what the running switch has of its file."""
    config = lab.folder / "file.yaml"
    config.write_text("ports: []\n")
    typed = ["--vhost", f"cl1={lab.folder}/cl1.sock", "--rebalance", "off", "--socket-mode", "0600"]
    switch = lab.switch(["--config", str(config), *typed], ["-m", "64"])
    switch.start()
    assert check(config, switch.control) == (["nothing changes"], "")
    config.write_text("socket-mode: 0660\nports: []\n")
    assert check(config, switch.control) == (["nothing changes"], "")
    config.write_text(f"ports: [{{name: vm3, type: vhost-user, socket: {lab.folder}/vm3.sock}}]\n")
    assert check(config, switch.control) == (["port vm3: comes"], "")
