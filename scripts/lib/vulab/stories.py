# SPDX-License-Identifier: BSD-3-Clause
"""Three Linux guests, a host behind a tap, and a second tap, on a bridge whose configuration is another for each story."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import yaml

from .guest import Guest, Nic, boot_all
from .lab import Lab
from .paths import build_folder
from .switch import Switch

MACS = {name: f"52:54:00:00:00:0{name}" for name in "abc"}
PROGRAM = "tests/e2e/mcast"


def image_with_mcast(image: Path, folder: Path) -> Path:
    """The guest's image, and behind its files the program that joins groups."""
    made, more = folder / "image", folder / "root"
    made.mkdir()
    (more / "bin").mkdir(parents=True)
    shutil.copy(image / "vmlinuz", made)
    shutil.copy(build_folder() / PROGRAM, more / "bin")
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=b"bin\nbin/mcast\n",
                             cwd=more, check=True, capture_output=True).stdout
    # The kernel unpacks one archive after the other.
    (made / "initrd").write_bytes((image / "initrd").read_bytes() + gzip.compress(archive, 1))
    return made


class Stories:
    """Guests `a`, `b` and `c` (10.0.0.1 and so on), the host with the tap `vut0` (10.0.0.9) behind the port `up0`, and behind
    the port `tap1` the tap `vut1` of the same host. They are booted once; what a story changes is the switch's file.
    """

    def __init__(self, lab: Lab, qemu: Path, image: Path) -> None:
        self.lab = lab
        self.config = lab.folder / "stories.yaml"
        self._write({}, {})
        self.host = lab.netns()
        self.switch: Switch = lab.switch(["--config", str(self.config)], netns=self.host)
        self.switch.start()
        for tap in ("vut0", "vut1"):
            self.host.wait_device(tap)
            self.host.run("ip", "link", "set", tap, "up")
        self.host.address("vut0", "10.0.0.9/24")
        made = image_with_mcast(image, lab.folder)
        self.a, self.b, self.c = (
            lab.guest(name, qemu, made, Nic(lab.socket(name), MACS[name]), f"10.0.0.{number}/24", ipv6=True)
            for number, name in enumerate("abc", 1))
        self.guests = [self.a, self.b, self.c]
        boot_all(self.guests)
        self.switch.wait_link("a", "b", "c", "up0", "tap1")
        for guest in self.guests:
            guest.run("ip route add 224.0.0.0/4 dev eth0")

    def _write(self, bridge: dict[str, object], ports: dict[str, dict[str, object]]) -> None:
        tree = {"bridges": [{"name": "br0", **bridge}],
                "ports": [*({"name": name, "type": "vhost-user", "socket": str(self.lab.socket(name)), **ports.get(name, {})}
                            for name in "abc"),
                          *({"name": name, "type": "ethdev", "device": f"net_tap{i},iface=vut{i}", **ports.get(name, {})}
                            for i, name in enumerate(("up0", "tap1")))]}
        # No device has a comma that YAML would take for its own: all are quoted.
        self.config.write_text(yaml.safe_dump(tree, sort_keys=False, width=1000))

    def configure(self, bridge: dict[str, object] | None = None, **ports: dict[str, object]) -> None:
        """From now on the bridge has these options, and the ports these. No VM loses its connection."""
        self._write(bridge or {}, ports)
        said = json.dumps(self.switch.vusctl("reload"))
        assert "error" not in said, said

    def learn(self, guest: Guest, *others: Guest) -> None:
        """Both sides know the other's address without ARP."""
        for other in others:
            guest.run(f"arp -s {other.ip} {other.nics[0].mac}")
            other.run(f"arp -s {guest.ip} {guest.nics[0].mac}")

    def drops(self, name: str, side: str = "rx") -> dict[str, int]:
        """What a port has dropped so far, by reason, as far as it is anything."""
        said = self.switch.port(name)[f"{side}_drop"]
        return {reason: int(n) for reason, n in said.items() if n}
