# SPDX-License-Identifier: BSD-3-Clause
"""One guest with many cards, each of another kind."""

from __future__ import annotations

from pathlib import Path

from vulab.guest import Nic
from vulab.lab import Lab

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


def test_every_kind_of_card(lab: Lab, qemu: Path, image: Path) -> None:
    """Each card reaches the host through the tap, with small and large frames."""
    switch, host = lab.switch_and_host(lab.vhost(*KINDS))
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
        guest.reach(address)
        got = guest.ping_singly(address, (0, 56, 1472), 10)
        assert set(got.values()) == {10}, f"{name}, answers by size: {got}"
        assert host.ping(f"10.5.{number}.1", 5, 1472) == 5, name
        features = switch.port(name)["features"]
        assert any(feature in word for word in features) == agreed, f"{name}: {features}"
    assert guest.run(f"cat /sys/class/net/eth{list(KINDS).index('jumbo')}/mtu") == "9000"
    assert switch.port("jumbo")["mtu"] == 9000
