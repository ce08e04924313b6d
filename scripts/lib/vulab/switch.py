# SPDX-License-Identifier: BSD-3-Clause
"""vuswitch under test: started, asked through vusctl, killed in every way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .net import Netns
from .paths import program
from .process import LabError, Process, connect, run, tail, wait_until


class Switch:
    """One vuswitch.

    arguments are the product's own (behind the --), eal DPDK's. It may run in a network namespace,
    so that no other test sees its taps and veths. binary: another than the one that was built.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], eal: Sequence[str] = (),
                 name: str = "vuswitch", netns: Netns | None = None,
                 lcores: str = "0@0,1@0", prefix: Sequence[str] = (), binary: str | Path = "") -> None:
        self.folder = folder
        self.name = name
        self.arguments = list(arguments)
        self.eal = list(eal)
        self.lcores = lcores
        self.prefix = [*(netns.prefix if netns else []), *prefix]
        self.binary = binary or program("vuswitch")
        self.runtime = folder / f"{name}.run"
        self.control = self.runtime / "control.sock"
        self.log = folder / f"{name}.log"
        self.process: Process | None = None

    def start(self, seconds: float = 30) -> None:
        """Starts it and waits until it answers, and its devices have started."""
        self.runtime.mkdir(exist_ok=True)
        self.process = Process(self.name, self.command(), self.log,
                               env={"RUNTIME_DIRECTORY": str(self.runtime)})
        wait_until(self._answers, seconds, f"{self.name} to answer at {self.control}; "
                   f"see {self.log}")

    def prefer_lcores(self) -> None:
        """Lets the threads that move packets run before whatever else wants their CPU: their
        longest round then tells of the switch, and less of its neighbours.
        """
        assert self.process
        group = Path(f"/proc/{self.process.pid}/autogroup")
        if group.exists():  # else the kernel weighs sessions, and nice only inside them
            group.write_text("-20")
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            if "worker" in (task / "comm").read_text():
                os.setpriority(os.PRIO_PROCESS, int(task.name), -20)

    def command(self) -> list[str]:
        return [*self.prefix, str(self.binary), "--lcores", self.lcores, "--no-pci", *self.eal, "--", *self.arguments]

    def ask(self, command: str) -> Any:
        """What the switch itself answers to a request, without vusctl, which may be of another version."""
        with connect(self.control) as control, control.makefile("rw") as lines:
            control.settimeout(15)
            try:
                lines.write(json.dumps({"command": command}) + "\n")
                lines.flush()
                return json.loads(lines.readline())
            except (OSError, ValueError) as error:
                raise LabError(f"{self.name}: no answer to '{command}': {error!r}; {self.log}:\n{tail(self.log)}") from error

    def vusctl(self, *words: str) -> Any:
        """What `vusctl -j WORDS` prints, as Python objects."""
        said = run([program("vusctl"), "--control", self.control, "-j", *words], seconds=10)
        try:
            return json.loads(said)
        except json.JSONDecodeError as error:
            raise LabError(f"vusctl -j {' '.join(words)}: not JSON: {said[:200]}") from error

    def ports(self) -> dict[str, dict[str, Any]]:
        """All ports by name."""
        return {port["name"]: port for port in self.ask("ports")["ports"]}

    def port(self, name: str) -> dict[str, Any]:
        """Everything `vusctl port NAME` tells."""
        port: dict[str, Any] = self.vusctl("port", name)["port"]
        return port

    def are_packed(self, *names: str) -> list[bool]:
        """Whether packed rings were agreed on, port by port."""
        return ["RING_PACKED" in self.port(name)["features"] for name in names]

    def wait_link(self, *names: str, up: bool = True, seconds: float = 30) -> None:
        """Waits until the links of the named ports are up (or down)."""
        wanted = "up" if up else "down"

        def settled() -> bool:
            ports = self.ports()
            return all(ports.get(name, {}).get("link") == wanted for name in names)

        try:
            wait_until(settled, seconds, f"the link of {', '.join(names)} to be {wanted}", 0.2)
        except LabError as error:
            raise LabError(f"{error}\n{self.report()}") from error

    def reload(self) -> None:
        """SIGHUP: the switch reads its configuration file again."""
        assert self.process
        self.process.signal(signal.SIGHUP)

    def terminate(self, seconds: float = 5) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process
        self.process.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """kill -9."""
        if self.process:
            self.process.kill()

    def stop(self) -> None:
        if self.process:
            self.process.stop()

    def must_run(self) -> None:
        assert self.process
        self.process.must_run()

    def report(self) -> str:
        """The end of its log and its counters, for an error message."""
        text = f"{self.name} said ({self.log}):\n{tail(self.log, 20)}"
        try:
            for port in self.ports().values():
                drops = {f"{side}_drop.{reason}": number for side in ("rx", "tx")
                         for reason, number in port[f"{side}_drop"].items() if number}
                text += (f"\n    {port['name']}: {port['state']}; rx_ok {port['rx_ok']}, "
                         f"tx_ok {port['tx_ok']}, drops {drops or 'none'}")
        except (LabError, KeyError):
            pass
        return text

    def _answers(self) -> bool:
        self.must_run()
        if not self.control.exists():
            return False
        try:
            return not any(port.get("starting") for port in self.ask("ports")["ports"])
        except LabError:
            return False
