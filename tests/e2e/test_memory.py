# SPDX-License-Identifier: BSD-3-Clause
"""A guest whose memory comes and goes under traffic: not one packet is lost.

$VUSWITCH_DIMMS is how many DIMMs are plugged (default 24; QEMU 7.2 has room for 255).
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from vulab.flood import Flood
from vulab.guest import Guest, Nic, boot_all, qemu_version
from vulab.host import available_mib, huge_pages
from vulab.lab import Lab
from vulab.memory import Dimms, VirtioMem, online_as, plugged_buffers
from vulab.paging import MemoryGroup, swap_file, swapped_in
from vulab.process import wait_until
from vulab.switch import Switch

DIMMS = int(os.environ.get("VUSWITCH_DIMMS", "24"))
PAGED_OUT = 4  # times all that is there
KEPT = 4  # DIMMs for the kernel: the guest's packet buffers lie there
HOST = "10.6.0.254"


def longest_ms(switch: Switch) -> float:
    """The longest round of an lcore since the last call, in milliseconds."""
    said = max(lcore["longest_us"] for lcore in switch.vusctl("lcores", "--reset")["lcores"])
    return float(said) / 1000


def drops(switch: Switch) -> dict[str, int]:
    return {name: port["rx_drops"] + port["tx_drops"] for name, port in switch.ports().items()}


def receives_there(guest: Guest) -> None:
    """Waits until most of what the guest receives is put into memory that was plugged."""
    def there() -> bool:
        plugged, every = plugged_buffers(guest)
        return plugged > every / 2

    wait_until(there, 30, f"{guest.name}'s receive buffers to lie in plugged memory", 0.2)


def test_dimms_come_and_go(lab: Lab, qemu: Path, image: Path) -> None:
    """The host floods a guest with pings, which land in DIMMs, while further DIMMs come, and go in
    another order.
    """
    if available_mib() < 1024 + 4 * DIMMS:
        pytest.skip(f"{available_mib()} MiB are too few for {DIMMS} DIMMs")
    switch, host = lab.switch_and_host(lab.vhost("a"), f"{HOST}/24")
    guest = lab.guest("a", qemu, image, Nic(lab.socket("a"), "52:54:00:00:02:0a"), "10.6.0.1/24",
                      hotplug="slots=256,maxmem=64G")
    boot_all([guest])
    switch.wait_link("a")
    guest.reach(HOST)
    before, slots, begin = drops(switch), switch.port("a")["slots_used"], time.monotonic()
    longest_ms(switch)
    dimms, flood = Dimms(guest), Flood(guest.ip, host)
    for _ in range(KEPT):
        dimms.plug()
    wait_until(lambda: dimms.online() == KEPT, 30, f"{KEPT} DIMMs to be online", 0.2)
    receives_there(guest)
    online_as(guest, "online_movable")
    while len(dimms.plugged) < DIMMS:
        dimms.plug()
    assert switch.port("a")["slots_used"] == slots + DIMMS
    wait_until(lambda: dimms.online() == DIMMS, 30 + DIMMS / 4,
               f"{DIMMS} DIMMs to be online", 0.5)
    grown, pause = time.monotonic() - begin, longest_ms(switch)
    going = dimms.plugged[KEPT:]
    random.Random(3).shuffle(going)
    dimms.unplug(going, 30 + DIMMS / 4)
    assert switch.port("a")["slots_used"] == slots + KEPT
    plugged, every = plugged_buffers(guest)
    flood.stop()
    print(f"{slots} to {slots + DIMMS} slots in {grown:.1f} s, back to {slots + KEPT} after "
          f"{time.monotonic() - begin:.1f} s; {flood.sent} pings, {flood.lost} lost, slowest "
          f"{flood.slowest:.0f} ms; longest round {pause:.1f} ms, then {longest_ms(switch):.1f} ms; "
          f"{plugged} of {every} receive buffers in DIMMs")
    assert flood.sent > 200 and flood.lost == 0
    assert drops(switch) == before
    assert plugged > every / 2
    switch.must_run()


def test_virtio_mem_grows_and_shrinks(lab: Lab, qemu: Path, image: Path) -> None:
    """Two guests talk while one of them grows and shrinks, in ordinary and in huge pages; what it
    sends lies in the new memory.
    """
    dynamic = qemu_version(qemu) >= (8, 2)
    growing = [VirtioMem("plain", "8G", dynamic)]
    with huge_pages(2048) as enough:
        if enough:
            growing.append(VirtioMem("huge", "8G", dynamic, huge=True))
        else:
            print("this machine has no 2 GiB in huge pages: only ordinary ones are tested")
        # The switch leaves the huge pages to the guest.
        switch = lab.switch(lab.vhost("a", "b"), ["--no-huge", "--no-shconf"])
        switch.start()
        first, second = (
            lab.guest(name, qemu, image, Nic(lab.socket(name), f"52:54:00:00:02:0{name}"),
                      f"10.6.0.{number}/24", hotplug="slots=8,maxmem=32G" if name == "a" else "",
                      extra=[word for one in growing for word in one.options()
                             if name == "a"])
            for number, name in enumerate("ab", 1))
        boot_all([first, second])
        switch.wait_link("a", "b")
        first.reach(second.ip)
        grow_and_shrink(switch, first, second, growing, dynamic)
        for guest in (first, second):
            guest.stop()


def test_a_guest_on_huge_pages_stays_up(lab: Lab, qemu: Path, image: Path) -> None:
    """Pages that take the kernel long to clear, the longest this machine has, are no reason to blame the guest whose they are."""
    with huge_pages(2048, 1024) as largest, huge_pages(0 if largest else 2048) as enough:
        if not enough:
            pytest.skip("this machine has no 2 GiB in huge pages")
        page = 1024 if largest else 2
        switch = lab.switch(lab.vhost("a", "b"), ["--no-huge", "--no-shconf"])
        switch.start()
        first = lab.guest("a", qemu, image, Nic(lab.socket("a"), "52:54:00:00:02:0a"), "10.6.0.1/24", memory="2G", page=page)
        second = lab.guest("b", qemu, image, Nic(lab.socket("b"), "52:54:00:00:02:0b"), "10.6.0.2/24")
        boot_all([first, second])
        switch.wait_link("a", "b")
        longest_ms(switch)
        first.reach(second.ip)
        first.send_file(second, 8)
        second.send_file(first, 8)
        port = switch.port("a")
        print(f"pages of {page} MiB: waited {port['memory_wait_ms']} ms for memory, {port['tx_drop']['untouched']} frames "
              f"dropped, longest round {longest_ms(switch):.1f} ms")
        assert port["connected"] and port["sent_down"] == 0
        assert port["memory_wait_ms"] < 100
        for guest in (first, second):
            guest.stop()


def test_a_guest_on_swap_stays_up(lab: Lab, qemu: Path, image: Path) -> None:
    """All of a guest's memory is paged out again and again: lcores wait for its pages, and nobody blames the guest."""
    with swap_file(512, lab.folder) as can_swap:
        if not can_swap:
            pytest.skip("this machine cannot swap")
        group = MemoryGroup(f"vuswitch-test-{os.getpid()}")
        lab.keep(group)
        switch = lab.switch(lab.vhost("a", "b"), ["--no-huge", "--no-shconf"])
        switch.start()
        first = lab.guest("a", qemu, image, Nic(lab.socket("a"), "52:54:00:00:02:0a"), "10.6.0.1/24")
        second = lab.guest("b", qemu, image, Nic(lab.socket("b"), "52:54:00:00:02:0b"), "10.6.0.2/24")
        first.prefix = group.prefix()
        boot_all([first, second])
        switch.wait_link("a", "b")
        first.reach(second.ip)
        before = swapped_in()
        longest_ms(switch)
        for _ in range(PAGED_OUT):
            group.page_out()
            first.send_file(second, 1)
            group.page_out()
            second.send_file(first, 1)
        pages, port = swapped_in() - before, switch.port("a")
        print(f"{pages} pages came back from swap; waited {port['memory_wait_ms']} ms for memory, longest round "
              f"{longest_ms(switch):.1f} ms")
        assert pages > 0
        assert port["connected"] and port["sent_down"] == 0
        for guest in (first, second):
            guest.stop()


def grow_and_shrink(switch: Switch, first: Guest, second: Guest, growing: list[VirtioMem],
                    dynamic: bool) -> None:
    """256 MiB stay, for the kernel; what is beyond comes and goes."""
    slots = most = switch.port("a")["slots_used"]
    with first.watching(second, 21):
        growing[0].resize(first, 256)
        first.send_file(second, 8)
        # Each buffer that is used is posted anew, in the new memory.
        second.send_file(first, 8)
        receives_there(first)
        online_as(first, "online_movable")
        for size in (1280, 256):
            for one in growing:
                one.resize(first, size)
            most = max(most, switch.port("a")["slots_used"])
            first.send_file(second, 8)
        for one in growing[1:]:
            one.resize(first, 0)
        least = switch.port("a")["slots_used"]
    print(f"{slots} slots, {most} at most, {least} at the end")
    assert (most - slots, least - slots) == ((2 * len(growing), 1) if dynamic else (0, 0))
