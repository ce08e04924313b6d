# SPDX-License-Identifier: BSD-3-Clause
"""VLANs beside Open vSwitch: the same frames into ports that are configured alike come out alike, or the difference has a name.

Generated bridges of six ports (access, trunk, native-untagged, native-tagged, dot1q-tunnel) and generated frames: no tag, one, two, of either type,
a priority only, VIDs that are reserved; to known addresses, unknown ones, all, and link-local groups. Open vSwitch runs with
vlan-limit=2 and its userspace datapath. docs/bridge.md has the differences.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from vulab.lab import Lab
from vulab.ovs import DummyOvs, frames_of, plain_daemon
from vulab.paths import build_folder
from vulab.process import SLOW, wait_until
from vulab.switch import Switch

BRIDGES, PORTS, FRAMES = 8, 6, 400
VIDS = [1, 10, 11, 20, 21, 4094]
TAGS = (0x8100, 0x88A8)


@dataclass
class Port:
    name: str
    station: bytes
    mode: str = "access"  # OVS's vlan_mode
    tag: int = 0  # of an access port; of a trunk the native VLAN, 0: none
    trunks: list[int] = field(default_factory=list)
    service: str = "802.1ad"  # the type of a tunnel's tag

    @property
    def members(self) -> set[int]:
        return {*self.trunks, self.tag} - {0}

    def options(self) -> str:
        if self.mode == "access":
            return f"access: {self.tag}"
        if self.mode == "dot1q-tunnel":
            return f"qinq: {self.tag}, qinq-type: {self.service}"
        native = f", native-vlan: {self.tag}" if self.tag else ""
        tagged = ", native-tagged: on" if self.mode == "native-tagged" else ""
        return f'trunk: "{",".join(map(str, self.trunks))}"{native}{tagged}'

    def columns(self) -> list[str]:
        """The same in OVS's words."""
        tag = [f"tag={self.tag}"] if self.tag else []
        trunks = [f"trunks={','.join(map(str, self.trunks))}"] if self.trunks else []
        return [f"vlan_mode={self.mode}", *tag, *trunks, f"other_config:qinq-ethtype={self.service}"]

    @property
    def has_trunks(self) -> bool:
        return self.mode not in ("access", "dot1q-tunnel")

    def untagged(self, vid: int) -> bool:
        return vid == self.tag and self.mode in ("access", "native-untagged")


def make_bridge(dice: random.Random, number: int) -> list[Port]:
    ports = []
    for i in range(PORTS):
        port = Port(f"b{number}p{i}", bytes([2, 0, 0, 0, number, i + 1]))
        port.mode = dice.choice(["access", "trunk", "native-untagged", "native-tagged", "dot1q-tunnel"])
        port.tag = 0 if port.mode == "trunk" else dice.choice(VIDS)
        port.trunks = sorted(dice.sample(VIDS, dice.randint(1, 4))) if port.has_trunks else []
        port.service = dice.choice(["802.1ad", "802.1q"])
        ports.append(port)
    return ports


# --- frames ---------------------------------------------------------------------------------------------------------


def frame(dst: bytes, src: bytes, tags: list[tuple[int, int]], number: int) -> bytes:
    body = b"".join(struct.pack("!HH", *tag) for tag in tags)
    return dst + src + body + struct.pack("!HI", 0x88B5, number) + bytes(50)


def parse(data: bytes) -> tuple[list[tuple[int, int]], int]:
    """The tags of a frame, and its number."""
    tags, at = [], 12
    while struct.unpack_from("!H", data, at)[0] in TAGS:
        tags.append(struct.unpack_from("!HH", data, at))
        at += 4
    return tags, struct.unpack_from("!I", data, at + 2)[0]


def teaching(port: Port, number: int) -> list[bytes]:
    """A frame in each VLAN of a port, so that all is known that ever will be."""
    everybody = b"\xff" * 6
    frames = [frame(everybody, port.station, [(0x8100, vid)], number) for vid in port.members if port.has_trunks]
    return [*frames, frame(everybody, port.station, [], number)] if port.tag else frames


def random_tags(dice: random.Random) -> list[tuple[int, int]]:
    tags = []
    for _ in range(dice.choice([0, 0, 1, 1, 1, 1, 2, 2])):
        vid = dice.choice(VIDS) if dice.random() < 0.8 else dice.choice([0, 4095, 2, 4093])
        tags.append((dice.choice([0x8100, 0x8100, 0x88A8]), dice.choice([0, 0, 5, 7]) << 13 | (dice.random() < 0.1) << 12 | vid))
    return tags


def random_frame(dice: random.Random, ports: list[Port], port: Port, number: int) -> bytes:
    group = bytes([0x01, 0x80, 0xC2, 0, 0, dice.randrange(16)])
    dst = dice.choice([*(other.station for other in ports), b"\xff" * 6, b"\x02\x77\x00\x00\x00\x01", group])
    return frame(dst, port.station, random_tags(dice), number)


# --- the two switches -----------------------------------------------------------------------------------------------


@pytest.fixture
def bridges() -> list[list[Port]]:
    dice = random.Random(15)
    return [make_bridge(dice, number) for number in range(BRIDGES)]


@pytest.fixture
def switch(lab: Lab, bridges: list[list[Port]]) -> Switch:
    config = lab.folder / "vlans.yaml"
    lines = ["bridges:", *(f"  - {{name: br{number}, vlan-aware: on}}" for number in range(BRIDGES)), "ports:"]
    for number, ports in enumerate(bridges):
        lines += [f"  - {{name: {port.name}, type: vhost-user, socket: {lab.socket(port.name)}, bridge: br{number}, "
                  f"{port.options()}}}" for port in ports]
    config.write_text("\n".join(lines) + "\n")
    switch = lab.switch(["--config", str(config)])
    switch.start()
    return switch


