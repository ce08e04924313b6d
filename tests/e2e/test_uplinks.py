# SPDX-License-Identifier: BSD-3-Clause
"""Ports that are ethdevs: tap, af_packet, memif, pcap, ring. No virtual machine is needed.

Hosts are network namespaces. A switch with a tap runs inside one, so its tap is that host's.
"""

from __future__ import annotations

import struct
import subprocess
import time
from pathlib import Path

import pytest
from vulab.flow import flow_frame
from vulab.lab import Lab
from vulab.net import veth
from vulab.paths import build_folder
from vulab.process import SLOW, Process, run, wait_until
from vulab.testpmd import accounts_agree, dropped


def test_tap_and_af_packet(lab: Lab) -> None:
    """A host behind the switch's tap and a host at the other end of a cable reach each other."""
    inside, outside = lab.netns(), lab.netns()
    veth(inside, "cable0", outside, "cable1")
    inside.run("ip", "link", "set", "cable0", "up")
    # a cable in software carries unfinished checksums, which are nothing for another machine
    outside.run("ethtool", "-K", "cable1", "tx", "off")
    outside.address("cable1", "10.1.0.2/24")
    switch = lab.switch(["--ethdev", "up0=net_tap0", "--ethdev", "up1=net_af_packet0"],
                        ["--vdev", "net_tap0,iface=vut0", "--vdev", "net_af_packet0,iface=cable0"], netns=inside)
    switch.start()
    inside.wait_device("vut0")
    inside.address("vut0", "10.1.0.1/24")
    switch.wait_link("up0", "up1")
    inside.reach("10.1.0.2")
    assert inside.ping("10.1.0.2", 5) == 5
    assert outside.ping("10.1.0.1", 5, size=1400) == 5


def test_two_switches_joined_by_memif(lab: Lab) -> None:
    left, right = lab.netns(), lab.netns()
    socket = lab.folder / "memif.sock"
    switches = []
    for host, role, iface in ((left, "server", "vul0"), (right, "client", "vur0")):
        memif = f"net_memif0,role={role},id=0,socket={socket},socket-abstract=no"
        switch = lab.switch(["--ethdev", "host=net_tap0", "--ethdev", "other=net_memif0"],
                            ["--vdev", f"net_tap0,iface={iface}", "--vdev", memif], name=role, netns=host)
        switch.start()
        host.wait_device(iface)
        switches.append(switch)
    left.address("vul0", "10.2.0.1/24")
    right.address("vur0", "10.2.0.2/24")
    for switch in switches:
        switch.wait_link("host", "other")
    left.reach("10.2.0.2")
    assert left.ping("10.2.0.2", 5) == 5
    assert right.ping("10.2.0.1", 5, size=1400) == 5
    # the link follows the other side's life
    switches[1].kill()
    switches[0].wait_link("other", up=False)


def _write_pcap(path: Path, frames: list[bytes]) -> None:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    records = [struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame
               for number, frame in enumerate(frames)]
    path.write_bytes(header + b"".join(records))


def _read_pcap(path: Path) -> list[bytes]:
    data, frames, at = path.read_bytes(), [], 24
    while at + 16 <= len(data):
        length = int(struct.unpack_from("<I", data, at + 8)[0])
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def _vm_frames(lab: Lab) -> list[bytes]:
    """A VM sends frames of many lengths through port vm: what it sent."""
    frames = [b"\xff" * 6 + bytes([2, 0, 0, 0, 9, 9]) + struct.pack("!HH", 0x88B5, length) + bytes(range(256)) * 6
              for length in range(16, 1515, 13)]
    frames = [frame[:struct.unpack_from("!H", frame, 14)[0]] for frame in frames]
    done = subprocess.run([str(build_folder() / "tests/e2e/frames"), str(lab.folder), "vm"], capture_output=True, text=True,
                          input="".join(f"vm {frame.hex()}\n" for frame in frames), timeout=30 * SLOW, check=True)
    assert done.stdout.count(".\n") == len(frames), done.stdout[-200:]
    return frames


