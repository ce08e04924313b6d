# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's telemetry shows everything, a page at a time, and the lines in the documentation reach it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from conftest import ROOT
from vulab.lab import Lab
from vulab.paths import build_folder

PORTS = 60


def shell(line: str, **more: Any) -> str:
    """What a line prints, typed into a shell that knows our programs."""
    path = f"{build_folder()}/app/vuswitch:{build_folder()}/app/vusctl:{os.environ['PATH']}"
    return subprocess.run(["bash", "-ec", line], env={**os.environ, "PATH": path, **more}, text=True,
                          stdout=subprocess.PIPE, timeout=30, check=True).stdout


def many_ports(folder: Path) -> Path:
    """A configuration of as many ports as no page holds, in two bridges, with names that telemetry cannot write."""
    config = folder / "many.yaml"
    config.write_text("bridges: [{name: br1}]\nports:\n" + "".join(
        f"  - {{name: vm-{i}, type: vhost-user, bridge: br{i % 2}, socket: {folder}/{i}.sock}}\n"
        for i in range(PORTS)))
    return config


def pages(reach: str, question: str) -> tuple[list[dict[str, Any]], str]:
    """All pages of an answer, asked for as each says, and the name of their part."""
    name = question.split(",")[0]
    part = name.rsplit("/", 1)[1]
    answers = []
    ask: str | None = question
    while ask is not None:
        assert len(answers) < 100
        answers.append(json.loads(shell(f"echo '{ask}' | {reach}"))[name])
        ask = answers[-1].get("next")
    assert sum(answer["shown"] for answer in answers) == answers[0]["total"]
    return answers, part


def test_every_port_is_shown(lab: Lab) -> None:
    """The line that vusctl prints reaches the switch; the pages of its ports are all ports."""
    switch = lab.switch(["--config", str(many_ports(lab.folder))], ["-m", "128"])
    switch.start()
    reach = shell(f"vusctl --control {switch.control} version").splitlines()[-1]
    answers, part = pages(reach, "/vuswitch/ports")
    shown = [port["name"] for answer in answers for port in answer[part].values()]
    assert shown == [port["name"] for port in switch.vusctl("ports")["ports"]]
    assert len(shown) == PORTS and len(answers) > 1
    assert "short" in answers[0][part]["vm_0"]["rx_drop"]
    (answer,), part = pages(reach, "/vuswitch/bridges")
    assert answer["total"] == 2 and answer[part]["br1"]["ports"] == PORTS // 2
    answers, part = pages(reach, "/vuswitch/port,vm-7,0,30")
    assert len(answers) > 2
    assert any("tx_drop" in answer[part] for answer in answers)
    (answer,), part = pages(reach, "/vuswitch/lcores")
    lcore = next(iter(answer[part]))
    assert pages(reach, f"/vuswitch/lcore,{lcore}")[0][0]["lcore"]["cpu"] == answer[part][lcore]["cpu"]
    assert pages(reach, "/vuswitch/macs")[0][0]["total"] == 0
    assert "which port?" in shell(f"echo /vuswitch/port | {reach}")
    for wrong in ("/vuswitch/ports,x", "/vuswitch/ports,1,0", "/vuswitch/port,nosuch", "/vuswitch/lcore,77"):
        assert "error" in shell(f"echo '{wrong}' | {reach}")


def test_the_documented_line(lab: Lab) -> None:
    """The line in docs/operations/watch.md, as it stands there, against a switch at the default place."""
    text = (ROOT / "docs" / "operations" / "watch.md").read_text()
    line = re.search(r"^echo /vuswitch/ports \| .*dpdk-telemetry\.py .*$", text, re.M)
    assert line
    # A mount namespace: this machine's own /run is not touched, and nothing stays.
    script = f"""
        mount -t tmpfs none /run; mkdir /run/vuswitch
        RUNTIME_DIRECTORY=/run/vuswitch vuswitch --lcores '0@0,1@0' --no-pci -m 64 -- \\
            --vhost vm1=/run/vuswitch/vm1.sock 2>{lab.folder}/default.log &
        trap "kill $!; wait" EXIT
        for i in $(seq 100); do vusctl version >/dev/null 2>&1 && break; sleep 0.1; done
        vusctl version | tail -n 1
        {line.group(0)}
    """
    said = shell("exec unshare --mount --propagation private bash -ec \"$SCRIPT\"", SCRIPT=script).splitlines()
    assert line.group(0).removeprefix("echo /vuswitch/ports | ") == said[0]
    ports = json.loads(said[1])["/vuswitch/ports"]["ports"]
    assert list(ports) == ["vm1"]
