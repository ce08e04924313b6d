# SPDX-License-Identifier: BSD-3-Clause
"""Multicast snooping beside Open vSwitch: the same reports, leaves, queries and data come out of the same ports.

Generated turns: some hosts join or leave groups, by IGMP v1, v2 and v3 and MLD v1 and v2, and then data are sent to each group. A
router asks behind the port p0. Who is a member is also kept here, as a third opinion. Each frame has its number in its last bytes.
"""

from __future__ import annotations

import ipaddress
import random
import struct
import subprocess
from collections.abc import Iterator

import pytest
from vulab.flood import checksum
from vulab.lab import Lab
from vulab.ovs import DummyOvs, frames_of, plain_daemon
from vulab.paths import build_folder
from vulab.process import wait_until
from vulab.switch import Switch

PORTS = [f"p{i}" for i in range(6)]  # p0 has the router
GROUPS = ["239.1.0.1", "239.1.0.2", "239.1.0.3", "ff05::1:1", "ff05::1:2", "ff05::1:3"]
TURNS = 60

Given = list[tuple[str, bytes]]
Got = set[tuple[int, str]]  # a frame's number, and a port that it came out of


# --- frames ---------------------------------------------------------------------------------------------------------


def group_mac(group: str) -> bytes:
    packed = ipaddress.ip_address(group).packed
    return b"\x33\x33" + packed[-4:] if len(packed) == 16 else bytes([1, 0, 0x5E, packed[1] & 0x7F, *packed[2:]])


def frame(port: str, to: str, protocol: int, body: bytes, number: int, *, alert: bool = True) -> bytes:
    """An IP packet of a host behind a port, with the router alert that IGMP and MLD have; IPv6: from its link-local address."""
    host, packed = int(port[1:]) + 1, ipaddress.ip_address(to).packed
    ethernet = group_mac(to) + bytes([2, 0, 0, 0, 0, host])
    if len(packed) == 4:
        options = bytes([0x94, 4, 0, 0]) if alert else b""
        head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(body), 0, 0, 1, protocol, 0,
                           bytes([10, 0, 0, host]), packed) + options
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        whole = ethernet + b"\x08\x00" + head + body
    else:
        source = bytes([0xFE, 0x80, *bytes(13), host])
        if alert:
            body = body[:2] + struct.pack("!H", checksum(source + packed + struct.pack("!II", len(body), 58) + body)) + body[4:]
        options = bytes([58, 0, 5, 2, 0, 0, 1, 0]) if alert else b""
        whole = (ethernet + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(options) + len(body), 0 if alert else protocol, 1)
                 + source + packed + options + body)
    return whole + bytes(max(0, 60 - len(whole))) + struct.pack("!I", number)


def igmp(port: str, to: str, body: bytes, number: int) -> bytes:
    return frame(port, to, 2, body[:2] + struct.pack("!H", checksum(body)) + body[4:], number)


def query(version: int, number: int) -> bytes:
    """A general one, of the router; answers are due within 0.1 s."""
    if version == 4:
        return igmp("p0", "224.0.0.1", struct.pack("!BBH4s", 0x11, 1, 0, bytes(4)), number)
    return frame("p0", "ff02::1", 58, struct.pack("!BBHHH16s", 130, 0, 0, 100, 0, bytes(16)), number)


def says(dice: random.Random, port: str, group: str, member: bool, number: int) -> bytes:
    """A report or a leave, of one of the versions that have it."""
    packed = ipaddress.ip_address(group).packed
    if len(packed) == 4:
        kind = dice.choice([0x12, 0x16, 0x22] if member else [0x17, 0x22])
        if kind == 0x22:
            record = struct.pack("!BBH4s", dice.choice([2, 4]) if member else 3, 0, 0, packed)
            return igmp(port, "224.0.0.22", struct.pack("!BBHHH", 0x22, 0, 0, 0, 1) + record, number)
        return igmp(port, group if member else "224.0.0.2", struct.pack("!BBH4s", kind, 0, 0, packed), number)
    kind = dice.choice([131, 143] if member else [132, 143])
    if kind == 143:
        record = struct.pack("!BBH16s", dice.choice([2, 4]) if member else 3, 0, 0, packed)
        return frame(port, "ff02::16", 58, struct.pack("!BBHHH", 143, 0, 0, 0, 1) + record, number)
    return frame(port, group if member else "ff02::2", 58, struct.pack("!BBHHH16s", kind, 0, 0, 0, 0, packed), number)


def data(port: str, group: str, number: int) -> bytes:
    return frame(port, group, 17, struct.pack("!HHHH", 5000, 5000, 8 + 32, 0) + bytes(32), number, alert=False)


# --- the two switches -----------------------------------------------------------------------------------------------