@pytest.mark.parametrize("offload", ["on", "off"])
def test_a_trunk_on_a_cable(lab: Lab, offload: str) -> None:
    """Two switches at a cable, with hosts behind taps in two VLANs of the trunk, and a VM. The driver puts in the tags of the VM's
    frames, or the switch; those of the hosts' frames the switches put in and take off where they lie."""
    hosts = [lab.netns(), lab.netns()]
    veth(hosts[0], "cable0", hosts[1], "cable1")
    config, dump = lab.folder / "trunk.yaml", lab.folder / "cable.pcap"
    config.write_text("bridges: [{name: br0, vlan-aware: on}]\n")
    switches = []
    for end, host in enumerate(hosts):
        host.run("ip", "link", "set", f"cable{end}", "up")
        vm = ["--vhost", f"vm={lab.socket('vm')},access=10"] if end == 0 else []
        switch = lab.switch(["--config", str(config), *vm, "--ethdev", "ten=net_tap0,access=10",
                             "--ethdev", "twenty=net_tap1,access=20", "--ethdev", f"up=net_af_packet0,trunk=10+20,vlan-offload={offload}"],
                            ["--vdev", f"net_tap0,iface=vut{end}0", "--vdev", f"net_tap1,iface=vut{end}1",
                             "--vdev", f"net_af_packet0,iface=cable{end}"], name=f"end{end}", netns=host)
        switch.start()
        switches.append(switch)
        for number in (0, 1):
            host.wait_device(f"vut{end}{number}")
            host.address(f"vut{end}{number}", f"10.{number}.0.{end + 1}/24")
    for switch in switches:
        switch.wait_link("ten", "twenty", "up")
    for number in (0, 1):
        hosts[0].reach(f"10.{number}.0.2")
        assert hosts[0].ping(f"10.{number}.0.2", 5) == 5
        assert hosts[1].ping(f"10.{number}.0.1", 5, size=1400) == 5
    assert switches[0].port("up")["vlan_offload"] == ("on: the device puts tags into frames of VMs" if offload == "on" else "off")
    tcpdump = Process("tcpdump", [*hosts[1].prefix, "tcpdump", "-U", "-Q", "in", "-i", "cable1", "-w", str(dump)],
                      lab.folder / "tcpdump.log", dialogue=True)
    lab.keep(tcpdump)
    tcpdump.wait_for("listening on", 10)
    want = [(frame[:12] + b"\x81\x00\x00\x0a" + frame[12:]).ljust(60, b"\0") for frame in _vm_frames(lab)]

    def seen() -> list[bytes]:
        return [frame for frame in _read_pcap(dump) if frame[16:18] == b"\x88\xb5"]

    wait_until(lambda: len(seen()) >= len(want), 10, "the VM's frames on the cable")
    assert seen() == want


def _frame(number: int, size: int) -> bytes:
    """A broadcast frame, of an experimental type, that knows its number."""
    head = b"\xff" * 6 + bytes.fromhex("020000000101") + b"\x88\xb5" + struct.pack("<I", number)
    return head + bytes((number + i) % 256 for i in range(size - len(head)))


def test_pcap_in_is_pcap_out(lab: Lab) -> None:
    """What one file holds arrives in the other: every frame, in order, byte for byte."""
    frames = [_frame(number, 60 + number * 7 % 1400) for number in range(500)]
    source, sink = lab.folder / "in.pcap", lab.folder / "out.pcap"
    _write_pcap(source, frames)
    config = lab.folder / "vuswitch.yaml"
    text = ("bridges:\n  - name: br0\nports:\n"
            "  - {name: sink, type: ethdev, bridge: br0, device: net_pcap0}\n")
    config.write_text(text)
    switch = lab.switch(["--config", str(config)],
                        ["--vdev", f"net_pcap0,tx_pcap={sink}",
                         "--vdev", f"net_pcap1,rx_pcap={source}"])
    switch.start()
    # The source starts to play when its port is made, so the sink comes first.
    config.write_text(text + "  - {name: source, type: ethdev, bridge: br0, device: net_pcap1}\n")
    switch.reload()
    wait_until(lambda: bool(switch.ports().get("source", {}).get("rx_ok") == len(frames)), 15,
               "all frames to be read", 0.2)
    assert switch.ports()["sink"]["tx_ok"] == len(frames)
    assert switch.terminate() == 0
    assert _read_pcap(sink) == frames


PACKED = ",packed_vq=1"
PACKED_VARIANTS = [f"{PACKED},vectorized={vectorized},in_order={in_order},mrg_rxbuf={mergeable}"
                   for vectorized, in_order, mergeable in ((0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 1, 0))]


