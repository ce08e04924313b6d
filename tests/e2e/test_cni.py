# SPDX-License-Identifier: BSD-3-Clause
"""vuscni does what the CNI specification has a plugin do: its sequences, at a real switch, with real and played IPAM plugins."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, open_lab

from vulab.lab import Lab
from vulab.paths import program
from vulab.process import wait_until

HOST_LOCAL = Path("/usr/lib/cni/host-local")
CONTAINER = "0f3c1d5e7a9b2c4d6e8f"
Answer = tuple[int, Any]


class Runtime:
    """What containerd, CRI-O and Multus do with a plugin: its environment, its configuration, its answer."""

    def __init__(self, lab: Lab) -> None:
        self.folder = lab.folder
        self.switch = lab.switch(lab.vhost("vm1"), eal=["-m", "64"])
        self.switch.start()
        self.conf = {"cniVersion": "1.1.0", "name": "net-a", "type": "vuscni", "bridge": "br0", "control": str(self.switch.control),
                     "socketDir": str(lab.folder / "s")}
        self.path = lab.folder / "plugins"
        self.path.mkdir()

    def environment(self, command: str, container: str = CONTAINER, ifname: str = "net1", **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": ifname,
                "CNI_NETNS": "/run/netns/x", "CNI_PATH": f"/nowhere:{self.path}:{HOST_LOCAL.parent}", **more}

    def start(self, environment: dict[str, str], conf: Any) -> subprocess.Popen[str]:
        started = subprocess.Popen([program("vuscni")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment)
        assert started.stdin
        started.stdin.write(conf if isinstance(conf, str) else json.dumps(conf))
        return started

    def run(self, command: str, conf: dict[str, Any] | None = None, **environment: str) -> Answer:
        """The exit status, and what standard output has as JSON, or None."""
        done = self.start(self.environment(command, **environment), {**self.conf, **(conf or {})})
        out, said = done.communicate(timeout=90)
        answer = json.loads(out) if out else None
        if done.returncode != 0:
            assert answer and answer["code"] > 0 and answer["msg"] and said.startswith("vuscni: ") and len(said.splitlines()) == 1, said
        return done.returncode, answer

    def good(self, command: str, conf: dict[str, Any] | None = None, **environment: str) -> Any:
        status, answer = self.run(command, conf, **environment)
        assert status == 0, answer
        return answer

    def code(self, command: str, conf: dict[str, Any] | None = None, **environment: str) -> int:
        status, answer = self.run(command, conf, **environment)
        return int(answer["code"]) if status != 0 else 0

    def ports(self) -> list[str]:
        return [port["name"] for port in self.switch.vusctl("ports")["ports"]]

    def plugin(self, name: str, script: str) -> None:
        """An IPAM plugin that is played by a shell; it appends its command to the file `name`.asked."""
        file = self.path / name
        file.write_text(f"#!/bin/sh\ncat >/dev/null\necho $CNI_COMMAND $CNI_CONTAINERID >>{self.folder}/{name}.asked\n{script}\n")
        file.chmod(0o755)

    def asked(self, name: str) -> list[str]:
        file = self.folder / f"{name}.asked"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    for lab in open_lab():
        yield Runtime(lab)


@pytest.fixture
def alone(lab: Lab) -> Runtime:
    """One whose switch a test may stop."""
    return Runtime(lab)


@pytest.mark.parametrize("block", [0, 1])
def test_the_examples(runtime: Runtime, block: int) -> None:
    """As they stand in the documentation, but for where things are."""
    text = re.findall(r"^```json\n(.*?)^```", (ROOT / "docs" / "operations" / "containers.md").read_text(), re.M | re.S)[block]
    conf = json.loads(text)
    for plugin in conf.pop("plugins", []):  # as a runtime makes one configuration of a list's
        conf |= plugin
    assert conf.pop("type") == "vuscni"
    conf |= {"sharedDir": str(runtime.folder / "shared")} if "sharedDir" in conf else {}
    added = runtime.good("ADD", conf)
    assert len(added["interfaces"]) == 2 and runtime.good("DEL", conf) is None and runtime.ports() == ["vm1"]


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_the_life_of_an_attachment(runtime: Runtime, version: str) -> None:
    conf: dict[str, Any] = {"cniVersion": version}
    said = runtime.good("VERSION", conf)
    assert said["cniVersion"] == version and version in said["supportedVersions"]
    added = runtime.good("ADD", conf)
    inside, outside = added["interfaces"]
    assert added["cniVersion"] == version and inside["name"] == "net1" and inside["sandbox"] == "/run/netns/x"
    assert int(inside["mac"][:2], 16) & 3 == 2, "locally administered, and no group's"
    assert ("socketPath" in inside) == (version == "1.1.0")
    assert outside["name"] in runtime.ports() and len(runtime.ports()) == 2
    path = runtime.switch.vusctl("port", outside["name"])["port"]["options"]["socket"]
    assert inside.get("socketPath", path) == path
    with socket.socket(socket.AF_UNIX) as front_end:
        front_end.connect(path)
    assert runtime.good("ADD", conf) == added, "the same again"
    if version not in ("0.3.0", "0.3.1"):
        assert runtime.good("CHECK", {**conf, "prevResult": added}) is None
    else:
        assert runtime.code("CHECK", {**conf, "prevResult": added}) == 1
    assert runtime.good("DEL", {**conf, "prevResult": added}) is None
    assert runtime.ports() == ["vm1"] and not Path(path).exists()
    assert runtime.good("DEL", conf, CNI_NETNS="") is None, "and again, of what is not there"
    if version not in ("0.3.0", "0.3.1"):
        assert runtime.code("CHECK", {**conf, "prevResult": added}) == 101


def test_the_options_of_the_port(runtime: Runtime) -> None:
    conf = {"port": {"queues": 2, "isolated": True}, "runtimeConfig": {"mac": "02:00:00:00:00:07"}, "args": {"cni": {"mac": "junk"}}}
    added = runtime.good("ADD", conf)
    options = runtime.switch.vusctl("port", added["interfaces"][1]["name"])["port"]["options"]
    assert str(options["queues"]) == "2" and added["interfaces"][0]["mac"] == "02:00:00:00:00:07"
    assert runtime.good("ADD", {}, CNI_ARGS="IgnoreUnknown=1;MAC=02:00:00:00:00:08")["interfaces"][0]["mac"] == "02:00:00:00:00:08"
    # An option that does not exist is the configuration's fault, and leaves nothing.
    runtime.good("DEL")
    assert runtime.code("ADD", {"port": {"quees": 2}}) == 7
    assert runtime.ports() == ["vm1"]


def test_behind_another_plugin(runtime: Runtime) -> None:
    """What is in prevResult stays, and comes first."""
    before = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/x"}], "ips": [{"address": "10.9.0.2/24"}]}
    added = runtime.good("ADD", {"prevResult": before})
    assert [entry["name"] for entry in added["interfaces"]][:2] == ["eth0", "net1"] and added["ips"] == before["ips"]
    runtime.good("DEL", {"prevResult": added})


def test_garbage(runtime: Runtime) -> None:
    """What is not in the list goes, of this network alone."""
    for container in ("aa", "bb", "cc"):
        runtime.good("ADD", container=container)
    runtime.good("ADD", {"name": "net-b"}, container="aa")
    assert len(runtime.ports()) == 5
    assert runtime.code("GC") == 7, "without a list"
    assert runtime.code("GC", {"cni.dev/valid-attachments": [{"containerID": "bb"}]}) == 7
    assert len(runtime.ports()) == 5
    runtime.good("GC", {"cni.dev/valid-attachments": [{"containerID": "bb", "ifname": "net1"}]})
    assert len(runtime.ports()) == 3
    added = runtime.good("ADD", container="bb")
    assert len(runtime.ports()) == 3, "the one that stayed is bb's"
    runtime.good("CHECK", {"prevResult": added}, container="bb")
    for name in ("net-a", "net-b"):
        runtime.good("GC", {"name": name, "cni.dev/valid-attachments": []})
    assert runtime.ports() == ["vm1"]


@pytest.mark.parametrize("code, command, conf, environment", [
    (4, "NONE", {}, {}),
    (4, "ADD", {}, {"CNI_CONTAINERID": "../x"}),
    (4, "ADD", {}, {"CNI_CONTAINERID": ""}),
    (4, "ADD", {}, {"CNI_IFNAME": "sixteen-letters-"}),
    (4, "DEL", {}, {"CNI_IFNAME": "a/b"}),
    (4, "ADD", {}, {"CNI_NETNS": ""}),
    (1, "ADD", {"cniVersion": "0.2.0"}, {}),
    (1, "ADD", {"cniVersion": "9.0.0"}, {}),
    (1, "GC", {"cniVersion": "1.0.0"}, {}),
    (1, "STATUS", {"cniVersion": "0.4.0"}, {}),
    (7, "ADD", {"name": None}, {}),
    (7, "ADD", {"bridge": 7}, {}),
    (7, "ADD", {"port": []}, {}),
    (7, "ADD", {"socketDir": "relative"}, {}),
    (7, "ADD", {"socketDir": "/" + "long/" * 30}, {}),
    (7, "ADD", {"timeout": 0}, {}),
    (7, "ADD", {"args": {"cni": {"mac": "03:00:00:00:00:01"}}}, {}),
    (7, "ADD", {"ipam": {"type": "../host-local"}}, {}),
    (7, "ADD", {"ipam": {"type": ".."}}, {}),
    (7, "ADD", {"ipam": {"type": "nobody-has-it"}}, {}),
    (7, "CHECK", {}, {}),
    (2, "ADD", {"host": {"iftype": "memif"}}, {}),
    (2, "ADD", {"host": {"netType": "interface"}}, {}),
    (7, "ADD", {"host": {"vhost": {"socketfile": "../x"}}}, {}),
    (7, "ADD", {"host": {"vhost": {"socketfile": ".."}}}, {}),
    (11, "ADD", {"control": "/nowhere/control.sock"}, {}),
    (50, "STATUS", {"control": "/nowhere/control.sock"}, {}),
    (50, "STATUS", {"port": {"quees": 1}}, {}),
    (0, "STATUS", {}, {}),
    (0, "DEL", {"control": "/nowhere/control.sock"}, {}),
])
def test_errors(runtime: Runtime, code: int, command: str, conf: dict[str, Any], environment: dict[str, str]) -> None:
    status, answer = 0, None
    done = runtime.start({**runtime.environment(command), **environment}, {**runtime.conf, **conf})
    out, said = done.communicate(timeout=90)
    status, answer = done.returncode, json.loads(out) if out else {}
    assert answer.get("code", 0) == code and (status == 0) == (code == 0), (answer, said)
    assert runtime.ports() == ["vm1"]


def test_a_whole_list(runtime: Runtime) -> None:
    """Not one entry of it, as a runtime gives it."""
    text = json.dumps({"cniVersion": "1.1.0", "name": "net-a", "plugins": [runtime.conf]})
    said = json.loads(runtime.start(runtime.environment("ADD"), text).communicate(timeout=90)[0])
    assert said["code"] == 7 and "this is a whole list" in said["msg"] and runtime.ports() == ["vm1"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cniVersion": "1.1.0", "cniVersion": "1.0.0"}', "\0"])
def test_what_is_no_configuration(runtime: Runtime, text: str) -> None:
    done = runtime.start(runtime.environment("ADD"), text)
    assert json.loads(done.communicate(timeout=90)[0])["code"] == 6 and done.returncode == 1
    done = runtime.start(runtime.environment("VERSION"), text)
    assert json.loads(done.communicate(timeout=90)[0])["supportedVersions"] and done.returncode == 0


def test_a_configuration_without_end(runtime: Runtime) -> None:
    done = subprocess.run([program("vuscni")], input="x" * 5_000_000, capture_output=True, text=True, timeout=90, check=False,
                          env=runtime.environment("ADD"))
    assert json.loads(done.stdout)["code"] == 5 and done.returncode == 1


@pytest.mark.skipif(not HOST_LOCAL.exists(), reason="no host-local: apt-get install containernetworking-plugins")
def test_addresses_of_host_local(runtime: Runtime, tmp_path: Path) -> None:
    conf: dict[str, Any] = {"cniVersion": "1.0.0", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.7.0.0/29"}]],
                                                           "routes": [{"dst": "0.0.0.0/0"}], "dataDir": str(tmp_path)}}

    def taken() -> list[str]:
        return sorted(path.name for path in (tmp_path / "net-a").glob("10.*"))

    added = runtime.good("ADD", conf)
    assert added["ips"] == [{"address": "10.7.0.2/29", "gateway": "10.7.0.1", "interface": 0}]
    assert added["routes"] == [{"dst": "0.0.0.0/0"}] and taken() == ["10.7.0.2"]
    runtime.good("CHECK", {**conf, "prevResult": added})
    runtime.good("DEL", conf)
    assert taken() == [] and runtime.ports() == ["vm1"]
    # What the switch refuses keeps no address.
    assert runtime.code("ADD", {**conf, "port": {"queues": 1000}}) == 7
    assert taken() == []
    # Its errors are ours: all of the subnet's addresses are in use, and what was made for the last one is not there.
    for i in range(5):
        runtime.good("ADD", conf, container=f"c{i}")
    status, answer = runtime.run("ADD", conf, container="one-more")
    assert status == 1 and "no IP addresses available" in answer["msg"] and len(runtime.ports()) == 6
    for i in range(5):
        runtime.good("DEL", conf, container=f"c{i}")
    assert taken() == [] and runtime.ports() == ["vm1"]


def test_what_is_handed_on_to_ipam(runtime: Runtime) -> None:
    conf: dict[str, Any] = {"ipam": {"type": "played"}}
    runtime.plugin("played", '[ $CNI_COMMAND != ADD ] || echo \'{"cniVersion": "1.1.0", "ips": [{"address": "fd00::2/64"}]}\'')
    added = runtime.good("ADD", conf)
    assert added["ips"] == [{"address": "fd00::2/64", "interface": 0}]
    runtime.good("CHECK", {**conf, "prevResult": added})
    runtime.good("STATUS", conf)
    runtime.good("GC", {**conf, "cni.dev/valid-attachments": []})
    runtime.good("DEL", conf)
    assert runtime.asked("played") == ["ADD", "CHECK", "STATUS", "GC", "DEL"] and runtime.ports() == ["vm1"]
    runtime.plugin("broken", 'echo \'{"code": 103, "msg": "no lease", "details": "nobody answers"}\'; exit 1')
    status, answer = runtime.run("ADD", {"ipam": {"type": "broken"}})
    assert status == 1 and answer["code"] == 103 and answer["msg"] == "IPAM plugin broken: no lease; nobody answers"
    runtime.plugin("babbles", "echo no JSON")
    assert runtime.code("ADD", {"ipam": {"type": "babbles"}}) == 6
    assert runtime.ports() == ["vm1"]


def test_the_convention_of_the_userspace_plugin(runtime: Runtime) -> None:
    """The container's folder has its socket, and a file that says what it is."""
    shared = runtime.folder / "u"
    conf = {"cniVersion": "0.3.1", "sharedDir": str(shared), "container": {"engine": "vpp"},
            "host": {"engine": "vuswitch", "iftype": "vhostuser", "netType": "bridge", "bridge": {"bridgeName": "br0"},
                     "vhost": {"mode": "server"}}}
    added = runtime.good("ADD", conf)
    folder = shared / CONTAINER[:12]
    told = json.loads((folder / f"configData-{CONTAINER[:12]}-net1.json").read_text())
    assert told["containerId"] == CONTAINER and told["ifName"] == "net1" and told["name"] == "net-a" and told["ipResult"] == added
    assert told["config"] == {"engine": "vpp", "iftype": "vhostuser", "netType": "interface",
                              "vhost": {"mode": "client", "socketfile": f"{CONTAINER[:12]}-net1"}}
    with socket.socket(socket.AF_UNIX) as front_end:
        front_end.connect(str(folder / told["config"]["vhost"]["socketfile"]))
    runtime.good("ADD", conf, ifname="net2")
    runtime.good("DEL", conf)
    assert folder.exists(), "net2's"
    runtime.good("DEL", conf, ifname="net2")
    assert not folder.exists() and runtime.ports() == ["vm1"]
    # The other way round: the container's program makes the socket.
    conf["host"]["vhost"] = {"mode": "client", "socketfile": "app.sock"}  # type: ignore[index]
    runtime.good("ADD", conf)
    told = json.loads((folder / f"configData-{CONTAINER[:12]}-net1.json").read_text())
    assert told["config"]["vhost"] == {"mode": "server", "socketfile": "app.sock"}
    runtime.good("DEL", conf)
    assert not folder.exists()


