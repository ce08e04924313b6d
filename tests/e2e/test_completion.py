# SPDX-License-Identifier: BSD-3-Clause
"""bash, zsh and fish complete command lines of both programs, as they are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vulab.paths import build_folder, program
from vulab.played import PlayedSwitch
from vulab.process import run
from vulab.terminal import Terminal

SHELLS = ("bash", "zsh", "fish")
PATH = f"{program('vuswitch').parent}:{program('vusctl').parent}:{os.environ['PATH']}"


def played(request: dict[str, Any]) -> dict[str, Any]:
    names = {"ports": ["vm1", "vm2", "web:80"], "bridges": ["br0", "storage"], "profiles": ["tenant"]}[request["command"]]
    return {request["command"]: [{"name": name, "state": "running"} for name in names]}


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[PlayedSwitch]:
    with PlayedSwitch(tmp_path, played) as it:
        yield it


def script(shell: str, name: str) -> Path:
    return build_folder() / "app" / "complete" / (f"_{name}" if shell == "zsh" else f"{name}.{shell}")


class Shell(Terminal):
    """One that has read the scripts of both programs, and nothing else of its user's."""

    def __init__(self, shell: str, folder: Path) -> None:
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        sources = [f"source {script(shell, name)}" for name in ("vuswitch", "vusctl")]
        argv = {
            "bash": ["bash", "--noprofile", "--rcfile", folder / "rc", "-i"],
            "zsh": ["zsh", "-d", "-i"],
            "fish": ["fish", "--no-config", "-i", "-C", f"source {folder}/rc"],
        }[shell]
        before = {"zsh": ["autoload -U compinit", "compinit -u -D", "setopt automenu no_beep"], "bash": ["bind 'set show-all-if-ambiguous on'"]}
        prompt = {"bash": "PS1='% '", "zsh": "PS1='%% '", "fish": "function fish_prompt; echo -n '% '; end; set -g fish_greeting"}
        lines = [*before.get(shell, []), *sources, f"cd {folder}", prompt[shell]]
        (folder / (".zshrc" if shell == "zsh" else "rc")).write_text("\n".join(lines) + "\n")
        env = {"PATH": PATH, "ZDOTDIR": str(folder), "HOME": str(folder), "RUNTIME_DIRECTORY": str(folder), "XDG_CONFIG_HOME": str(folder),
               "XDG_DATA_HOME": str(folder)}
        super().__init__(argv, 130, 40, env)
        self.wait_for(lambda rows: any(row == "%" for row in rows))

    def drop_line(self) -> None:
        """A list that the shell shows takes the first ^C, or the program that it asks."""
        for _ in range(2):
            self.type("C-c")
            time.sleep(0.1)
        self.type("C-l")
        self.wait_for(lambda rows: [row for row in rows if row] == ["%"])

    def completed(self, typed: str, becomes: str) -> None:
        """A line is typed, then Tab: it becomes another one."""
        self.type("-l", typed)
        self.type("Tab")
        self.wait_for(lambda rows: any(row.startswith(f"% {becomes}") for row in rows))
        self.drop_line()

    def offered(self, typed: str, *words: str) -> None:
        """A line is typed, then Tab, twice: the words are offered."""
        self.type("-l", typed)
        self.type("Tab", "Tab")
        self.wait_for(lambda rows: all(any(re.search(rf"(^|\s){re.escape(word)}(\s|$)", row) for row in rows) for word in words))
        self.drop_line()


@pytest.mark.parametrize("shell", SHELLS)
def test_shells(shell: str, tmp_path: Path, switch: PlayedSwitch) -> None:
    """Commands, their options, names that the switch knows, keys and words of a port's options, files."""
    (tmp_path / "vuswitch-file.yaml").touch()
    (tmp_path / "guest.sock").touch()
    with Shell(shell, tmp_path) as terminal:
        terminal.completed("vusctl reb", "vusctl rebalance")
        terminal.completed("vusctl lcores --res", "vusctl lcores --reset")
        terminal.completed("vusctl port w", "vusctl port web:80" if shell != "zsh" else "vusctl port web")
        terminal.completed("vusctl macs st", "vusctl macs storage")
        terminal.completed("vusctl profile set t", "vusctl profile set tenant")
        terminal.completed("vusctl --cont", "vusctl --control")
        terminal.completed("vusctl -c contr", "vusctl -c control.sock")
        terminal.completed("vuswitch -- --rebal", "vuswitch -- --rebalance")
        terminal.completed("vuswitch --config vuswitch-f", "vuswitch --config vuswitch-file.yaml")
        terminal.completed("vuswitch --vhost vm1=gue", "vuswitch --vhost vm1=guest.sock")
        terminal.completed("vuswitch --vhost vm1=a.sock,postc", "vuswitch --vhost vm1=a.sock,postcopy=")
        terminal.completed("vuswitch --vhost vm1=a.sock,queues=2,mode=cl", "vuswitch --vhost vm1=a.sock,queues=2,mode=client")
        terminal.offered("vusctl port ", "vm1", "vm2")
        terminal.offered("vuswitch --rebalance ", "on", "off")
    assert {"command": "ports"} in switch.asked and {"command": "bridges"} in switch.asked


def offers(name: str, *words: str | Path) -> list[str]:
    return [line.split("\t")[0] for line in run([program(name), "--complete", *words]).splitlines()]


@pytest.mark.parametrize("words", [
    (program("vuswitch"), "--help"), (program("vusctl"), "--help"), (program("vuscni"), "--help"),
    (build_folder() / "app" / "lane" / "vuswitch-lane", "--help"),  # which says what it is for
], ids=["vuswitch", "vusctl", "vuscni", "vuswitch-lane"])
def test_help_fits_a_terminal(words: tuple[Path, str]) -> None:
    """Of 80 columns."""
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert lines and max(len(line) for line in lines) <= 80, lines


def test_every_row_is_offered(switch: PlayedSwitch) -> None:
    """What --help has, completion has: both come from the same tables."""
    text = run([program("vusctl"), "--help"])
    assert offers("vusctl", "") == list(dict.fromkeys(re.findall(r"^  ([a-z]\S*)", text, re.M)))
    assert {"add", "set", "ensure", "remove"} <= set(offers("vusctl", "-c", switch.control, "port", ""))
    assert offers("vusctl", "-c", switch.control, "bridge", "remove", "s") == ["storage"]
    assert offers("vusctl", "ensure", "") == [":files"]
    words = re.findall(r"^  -\w, (--[a-z-]+)", text, re.M)
    commands = ("lcores", "ports", "macs", "events", "reload", "capture", "drops", "why")
    offered = {word for command in commands for word in offers("vusctl", command, "-")}
    assert words and offered == set(words)
    text = run([program("vuswitch"), "--help"])
    assert set(re.findall(r"^  (--[a-z-]+)", text, re.M)) - {"--help"} <= set(offers("vuswitch", "--", "-"))
    keys = offers("vuswitch", "--vhost", "vm1=/run/vm1.sock,")
    assert set(re.findall(r"^    ,([a-z-]+)=", text.split("--ethdev")[0], re.M)) == {key.split(",")[-1].rstrip("=") for key in keys}
    assert offers("vusctl", "-c", switch.control, "port", "v") == ["vm1", "vm2"]
    assert offers("vusctl", "-c", switch.control, "ports", "") == []


def test_nothing_is_offered_of_a_switch_that_is_not_there(tmp_path: Path) -> None:
    said = run([program("vusctl"), "--complete", "-c", tmp_path / "none.sock", "vlans", ""], check=False)
    assert said == ""