@pytest.mark.parametrize("options", ["", *PACKED_VARIANTS])
def test_testpmd_pair_counts_agree(lab: Lab, options: str) -> None:
    """Every frame that leaves one guest arrives at the other or is counted as dropped."""
    switch = lab.switch(lab.vhost("g0", "g1"))
    switch.start()
    pair = lab.testpmd_guests(["--forward-mode=rxonly", "--port-topology=chained"], options=options)
    switch.wait_link("g0", "g1")
    assert switch.are_packed("g0", "g1") == [PACKED in options] * 2
    for size in (64, 1518):
        pair.ask(f"set txpkts {size}")
        pair.ask("start tx_first 200", 20)
        accounts_agree(switch, pair)
        pair.ask("stop")
    accounts_agree(switch, pair)


def test_ring_gives_everything_back(lab: Lab) -> None:
    """A net_ring is a mirror: what is sent into it comes out of it, and goes to the other port."""
    switch = lab.switch([*lab.vhost("g0"), "--ethdev", "mirror=net_ring0"], ["--vdev", "net_ring0"])
    switch.start()
    guest = lab.testpmd_guests(["--forward-mode=rxonly", "--eth-peer=0,02:00:00:00:00:0c"], count=1)
    switch.wait_link("g0", "mirror")
    guest.ask("start tx_first 10")
    wait_until(lambda: guest.counters()["RX-packets"] >= 320, 10, "the frames to come back")
    guest.ask("stop")
    ports, driver = switch.ports(), guest.counters()
    assert driver["TX-packets"] == ports["mirror"]["tx_ok"] == ports["mirror"]["rx_ok"] == 320
    assert driver["RX-packets"] == 320


@pytest.mark.parametrize("length", [1518, 9014])
@pytest.mark.parametrize("device", ["net_pcap0", "net_memif0"])
def test_zero_copy_frames_arrive(lab: Lab, device: str, length: int) -> None:
    """A guest's frames leave from where they lie, and its memory goes and comes back between them."""
    sink, socket, count = lab.folder / "out.pcap", lab.folder / "memif.sock", 200
    memif = f"net_memif0,id=0,socket={socket},socket-abstract=no,bsize=16384"
    pcap = f"net_pcap0,tx_pcap={sink}"
    mtu = f"mtu={length - 14}"
    last = switch = lab.switch([*lab.vhost("g0"), "--ethdev", f"out={device},{mtu},zero-copy-tx=on"],
                               ["--vdev", pcap if device == "net_pcap0" else f"{memif},role=server"])
    switch.start()
    if device == "net_memif0":
        last = lab.switch(["--ethdev", f"in={device},{mtu}", "--ethdev", f"sink=net_pcap0,{mtu}"],
                          ["--vdev", f"{memif},role=client", "--vdev", pcap], name="client")
        last.start()
        last.wait_link("in", "sink")
    switch.wait_link("out")
    said = run([build_folder() / "tests/e2e/nic_guest", lab.socket("g0"), str(length), str(count)])
    assert said.endswith("ok\n"), said
    mac = bytes.fromhex(said.split()[1].replace(":", ""))
    assert switch.port("out")["zero_copy_tx"] == "on, frames of 1500 bytes and more"
    assert switch.ports()["out"]["tx_ok"] == 2 * count
    last_port = "out" if last is switch else "sink"
    wait_until(lambda: bool(last.ports()[last_port]["tx_ok"] == 2 * count), 15, "all frames")
    assert last.terminate() == 0
    assert _read_pcap(sink) == [flow_frame(1, number, length, sender=mac)
                                for number in range(2 * count)]


def test_ports_come_and_go_under_traffic(lab: Lab) -> None:
    """SIGHUP adds and removes a port again and again; the pair beside it loses nothing."""
    config = lab.folder / "vuswitch.yaml"
    text = "bridges:\n  - name: br0\n  - name: br1\nports:\n" + "".join(
        f"  - {{name: g{i}, type: vhost-user, bridge: br0, socket: {lab.socket(f'g{i}')}}}\n"
        for i in range(2))
    config.write_text(text)
    switch = lab.switch(["--config", str(config)])
    switch.start()
    pair = lab.testpmd_guests(["--forward-mode=macswap", "--port-topology=loop", "--eth-peer=0,02:00:00:00:00:0b",
                               "--eth-peer=1,02:00:00:00:00:0a"])
    switch.wait_link("g0", "g1")
    # Four bursts go round and round: if one frame were lost, the traffic would thin out.
    pair.ask("start tx_first 4")
    for turn in range(10):
        bridge = f"br{turn % 2}"
        config.write_text(text + f"  - {{name: extra, type: vhost-user, bridge: {bridge}, "
                          f"socket: {lab.socket('extra')}}}\n")
        switch.reload()
        wait_until(lambda: "extra" in switch.ports(), 10, "port extra to come", 0.05)
        config.write_text(text)
        switch.reload()
        wait_until(lambda: "extra" not in switch.ports(), 10, "port extra to go", 0.05)
    pair.ask("stop")
    # what was under way at that moment still lies in the guests' rings
    pair.ask("set fwd rxonly")
    pair.ask("start")
    accounts_agree(switch, pair)
    pair.ask("stop")
    ports = switch.ports()
    assert all(dropped(ports[name], "tx") == 0 for name in ("g0", "g1")), ports


