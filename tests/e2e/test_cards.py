# SPDX-License-Identifier: BSD-3-Clause
"""One guest with many cards, each of another kind; and a guest whose memory comes and goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vulab.guest import Guest, Nic, qemu_version
from vulab.lab import Lab
from vulab.process import wait_until

# What a card may be like: QEMU's options, and a feature that must or must not have been agreed on.
KINDS = {
    "modern": ("disable-legacy=on", "VERSION_1", True),
    "legacy": ("disable-modern=on", "VERSION_1", False),
    "unmerged": ("mrg_rxbuf=off", "MRG_RXBUF", False),
    "plain": ("indirect_desc=off,event_idx=off,any_layout=off", "EVENT_IDX", False),
    "bare": ("csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,"
             "guest_ufo=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off,mrg_rxbuf=off",
             "MRG_RXBUF", False),
    "jumbo": ("host_mtu=9000", "MTU", True),
}


def reaches(guest: Guest, address: str) -> None:
    wait_until(lambda: guest.ping(address, 1) == 1, 15, f"{guest.name} to reach {address}")


def test_every_kind_of_card(lab: Lab, qemu: Path, image: Path) -> None:
    """Each card reaches the host through the tap, with small and large frames."""
    host = lab.netns()
    ports = [f"--vhost={name}={lab.socket(name)}" for name in KINDS]
    switch = lab.switch([*ports, "--ethdev=up0=net_tap0"], ["--vdev", "net_tap0,iface=vut0"],
                        netns=host)
    switch.start()
    wait_until(lambda: host.run("ip", "link", "show", "vut0", check=False), 10, "the tap vut0")
    nics = [Nic(lab.socket(name), f"52:54:00:00:01:0{number}", options=options)
            for number, (name, (options, _, _)) in enumerate(KINDS.items())]
    guest = lab.guest("guest", qemu, image, nics, "10.5.0.1/24")
    guest.start()
    guest.boot()
    for number, name in enumerate(KINDS):
        host.address("vut0", f"10.5.{number}.254/24")
        guest.run(f"ip address replace 10.5.{number}.1/24 dev eth{number}; "
                  f"ip link set eth{number} up")
    # an address lives on its own card only
    guest.run("for f in /proc/sys/net/ipv4/conf/*; do echo 1 >$f/arp_ignore; done")
    switch.wait_link(*KINDS)
    for number, (name, (_, feature, agreed)) in enumerate(KINDS.items()):
        address = f"10.5.{number}.254"
        reaches(guest, address)
        for size in (0, 56, 1472):
            assert guest.ping(address, 20, size, options="-i 0.02") == 20, f"{name}, {size} bytes"
        assert host.ping(f"10.5.{number}.1", 5, 1472) == 5, name
        features = switch.port(name)["features"]
        assert any(feature in word for word in features) == agreed, f"{name}: {features}"
    assert guest.run(f"cat /sys/class/net/eth{list(KINDS).index('jumbo')}/mtu") == "9000"
    assert switch.port("jumbo")["mtu"] == 9000


def test_memory_comes_and_goes_under_traffic(lab: Lab, qemu: Path, image: Path) -> None:
    """DIMMs are plugged and virtio-mem grows and shrinks; not one ping is lost meanwhile."""
    dynamic = qemu_version(qemu) >= (8, 2)
    switch = lab.switch([f"--vhost={name}={lab.socket(name)}" for name in "ab"])
    switch.start()
    growing = ["-object", "memory-backend-memfd,id=vmb,size=1G,share=on,reserve=off",
               "-device", "virtio-mem-pci,id=vmem0,memdev=vmb,requested-size=0"
               + (",dynamic-memslots=on" if dynamic else "")]
    guests = [lab.guest(name, qemu, image, Nic(lab.socket(name), f"52:54:00:00:02:0{name}"),
                        f"10.6.0.{number}/24", hotplug="slots=8,maxmem=8G", extra=growing)
              for number, name in enumerate("ab", 1)]
    for guest in guests:
        guest.start()
    for guest in guests:
        guest.boot()
    first, second = guests
    switch.wait_link("a", "b")
    reaches(first, second.ip)

    def total() -> int:
        return int(first.run("awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo"))

    def slots() -> int:
        return int(switch.port("a")["slots_used"])

    at_start, slots_at_start = total(), slots()
    first.start_watch(second)
    for number in range(3):
        backend: dict[str, Any] = {"qom-type": "memory-backend-memfd", "id": f"m{number}",
                                   "size": 128 << 20, "share": True}
        first.qmp.command("object-add", **backend)
        first.qmp.command("device_add", driver="pc-dimm", id=f"dimm{number}", memdev=f"m{number}")
    wait_until(lambda: total() >= at_start + 3 * 120, 30, "the guest to see three DIMMs", 0.3)
    assert slots() >= slots_at_start + (3 if dynamic else 1)
    for size in (512, 0, 1024, 0):
        first.qmp.command("qom-set", path="/machine/peripheral/vmem0", property="requested-size",
                          value=size << 20)
        wait_until(lambda: bool(first.qmp.command("qom-get", path="/machine/peripheral/vmem0",
                                                  property="size") == size << 20), 60,
                   f"virtio-mem to be {size} MiB", 0.3)
        if size:
            # new memory is used: what is sent lies in it
            first.send_file(second, 16)
    sent, lost = first.stop_watch()
    assert sent > 20 and not lost, f"lost {lost} of {sent}"
