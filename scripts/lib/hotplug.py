# SPDX-License-Identifier: BSD-3-Clause
"""scripts/quickstart --hotplug, after the build: a VM that grows and shrinks under a flood of pings."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from show import Ticker, ends_well, step
from vulab.flood import Flood
from vulab.guest import Guest, Nic, accelerator, guest_image, qemu_binaries, qemu_version
from vulab.host import available_mib
from vulab.lab import Lab
from vulab.memory import DIMM_MIB, Dimms, online_as, plugged_buffers
from vulab.peers import OvsPeer, TestpmdPeer
from vulab.paths import program
from vulab.process import LabError, run
from vulab.switch import Switch

HOST, GUEST, TAP = "198.18.0.254", "198.18.0.1", "vuswitch0"
KEPT = 4  # DIMMs for the guest's kernel: its packet buffers lie there, so they stay
EVERY = 2  # seconds from line to line
AHEAD = 24  # DIMMs that the guest may be busy with at a time
QUIET = 4  # seconds of pings before anything changes
PATIENCE = 180  # seconds a guest may take to give its memory back
ROW = "{:>6}  {:<9}  {:>9}  {:>5}  {:>8}  {:>8}  {:>5}  {:>12}  {:>13}"
PEERS = {"testpmd": TestpmdPeer, "ovs": OvsPeer}


@dataclass
class Row:
    """What one line of the table says."""

    phase: str
    pings: int
    slots: int
    pause_us: float | None


class Demonstration:
    """The guest, what lies between it and the host, the flood, and the table that shows them."""

    def __init__(self, lab: Lab, peer: str, slots: int) -> None:
        self.lab, self.netns, self.wanted = lab, lab.netns(), slots
        self.switch: Switch | None = None
        self.label = "vuswitch"
        self.role = "client"
        self._start(peer)
        self.guest = self._boot()
        self.dimms = Dimms(self.guest)
        self.flood: Flood
        self.rows: list[Row] = []
        self._began = self._last = 0.0
        self._sent = 0

    # --- before ------------------------------------------------------------------------------

    def _start(self, peer: str) -> None:
        socket = self.lab.socket("vm1")
        if peer == "vuswitch":
            lcores = "0@0,1@1" if (os.cpu_count() or 1) > 1 else "0@0,1@0"
            self.switch = self.lab.switch(
                ["--vhost", f"vm1={socket}", "--ethdev", "host=net_tap0"],
                ["--vdev", f"net_tap0,iface={TAP}"], netns=self.netns, lcores=lcores)
            self.switch.start()
            self.switch.prefer_lcores()
        else:
            other = PEERS[peer](self.lab.folder, self.netns, socket, TAP)
            self.lab.keep(other)
            self.label, self.role = other.label, other.role
        self.netns.wait_device(TAP)
        self.netns.address(TAP, f"{HOST}/24")
        step(f"{self.label}: up, between the VM and this host (a tap in a network namespace)")
        # CPU 1 is for the thread that moves packets; whatever starts from now on runs elsewhere.
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, os.sched_getaffinity(0) - {1} or {0})

    def _boot(self) -> Guest:
        qemu, image = qemu_binaries()[-1], guest_image()
        how = "KVM" if accelerator(qemu, image) == "kvm" else "no KVM here, so emulated"
        step("QEMU {}.{} ({}): a VM of 192 MiB is booting".format(*qemu_version(qemu), how))
        guest = self.lab.guest("vm1", qemu, image,
                               Nic(self.lab.socket("vm1"), "52:54:00:12:34:01", self.role),
                               f"{GUEST}/24", hotplug="slots=256,maxmem=64G")
        guest.start()
        with Ticker("booting"):
            guest.boot()
            self.netns.reach(GUEST, 30)
        step(f"the VM is up after {guest.boot_seconds:.0f} s; now this host floods it with pings")
        return guest

    # --- the table ---------------------------------------------------------------------------

    def slots(self) -> int:
        """As the switch counts them; of another peer's we know what QEMU reported to it."""
        if self.switch:
            return int(self.switch.port("vm1")["slots_used"])
        return 1 + len(self.dimms.plugged)

    def pause_us(self) -> float | None:
        """The longest round of the switch's thread since the last call."""
        if not self.switch:
            return None
        self.switch.must_run()
        said: dict[str, Any] = self.switch.vusctl("lcores", "--reset")
        return float(max(lcore["longest_us"] for lcore in said["lcores"]))

    def head(self) -> None:
        self.pause_us()
        print("\n" + ROW.format("TIME", "", "VM'S", "", "PINGS", "PINGS", "", "SLOWEST", "SWITCH'S"))
        print(ROW.format("", "PHASE", "MEMORY", "SLOTS", "/s", "SO FAR", "LOST", "PING",
                         "LONGEST PAUSE"), flush=True)
        self._began = self._last = time.monotonic()
        self.flood = Flood(GUEST, self.netns)

    def row(self, phase: str) -> None:
        """A line, if the last one is old enough."""
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        rate = (self.flood.sent - self._sent) / (now - self._last)
        memory = 192 + DIMM_MIB * len(self.dimms.plugged)
        one = Row(phase, self.flood.sent, self.slots(), self.pause_us())
        self.rows.append(one)
        print(ROW.format(
            f"{now - self._began:.0f} s", phase,
            f"{memory} MiB" if memory < 1024 else f"{memory / 1024:.1f} GiB", one.slots,
            f"{rate:.0f}", one.pings, self.flood.lost, f"{self.flood.slowest:.0f} ms",
            pause_text(one.pause_us)), flush=True)
        self._last, self._sent = now, self.flood.sent

    def during(self, phase: str, seconds: float, done: Callable[[], bool]) -> None:
        """Tells of a phase until it is over."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise LabError(f"{phase}: not done after {seconds:.0f} s")
            time.sleep(0.1)
            self.row(phase)

    # --- what happens ------------------------------------------------------------------------

    def quiet(self) -> None:
        end = time.monotonic() + QUIET + 0.5
        self.during("quiet", QUIET + 5, lambda: time.monotonic() > end)

    def grow(self) -> str:
        """DIMM after DIMM, as fast as the guest takes them; returns QEMU's words if it refuses."""
        while self.slots() < self.wanted:
            if len(self.dimms.plugged) == KEPT:
                self._settle()
            most = KEPT if len(self.dimms.plugged) < KEPT else self.dimms.online() + AHEAD
            try:
                while len(self.dimms.plugged) < most and self.slots() < self.wanted:
                    self.dimms.plug()
            except LabError as error:
                return str(error).split(": ", 1)[-1]
            time.sleep(0.05)
            self.row("growing")
        self.during("growing", PATIENCE,
                    lambda: self.dimms.online() == len(self.dimms.plugged))
        return ""

    def _settle(self) -> None:
        """Packet buffers are to lie in the first DIMMs; the others are to be removable."""
        def moved() -> bool:
            plugged, every = plugged_buffers(self.guest)
            return plugged > every / 2

        self.during("growing", 30, moved)
        online_as(self.guest, "online_movable")

    def shrink(self) -> int:
        """All but the first go, the last first; returns how many the guest keeps."""
        going, end = self.dimms.plugged[KEPT:], time.monotonic() + PATIENCE
        asked, before = 0.0, len(going)
        while (left := [one for one in going if one in self.dimms.plugged]) \
                and time.monotonic() < end:
            if time.monotonic() > asked + 3 or len(left) <= before - AHEAD / 2:
                for number in left[-AHEAD:]:
                    self.dimms.ask_back(number)
                asked, before = time.monotonic(), len(left)
            time.sleep(0.05)
            self.dimms.collect()
            self.row("shrinking")
        return len(left)