@pytest.fixture
def ovs(lab: Lab, bridges: list[list[Port]]) -> Iterator[DummyOvs]:
    if not plain_daemon():
        pytest.skip("no Open vSwitch: apt-get install openvswitch-switch")
    ovs = DummyOvs(lab.folder, {"vlan-limit": "2"})
    try:
        for number, ports in enumerate(bridges):
            ovs.add_dummies(f"br{number}", [port.name for port in ports])
            for port in ports:
                ovs.vsctl("set", "port", port.name, *port.columns())
        # 3.1 caches what it did with two tags for frames with one: each frame by itself
        ovs.appctl("upcall/disable-megaflows")
        yield ovs
    finally:
        ovs.stop()


Given = list[tuple[Port, bytes]]
Got = dict[tuple[int, str], bytes]  # by the frame's number, and the port that it came out of


def through_vuswitch(lab: Lab, switch: Switch, bridge: int, ports: list[Port], taught: Given, given: Given) -> Got:
    def lines(frames: Given) -> str:
        return "".join(f"{port.name} {data.hex()}\n" for port, data in frames)

    program = [str(build_folder() / "tests" / "e2e" / "frames"), str(lab.folder), *(port.name for port in ports)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guests:
        try:
            assert guests.stdin
            guests.stdin.write(lines(taught))
            guests.stdin.flush()
            known = sum(len(port.members) for port in ports)
            wait_until(lambda: switch.vusctl("macs", f"br{bridge}")["total"] == known, 20, f"{known} addresses to be known")
            said, _ = guests.communicate(lines(given), timeout=60 * SLOW)
        finally:
            guests.kill()
    words = [line.split() for line in said.splitlines()]
    assert words.count(["."]) == len(taught) + len(given), said[-200:]
    frames = [(name, bytes.fromhex(data)) for name, data in (pair for pair in words if len(pair) == 2)]
    return {(parse(data)[1], name): data for name, data in frames if parse(data)[1] > 0}


def through_ovs(ovs: DummyOvs, bridge: int, ports: list[Port], taught: Given, given: Given) -> Got:
    def settled() -> bool:
        sizes = [sum(ovs.sent(port.name).stat().st_size for port in ports)]
        ovs.appctl("ofproto/list")
        ovs.appctl("dpif/show")
        sizes.append(sum(ovs.sent(port.name).stat().st_size for port in ports))
        return sizes[0] == sizes[1]

    for port, data in taught:
        ovs.give(port.name, [data])
    known = sum(len(port.members) for port in ports)
    wait_until(lambda: len(ovs.appctl("fdb/show", f"br{bridge}").splitlines()) == known + 1, 20, f"{known} addresses to be known")
    ovs.appctl("revalidator/purge")
    for port, data in given:
        ovs.give(port.name, [data])
    wait_until(settled, 20, "Open vSwitch to have sent all", pause=0.2)
    return {(parse(data)[1], port.name): data for port in ports for data in frames_of(ovs.sent(port.name)) if parse(data)[1] > 0}


# --- what differs ---------------------------------------------------------------------------------------------------


def without_dei(data: bytes | None) -> bytes | None:
    if data is None:
        return None
    out = bytearray(data)
    for i in range(len(parse(data)[0])):
        out[14 + 4 * i] &= 0xEF
    return bytes(out)


def difference(source: Port, sent: bytes, to: Port, ours: bytes | None, theirs: bytes | None) -> str:
    """Its name in docs/bridge.md; what has none is a fault."""
    tags, _ = parse(sent)
    tunnel = source.mode == "dot1q-tunnel"
    vid = tags[0][1] & 0xFFF if tags and not tunnel else 0
    below = tags if tunnel else tags[1:]
    if len(below) > 1:
        return "a customer's second tag"
    if ours and theirs and without_dei(ours) == without_dei(theirs):
        return "DEI"
    if source.mode == "access" and len(tags) == 2 and vid == 0 and ours is None:
        return "a tag below a priority"
    if below and ours is None and to.untagged(vid or source.tag):
        return "a tag below one that is taken off"
    if below and below[0][1] & 0xFFF == 0 and ours and theirs:
        return "a priority below a tag"
    return f"unexplained: {source} {sent[:24].hex()} -> {to}: {ours and ours[:24].hex()}, {theirs and theirs[:24].hex()}"


def test_frames_come_out_as_of_open_vswitch(lab: Lab, bridges: list[list[Port]], switch: Switch, ovs: DummyOvs) -> None:
    dice = random.Random(16)
    differences: Counter[str] = Counter()
    out = same = 0
    for bridge, ports in enumerate(bridges):
        taught = [(port, data) for port in ports for data in teaching(port, 0)]
        given = []
        for number in range(1, FRAMES + 1):
            port = dice.choice(ports)
            given.append((port, random_frame(dice, ports, port, number)))
        ours = through_vuswitch(lab, switch, bridge, ports, taught, given)
        theirs = through_ovs(ovs, bridge, ports, taught, given)
        by_name = {port.name: port for port in ports}
        for number, name in sorted(ours.keys() | theirs.keys()):
            one, other = ours.get((number, name)), theirs.get((number, name))
            out += 1
            same += one == other
            if one != other:
                source, data = given[number - 1]
                differences[difference(source, data, by_name[name], one, other)] += 1
    print(f"{BRIDGES * FRAMES} frames, {out} came out, {same} alike; {dict(differences)}")
    assert not [name for name in differences if name.startswith("unexplained")], differences
    assert out > BRIDGES * FRAMES / 2
    assert set(differences) == {"DEI", "a tag below a priority", "a tag below one that is taken off", "a priority below a tag",
                                "a customer's second tag"}
