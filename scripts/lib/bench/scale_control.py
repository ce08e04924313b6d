# SPDX-License-Identifier: BSD-3-Clause
"""The rows of scripts/bench-scale about the control thread: what changes and questions cost where there are 1000 ports.

A row starts a vuswitch of its own, does something, and tells figures by name: cpu (of the control thread, ms), wall (until it has
happened, ms), waits (of somebody who asks something small meanwhile, the longest, ms), and what else its columns say.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import threading
import time

from vulab.process import HURRY, LabError, connect, run, wait_until
from vulab.switch import Switch
from vulab.testpmd import memory_arguments

from .cpu import cpu_times
from .guests import CrowdGuests, Wishes

PORTS = 1000
ADDRESSES = 1_000_000
TABLE = 2_097_152
PATIENCE = 60


@dataclasses.dataclass
class ControlRow:
    """One table. take(place) yields (label, figures); columns as in scale_rows."""

    title: str
    columns: tuple
    take: object


class Place:
    """A vuswitch with so many ports, in a folder of its own; for a with statement."""

    def __init__(self, directory, binary, cpus):
        self.directory, self.binary, self.cpus = pathlib.Path(directory), binary, cpus
        self.switch, self.guests = None, []

    def write(self, ports, bridge=lambda i: 0, table=65536, aging=300, mode="server"):
        """The configuration: ports are numbers."""
        lines = ["bridges:", *(f"  - {{name: br{i}, mac-table-size: {table}, mac-aging: {aging}}}" for i in (0, 1)), "ports:"]
        lines += [f"  - {{name: p{i}, type: vhost-user, bridge: br{bridge(i)}, socket: {self.socket(i)}, mode: {mode}}}"
                  for i in ports]
        (self.directory / "vuswitch.yaml").write_text("\n".join(lines) + "\n", encoding="ascii")

    def socket(self, port):
        return self.directory / f"p{port}"

    def start(self):
        """Starts it; how long that took, in ms."""
        self.switch = Switch(self.directory, ["--config", str(self.directory / "vuswitch.yaml")], memory_arguments(False),
                             lcores=f"0@{self.cpus[1]},1@{self.cpus[1]}", prefix=HURRY, binary=self.binary)
        since = time.monotonic()
        self.switch.start(PATIENCE)
        return 1000 * (time.monotonic() - since)

    def connect(self, ports, listen=False):
        """Guests at these ports, once all are connected."""
        setup = Shape([str(self.socket(i)) for i in ports], self.directory)
        self.guests.append(CrowdGuests(setup, Wishes(self.cpus[0]), listen))
        return self.guests[-1]

    def control_ms(self):
        """CPU of the control thread so far."""
        pid = self.switch.process.pid
        return cpu_times(pid)[str(pid)] / 1e6

    def bridges(self):
        return self.switch.ask("bridges")["bridges"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for guests in self.guests:
            guests.stop()
        if self.switch:
            self.switch.stop()


@dataclasses.dataclass
class Shape:
    """What CrowdGuests want of a Setup."""

    sockets: list
    directory: pathlib.Path
    hugepages: bool = False
    queues: int = 1


class Asker(threading.Thread):
    """Somebody who asks for the version every few milliseconds, for as long as a with statement lasts."""

    PAUSE = 0.004

    def __init__(self, switch):
        super().__init__(daemon=True)
        self.switch, self.waits, self.asked, self._ends = switch, 0.0, 0, threading.Event()

    def run(self):
        while not self._ends.wait(self.PAUSE):
            since = time.monotonic()
            with contextlib.suppress(LabError):  # nobody waits for ever
                self.switch.ask("version")
            self.waits = max(self.waits, 1000 * (time.monotonic() - since))
            self.asked += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self.join(20)


def _until(place, what, happens, done, pause=0.02):
    """happens(), until done(): cpu, less what asking cost; wall; waits."""
    since, price = place.control_ms(), 0.0
    for _ in range(50):
        place.switch.ask("version")
    price = (place.control_ms() - since) / 50
    since, began = place.control_ms(), time.monotonic()
    with Asker(place.switch) as asker:
        happens()
        wait_until(lambda: _answered(done), PATIENCE, what, pause)
        wall = 1000 * (time.monotonic() - began)
        time.sleep(0.1)  # what is left to do behind it
    return {"cpu": max(0.0, place.control_ms() - since - price * asker.asked), "wall": wall, "waits": asker.waits}


def _answered(done):
    try:
        return done()
    except LabError:  # it has no time
        return False


def _ports(place):
    return sum(bridge["ports"] for bridge in place.bridges())


def _reload(place):
    place.write(range(PORTS))
    place.start()
    place.write(range(PORTS + 1))
    yield "one port added", _until(place, "a port more", place.switch.reload, place.socket(PORTS).exists)
    place.write(range(PORTS))
    yield "one removed", _until(place, "a port less", place.switch.reload, lambda: not place.socket(PORTS).exists())
    place.write(range(PORTS), lambda i: 1)
    yield "all change the bridge", _until(place, "ports on the other bridge", place.switch.reload,
                                          lambda: place.bridges()[1]["ports"] == PORTS)
    place.write(range(0, PORTS, 2), lambda i: 1)
    yield "half removed", _until(place, "half of the ports", place.switch.reload, lambda: _ports(place) == PORTS // 2)


def _ask(place):
    place.write(range(PORTS))
    place.start()
    vusctl = pathlib.Path(place.binary).parents[1] / "vusctl" / "vusctl"
    for words in (["ports"], ["lcores"], ["bridges"]):
        yield f"vusctl {words[0]}", _until(
            place, words[0], lambda words=words: run([vusctl, "--control", place.switch.control, *words], PATIENCE), lambda: True)


def _macs(place):
    """A million addresses: learned, shown, and forgotten."""
    place.write(range(2), table=TABLE, aging=20)
    place.start()
    guests = place.connect(range(2))
    for command in ("fan 1", f"macs {ADDRESSES}"):
        guests.ask(command, 10)
    said, lost = {}, place.switch.ask("lcores")["reports_lost"]

    def learn():
        said.update(guests.ask(f"paced 60 1000000 0 {ADDRESSES // 1000 + 100}", 30))

    figures = _until(place, "a million addresses", learn, lambda: True)
    known, size = place.bridges()[0]["macs"], _rss(place)
    yield f"{ADDRESSES / 1e6:.1f} M addresses learned, 1 M/s at most", {
        **figures, "sent": said["frames"], "known": known, "lost": place.switch.ask("lcores")["reports_lost"] - lost}
    yield "all of them told", {**_until(place, "macs", lambda: _tell_all(place), lambda: True), "known": known,
                               "rss": (_rss(place) - size) / 1024}
    yield "all of them age", {**_until(place, "addresses to be forgotten", lambda: None,
                                       lambda: place.bridges()[0]["macs"] < known / 10, 0.1), "known": known}


def _tell_all(place):
    """A request for all addresses, and its answer."""
    with connect(place.switch.control) as control:
        control.settimeout(PATIENCE)
        control.sendall(json.dumps({"command": "macs", "limit": 2 * ADDRESSES}).encode() + b"\n")
        while True:
            said = control.recv(1 << 20)
            if not said or said.endswith(b"\n"):
                return


def _rss(place):
    """KiB."""
    for line in pathlib.Path(f"/proc/{place.switch.process.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def _fds(place):
    return len(os.listdir(f"/proc/{place.switch.process.pid}/fd"))


def _start(place):
    place.write(range(2))
    place.start()
    few = _rss(place), _fds(place)
    place.switch.stop()
    place.write(range(PORTS))
    took = place.start()
    cpu = place.control_ms()
    yield f"start with {PORTS} ports", {"wall": took, "cpu": cpu, "rss": (_rss(place) - few[0]) / (PORTS - 2),
                                        "fds": (_fds(place) - few[1]) / (PORTS - 2)}
    yield from _storm(place, few)


def _storm(place, few):
    """All but one port's guests connect at once, while the guest of that one asks."""
    first = place.connect([0])
    since = place.control_ms()
    first.process.send("ask 4000")
    began = time.monotonic()
    place.connect(range(1, PORTS))
    wall = 1000 * (time.monotonic() - began)
    waited = first.process.wait_for(r'"longest_us": (\d+)', 20)
    yield f"{PORTS - 1} guests connect", {
        "wall": wall, "cpu": place.control_ms() - since, "waits": int(waited[1]) / 1000,
        "rss": (_rss(place) - few[0]) / (PORTS - 2), "fds": (_fds(place) - few[1]) / (PORTS - 2)}