def pause_text(us: float | None) -> str:
    return "unknown" if us is None else f"{us / 1000:.2f} ms"


def longest(rows: list[Row]) -> str:
    return pause_text(max((row.pause_us or 0 for row in rows), default=0))


def tell(demo: Demonstration, refusal: str, kept: int) -> None:
    """The lines below the table."""
    flood, most = demo.flood, max(row.slots for row in demo.rows)
    plugged, every = plugged_buffers(demo.guest)
    print()
    if refusal:
        step(f"{demo.label} stops at {most} slots. QEMU refuses the next DIMM: {refusal}")
    else:
        step(f"the VM had {most} slots, and has {demo.slots()}: {most - demo.slots()} DIMMs came and "
             f"went" + (f", {kept} it did not give back" if kept else ""))
    step(f"of the VM's {every} receive buffers {plugged} lie in memory that was plugged")
    step(f"{flood.sent} pings, {flood.lost} lost; the slowest took {flood.slowest:.0f} ms, in a VM that was "
         "busy with its memory")
    if demo.switch:
        quiet = [row for row in demo.rows if row.phase == "quiet"]
        changing = [row for row in demo.rows if row.phase != "quiet"]
        step(f"the switch's longest pause: {longest(changing)} while memory changed, "
             f"{longest(quiet)} in the quiet before")
        print("\ncounters (vusctl ports):")
        print(run([program("vusctl"), "--control",
                   demo.switch.control, "ports"]), end="")


def demonstrate(lab: Lab, options: argparse.Namespace) -> None:
    if not qemu_binaries():
        raise LabError("no qemu-system-x86_64 here: run 'apt-get install qemu-system-x86'")
    needed = 1024 + 4 * options.slots
    if available_mib() < needed:
        raise LabError(f"{available_mib()} MiB of memory are free and {needed} are needed: "
                       "use fewer --slots")
    demo = Demonstration(lab, options.peer, options.slots)
    demo.head()
    demo.quiet()
    refusal = demo.grow()
    most = demo.slots()
    end = time.monotonic() + QUIET
    demo.during("full" if not refusal else "refused", QUIET + 5, lambda: time.monotonic() > end)
    kept = demo.shrink()
    demo.flood.stop()
    demo._last = 0
    demo.row("done")
    tell(demo, refusal, kept)
    if demo.switch:
        if refusal or most < options.slots:
            raise LabError(f"{most} of {options.slots} slots; QEMU says: {refusal}")
        if demo.flood.lost:
            raise LabError(f"{demo.flood.lost} pings were lost")
        status = demo.switch.terminate()
        if status != 0:
            raise LabError(f"vuswitch ended with status {status}\n{demo.switch.report()}")
    print("ok", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/quickstart --hotplug", add_help=False)
    parser.add_argument("--slots", type=int, default=201)
    parser.add_argument("--peer", choices=["vuswitch", *PEERS], default="vuswitch")
    options = parser.parse_args()
    if not KEPT + 2 <= options.slots <= 256:
        print(f"quickstart: --slots {options.slots}: {KEPT + 2} to 256 are possible",
              file=sys.stderr)
        return 1
    return ends_well(lambda lab: demonstrate(lab, options))


if __name__ == "__main__":
    sys.exit(main())
