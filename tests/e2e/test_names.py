# SPDX-License-Identifier: BSD-3-Clause
"""Names of users and groups are those of files: no name service is asked, which may not answer."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from vulab.lab import Lab

SERVICE = Path("/lib/x86_64-linux-gnu/libnss_systemd.so.2")


@pytest.mark.skipif(not SERVICE.exists(), reason="no name service that can be made to hang: apt-get install libnss-systemd")
def test_no_name_service_is_waited_for(lab: Lab) -> None:
    """The owner of a socket has a number that no file names: whoever could know more does not answer."""
    silent, names = lab.folder / "userdb", lab.folder / "nsswitch.conf"
    silent.mkdir()
    names.write_text("passwd: files systemd\ngroup: files systemd\n", encoding="ascii")
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(silent / "io.systemd.Silent"))
        service.listen(16)
        inside = ("mount -t tmpfs none /run/systemd && mkdir /run/systemd/userdb && "
                  f"mount --bind {silent} /run/systemd/userdb && mount --bind {names} /etc/nsswitch.conf && exec \"$@\"")
        switch = lab.switch(["--vhost", f"vm1={lab.folder}/vm1.sock,socket-owner=12345,socket-group=12345"],
                            prefix=["unshare", "--mount", "sh", "-c", inside, "sh"])
        switch.start()
        began = time.monotonic()
        assert switch.vusctl("port", "vm1")["port"]["name"] == "vm1"
        assert time.monotonic() - began < 2