def test_multiqueue_virtio_user_on_two_lcores(lab: Lab) -> None:
    """Receive queues are spread over the lcores, and `vusctl lcores` shows where they are."""
    switch = lab.switch(lab.vhost("g0", "g1", options=",queues=2"), lcores="0@0,1@0,2@1")
    switch.start()
    lab.testpmd_guests(["--forward-mode=rxonly", "--rxq=2", "--txq=2"], queues=2)
    switch.wait_link("g0", "g1")
    lcores = switch.vusctl("lcores")["lcores"]
    assert len(lcores) == 2
    assert sorted(len(lcore["polls"]) for lcore in lcores) == [2, 2], lcores


def test_bridges_are_separate(lab: Lab) -> None:
    """What is flooded on one bridge is not heard on another."""
    hosts = [lab.netns() for _ in range(3)]
    inside = hosts[0]
    ports, eal = [], []
    for number, (host, bridge) in enumerate(zip(hosts, ("red", "red", "blue"))):
        near, far = f"near{number}", f"far{number}"
        veth(inside, near, host, far)
        inside.run("ip", "link", "set", near, "up")
        host.run("ethtool", "-K", far, "tx", "off")
        host.address(far, f"10.3.0.{number + 1}/24")
        ports += ["--ethdev", f"p{number}=net_af_packet{number},bridge={bridge}"]
        eal += ["--vdev", f"net_af_packet{number},iface={near}"]
    switch = lab.switch(ports, eal, netns=inside)
    switch.start()
    switch.wait_link("p0", "p1", "p2")
    hosts[1].reach("10.3.0.1")
    assert hosts[1].ping("10.3.0.1", 3) == 3
    assert hosts[2].ping("10.3.0.1", 2) == 0
    assert switch.ports()["p2"]["tx_ok"] == 0


def test_interfaces_go_down_and_away(lab: Lab) -> None:
    """What a driver asks an interface that goes under traffic is no reason to end, and nothing that a thread may not ask."""
    inside, outside = lab.netns(), lab.netns()
    for number in range(2):
        veth(inside, f"near{number}", outside, f"far{number}")
        inside.run("ip", "link", "set", f"near{number}", "up")
        outside.address(f"far{number}", f"10.3.{number}.2/24")
    switch = lab.switch(["--ethdev", "packet=net_af_packet0,iface=near0", "--ethdev", "capture=net_pcap0,iface=near1",
                         "--ethdev", "tap=net_tap0,iface=vut0"], netns=inside)
    switch.start()
    inside.wait_device("vut0")
    inside.address("vut0", "10.3.0.1/24")
    inside.reach("10.3.0.2")
    for interface in ("near0", "near1", "vut0"):
        inside.run("ip", "link", "set", interface, "down")
        time.sleep(0.3)
        inside.run("ip", "link", "set", interface, "up")
    inside.run("ip", "link", "del", "near0")
    inside.run("ip", "link", "del", "near1")
    time.sleep(0.5)
    assert set(switch.ports()) == {"packet", "capture", "tap"}
    assert "system call" not in switch.log.read_text(), switch.report()
    assert switch.terminate() == 0