def _client(place):
    place.write(range(PORTS), mode="client")
    place.start()
    time.sleep(1)
    since, began = place.control_ms(), time.monotonic()
    time.sleep(3)
    yield "client mode, nobody there", {"cpu": (place.control_ms() - since) / (time.monotonic() - began)}


_COST = (("cpu", "control CPU, ms", 1), ("wall", "takes, ms", 1), ("waits", "somebody else waits, ms", 1))

CONTROL_ROWS = {
    "reload": ControlRow(f"SIGHUP at {PORTS} ports", _COST, _reload),
    "ask": ControlRow(f"Questions at {PORTS} ports", _COST, _ask),
    "macs": ControlRow("Addresses", (*_COST, ("sent", "sent", 0), ("known", "known", 0), ("lost", "reports lost", 0), ("rss", "RSS, MiB more", 0)), _macs),
    "start": ControlRow(f"{PORTS} ports", (*_COST, ("rss", "RSS a port, KiB", 0), ("fds", "descriptors a port", 1)), _start),
    "client": ControlRow(f"{PORTS} ports in client mode", (("cpu", "control CPU, ms/s", 1),), _client),
}


def take(row, kind, directory, cpus):
    """[(label, figures)] of one vuswitch."""
    directory.mkdir()
    with Place(directory, kind.path, cpus) as place:
        try:
            return [(label, figures) for label, figures in row.take(place)]
        except OSError as error:
            raise LabError(f"{row.title}: {error}") from error