class Ours:
    def __init__(self, lab: Lab) -> None:
        config = lab.folder / "snooping.yaml"
        ports = "".join(f"  - {{name: {name}, type: vhost-user, socket: {lab.socket(name)}, multicast-fast-leave: on"
                        f"{'' if name == 'p0' else ', multicast-router: off'}}}\n" for name in PORTS)
        config.write_text("bridges:\n  - {name: br0, multicast-snooping: on, multicast-unregistered: routers}\nports:\n" + ports)
        self.switch: Switch = lab.switch(["--config", str(config)])
        self.switch.start()
        self.guests = subprocess.Popen([str(build_folder() / "tests/e2e/frames"), str(lab.folder), *PORTS],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.guests.stdout
        assert self.guests.stdout.readline() == "ready\n"

    def give(self, given: Given) -> Got:
        """All frames one by one; what has come out when the last one has been taken."""
        got: Got = set()
        assert self.guests.stdin and self.guests.stdout
        for port, sent in given:
            self.guests.stdin.write(f"{port} {sent.hex()}\n")
            self.guests.stdin.flush()
            while (line := self.guests.stdout.readline()) != ".\n":
                name, hexadecimal = line.split()
                got.add((struct.unpack("!I", bytes.fromhex(hexadecimal)[-4:])[0], name))
        return got

    def members(self) -> set[tuple[str, str]]:
        return {(entry["group"], port["port"]) for entry in self.switch.vusctl("groups", "br0")["groups"] if "group" in entry
                for port in entry["ports"]}

    def is_snooping(self) -> bool:
        rows = [row for row in self.switch.vusctl("groups", "br0")["groups"] if "routers" in row]
        return len(rows) == 2 and all(row["snooped"] and row["routers"] for row in rows)


class Theirs:
    def __init__(self, ovs: DummyOvs) -> None:
        self.ovs = ovs
        self.seen = dict.fromkeys(PORTS, 0)
        ovs.add_dummies("br0", PORTS)
        ovs.vsctl("set", "bridge", "br0", "mcast_snooping_enable=true", "other_config:mcast-snooping-disable-flood-unregistered=true")

    def give(self, given: Given) -> Got:
        for port, sent in given:
            self.ovs.appctl("revalidator/purge")
            self.ovs.give(port, [sent])
        sizes: list[int] = []

        def settled() -> bool:
            sizes.append(sum(self.ovs.sent(port).stat().st_size for port in PORTS))
            return len(sizes) > 1 and sizes[-1] == sizes[-2]

        wait_until(settled, 20, "Open vSwitch to have sent all", pause=0.1)
        got: Got = set()
        for port in PORTS:
            frames = frames_of(self.ovs.sent(port))
            got |= {(struct.unpack("!I", sent[-4:])[0], port) for sent in frames[self.seen[port]:]}
            self.seen[port] = len(frames)
        return got


@pytest.fixture
def theirs(lab: Lab) -> Iterator[Theirs]:
    if not plain_daemon():
        pytest.skip("no Open vSwitch: apt-get install openvswitch-switch")
    ovs = DummyOvs(lab.folder, {})
    try:
        yield Theirs(ovs)
    finally:
        ovs.stop()


def test_members_are_those_of_open_vswitch(lab: Lab, theirs: Theirs) -> None:
    dice, ours = random.Random(15), Ours(lab)
    numbers, members = iter(range(1, 1 << 30)), set()
    came = 0
    try:
        for version in (4, 6):
            asked = [("p0", query(version, next(numbers)))]
            assert ours.give(asked) == theirs.give(asked)
        wait_until(ours.is_snooping, 20, "answers to the queries to be in")
        for turn in range(TURNS):
            given: Given = []
            for _ in range(dice.randint(1, 4)):
                port, group = dice.choice(PORTS[1:]), dice.choice(GROUPS)
                member = (group, port) not in members
                members ^= {(group, port)}
                given.append((port, says(dice, port, group, member, next(numbers))))
            told = ours.give(given), theirs.give(given)
            assert told[0] == told[1], f"turn {turn}: {[(port, sent.hex()) for port, sent in given]}"
            wait_until(lambda: ours.members() == members, 10, f"turn {turn}: members to be {members}")
            given = [(port, data(port, group, next(numbers))) for group in GROUPS for port in [dice.choice(PORTS)]]
            got = ours.give(given), theirs.give(given)
            assert got[0] == got[1], f"turn {turn}: {members}, ours alone {got[0] - got[1]}, theirs alone {got[1] - got[0]}"
            came += len(got[0]) + len(told[0])
        print(f"{next(numbers) - 1} frames, {came} came out, of the same ports")
    finally:
        ours.guests.kill()
        ours.guests.wait()