def test_a_tap_is_moved_away(lab: Lab) -> None:
    """Its port says where it is not: there is no link, and what it sends from there comes in."""
    inside, elsewhere = lab.netns(), lab.netns()
    switch = lab.switch(["--ethdev", "tap=net_tap0,iface=vut0"], netns=inside)
    switch.start()
    inside.wait_device("vut0")
    inside.address("vut0", "10.4.0.1/24")
    switch.wait_link("tap")
    inside.run("ip", "link", "set", "vut0", "netns", elsewhere.name)
    wait_until(lambda: "not in this network namespace" in switch.port("tap")["state"], 10, "a word on the tap")
    elsewhere.address("vut0", "10.4.0.1/24")
    before = switch.port("tap")["rx_drops"]
    elsewhere.ping("10.4.0.2", 2)
    wait_until(lambda: switch.port("tap")["rx_drops"] > before, 10, "what the tap sends")
    assert switch.port("tap")["link"] == "down"
    elsewhere.run("ip", "link", "set", "vut0", "netns", inside.name)
    inside.run("ip", "link", "set", "vut0", "up")
    switch.wait_link("tap")


def test_idle_switch_sleeps(lab: Lab) -> None:
    """Without --busy-poll a switch with nothing to do leaves the CPU to others."""
    switch = lab.switch(lab.vhost("g0"))
    switch.start()
    time.sleep(0.5)
    assert switch.process
    before, begin = _cpu_seconds(switch.process.pid), time.monotonic()
    time.sleep(2)
    share = (_cpu_seconds(switch.process.pid) - before) / (time.monotonic() - begin)
    assert share < 0.2, f"an idle switch uses {share:.0%} of a CPU"


def _cpu_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / 100


def test_without_hugepages(lab: Lab) -> None:
    """It runs on ordinary memory, says so once, and names the mend."""
    hide = ["unshare", "--mount", "sh", "-c",
            "mount -t tmpfs none /sys/kernel/mm/hugepages && exec \"$@\"", "sh"]
    switch = lab.switch(["--ethdev", "up0=net_ring0"], prefix=hide)
    switch.start()
    lines = [line for line in switch.log.read_text().splitlines()
             if "huge" in line and "vuswitch" in line]
    assert len(lines) == 1 and "nr_hugepages" in lines[0], switch.report()
    assert switch.terminate() == 0


def test_says_what_is_wrong(lab: Lab) -> None:
    """Wrong input: one line that says what and where, and exit status 1."""
    config = lab.folder / "bad.yaml"
    config.write_text("bridges:\n  - name: br0\nports:\n"
                      "  - {name: g0, type: vhost-user, brigde: br0, socket: /tmp/x.sock}\n")
    cases = {"key": (["--config", str(config)], f"{config.name}:4"),
             "file": (["--config", str(lab.folder / "none.yaml")], "none.yaml"),
             "device": (["--ethdev", "up0=net_nonsense7"], "net_nonsense7"),
             "number": ([f"--ethdev=p{i}=net_null{i}" for i in range(33)], "room for 32 ethdevs"),
             "folder": (["--vhost", f"g0={lab.folder}/no/such/g0.sock"], "no/such")}
    for name, (arguments, place) in cases.items():
        # the devices' buffers fit into this, however few huge pages the machine has to spare
        switch = lab.switch(arguments, ["--no-huge", "--no-shconf", "-m", "512"], name=f"wrong-{name}")
        switch.runtime.mkdir()
        status, said = _run_to_the_end(switch.command(), switch.log, switch.runtime)
        assert status == 1, f"{name}: {said}"
        own = [line for line in said.splitlines()
               if place in line and ("error: " in line or line.startswith("vuswitch: "))]
        assert len(own) == 1, f"{name}: {said}"


def _run_to_the_end(argv: list[str], log: Path, runtime: Path) -> tuple[int, str]:
    process = Process("vuswitch", argv, log, env={"RUNTIME_DIRECTORY": str(runtime)})
    try:
        return process.wait(15), log.read_text(errors="replace")
    finally:
        process.stop()


@pytest.mark.parametrize("options", ["", PACKED])
def test_restart_brings_virtio_user_back(lab: Lab, options: str) -> None:
    """A testpmd that listens (the switch is the client) survives a kill -9 of the switch. It clears packed rings when the
    switch has gone, and says that they begin where they always did.
    """
    switch = lab.switch(lab.vhost("g0", "g1", options=",mode=client"))
    switch.start()
    pair = lab.testpmd_guests(["--forward-mode=rxonly"], options=f",server=1{options}")
    switch.wait_link("g0", "g1")
    assert switch.are_packed("g0", "g1") == [bool(options)] * 2
    for _ in range(2):
        switch.kill()
        switch.start()
        switch.wait_link("g0", "g1")
        pair.ask("clear port stats all")
        pair.ask("start tx_first 20")
        accounts_agree(switch, pair)
        pair.ask("stop")