def test_nobody_finds_the_name_of_another_network(runtime: Runtime) -> None:
    """50 bits of FNV-1a are the same for these two; whoever may choose a network's name could have had another's ports collected."""
    mine, others = "net-5c1d3ce93c15e6f8", "net-52f880d67466bd1e"
    added = runtime.good("ADD", {"name": others})
    runtime.good("GC", {"name": mine, "cni.dev/valid-attachments": []})
    assert added["interfaces"][1]["name"] in runtime.ports()
    runtime.good("DEL", {"name": others})


def test_garbage_of_that_convention(alone: Runtime) -> None:
    """Of containers that are gone, and whose ports are, with a switch that was killed."""
    shared = alone.folder / "u"
    conf: dict[str, Any] = {"sharedDir": str(shared), "host": {"iftype": "vhostuser", "vhost": {"mode": "server"}}}
    for container in ("aa", "bb", "cc", "dd"):
        alone.good("ADD", conf, container=container)
    alone.good("ADD", {**conf, "name": "net-b"}, container="ee")
    alone.good("ADD", conf, container="aa", ifname="net2")
    alone.switch.kill()
    alone.switch.start()
    assert alone.ports() == ["vm1"]
    (shared / "cc" / "the container's").write_text("")
    file = shared / "dd" / "configData-dd-net1.json"
    said = file.read_text()
    file.unlink()
    os.mkfifo(file)  # nothing is waited for
    (shared / "dd" / "configData-dd-net9.json").write_text(said)  # says that it is another one
    wanted = {"cni.dev/valid-attachments": [{"containerID": "aa", "ifname": "net2"}]}
    alone.good("GC", {**conf, **wanted})
    assert sorted(str(path.relative_to(shared)) for path in shared.glob("*/*")) == [
        "aa/aa-net2", "aa/configData-aa-net2.json", "cc/the container's", "dd/configData-dd-net1.json", "dd/configData-dd-net9.json",
        "dd/dd-net1", "ee/configData-ee-net1.json", "ee/ee-net1"]
    assert not (shared / "bb").exists()
    # A port that is there, and that the runtime still wants, keeps all of it.
    alone.good("ADD", conf, container="bb")
    alone.good("GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "bb", "ifname": "net1"}]})
    assert (shared / "bb" / "bb-net1").is_socket() and (shared / "bb" / "configData-bb-net1.json").exists()


def test_links_that_a_container_plants(runtime: Runtime, tmp_path: Path) -> None:
    """Its folder is mounted into the container, and vuscni is root: nothing is written through a link."""
    shared, victim = runtime.folder / "links", tmp_path / "victim"
    victim.write_text("the host's")
    conf = {"cniVersion": "0.3.1", "sharedDir": str(shared), "host": {"iftype": "vhostuser", "vhost": {"mode": "server"}}}
    runtime.good("ADD", conf)
    folder = shared / CONTAINER[:12]
    file = folder / f"configData-{CONTAINER[:12]}-net2.json"
    for link in (file, Path(f"{file}.new")):
        link.symlink_to(victim)
    runtime.good("ADD", conf, ifname="net2")
    assert victim.read_text() == "the host's" and not file.is_symlink() and json.loads(file.read_text())["ifName"] == "net2"
    assert file.stat().st_mode & 0o777 == 0o644 and not Path(f"{file}.new").is_symlink()
    for ifname in ("net1", "net2"):
        runtime.good("DEL", conf, ifname=ifname)
    assert not folder.exists()
    # The folder itself.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    (elsewhere / f"configData-{CONTAINER[:12]}-net1.json").write_text("the host's")
    assert runtime.code("ADD", conf) == 5
    assert [path.read_text() for path in elsewhere.iterdir()] == ["the host's"] and runtime.ports() == ["vm1"]


def test_many_at_once(runtime: Runtime) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = [f"pod-{i}" for i in range(24)]
        added = list(pool.map(lambda name: runtime.good("ADD", container=name), names))
        assert len({entry["interfaces"][0]["mac"] for entry in added}) == 24 and len(runtime.ports()) == 25
        list(pool.map(lambda name: runtime.good("DEL", container=name), names))
    assert runtime.ports() == ["vm1"]


def test_killed_at_any_moment(runtime: Runtime, tmp_path: Path) -> None:
    """Whatever a kill -9 leaves of ADD, ADD and DEL take up, and GC finds."""
    runtime.plugin("slow", f"mkdir -p {tmp_path}/$CNI_CONTAINERID; [ $CNI_COMMAND != DEL ] || rmdir {tmp_path}/$CNI_CONTAINERID; "
                           "[ $CNI_COMMAND != ADD ] || echo '{}'; exit 0")
    conf = {**runtime.conf, "ipam": {"type": "slow"}}
    chance = random.Random(14)
    killed = 0
    for i in range(40):
        container = f"k{i}"
        begun = runtime.start(runtime.environment("ADD", container), conf)
        assert begun.stdin
        begun.stdin.close()
        time.sleep(chance.uniform(0, 0.03))
        begun.kill()
        killed += begun.wait() == -signal.SIGKILL
        if i % 3 == 0:
            runtime.good("DEL", conf, container=container)
        elif i % 3 == 1:
            added = runtime.good("ADD", conf, container=container)
            runtime.good("CHECK", {**conf, "prevResult": added}, container=container)
            runtime.good("DEL", conf, container=container)
    assert killed > 0
    runtime.good("GC", {**conf, "cni.dev/valid-attachments": []})
    assert runtime.ports() == ["vm1"]


def test_who_keeps_it_waiting(alone: Runtime) -> None:
    """It ends in time: an IPAM plugin that hangs is killed, a switch that is stopped is given up."""
    alone.plugin("hangs", f"echo $$ >{alone.folder}/pid; exec sleep 1000")
    begun = time.monotonic()
    assert alone.code("ADD", {"timeout": 2, "ipam": {"type": "hangs"}}) == 11
    assert time.monotonic() - begun < 60
    pid = int((alone.folder / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2], 10,
               "the IPAM plugin to be killed")
    assert alone.switch.process
    os.kill(alone.switch.process.pid, signal.SIGSTOP)
    try:
        assert alone.code("ADD", {"timeout": 2}) == 11
        status, answer = alone.run("ADD")
        assert status == 1 and answer["code"] == 11 and "does not answer within 10 s" in answer["msg"]
    finally:
        os.kill(alone.switch.process.pid, signal.SIGCONT)
    # A port that came late is found.
    alone.good("DEL")
    assert alone.ports() == ["vm1"]
