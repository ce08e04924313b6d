# SPDX-License-Identifier: BSD-3-Clause
"""A flood ping that knows exactly what it lost.

As ping -f it sends the next request soon after an answer, and after 10 ms at the latest. ping(8)
itself gives up the last answers of a run after twice the longest time that one took, and one that
is interrupted counts what is under way as lost; here, every request has ten seconds.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import threading
import time
from pathlib import Path

from .net import Netns
from .process import SLOW, LabError

PATIENCE = 10  # seconds an answer may take
PAUSE = 0.01  # seconds until the next request goes out all the same
BREATH = 0.0005  # between an answer and the next request: an emulated guest has other work, too
CLONE_NEWNET = 0x40000000
REQUEST, REPLY = 8, 0
PAYLOAD = bytes(range(48))


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


class Flood:
    """Runs from its making to stop(). One thread writes the counters, anyone reads them."""

    def __init__(self, address: str, netns: Netns) -> None:
        self.sent = 0
        self.answered = 0
        self.slowest = 0.0  # milliseconds that an answer took
        self._pending: dict[int, float] = {}  # sequence number: when it was sent
        self._id = os.getpid() & 0xffff
        self._end = threading.Event()
        self._failure = ""
        self._thread = threading.Thread(target=self._run, args=(address, netns), daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Those that had their ten seconds; after stop(), all that were not answered."""
        now = time.monotonic()
        pending = list(self._pending.values())
        return sum(self._end.is_set() and not self._thread.is_alive()
                   or now - then > PATIENCE * SLOW for then in pending)

    def stop(self) -> None:
        """Sends no more, and waits for the answers that are under way."""
        self._end.set()
        self._thread.join((PATIENCE + 5) * SLOW)
        if self._failure:
            raise LabError(self._failure)

    def _run(self, address: str, netns: Netns) -> None:
        try:
            # A socket stays in the namespace of the thread that made it.
            with Path("/run/netns", netns.name).open("rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
                sock.setblocking(False)
                sock.connect((address, 0))
                self._flood(sock)
        except OSError as error:
            self._failure = f"ping {address}: {error}"

    def _flood(self, sock: socket.socket) -> None:
        end = 0.0
        while not end or (self._pending and time.monotonic() < end):
            if self._end.is_set():
                end = end or time.monotonic() + PATIENCE * SLOW
            else:
                self._send(sock)
            if select.select([sock], [], [], PAUSE)[0]:
                self._receive(sock)
                time.sleep(BREATH)

    def _send(self, sock: socket.socket) -> None:
        # Sequence numbers have 16 bits; the payload's begin has the rest.
        head = struct.pack("!HHQ", self._id, self.sent & 0xffff, self.sent)
        whole = struct.pack("!BBH", REQUEST, 0, checksum(
            struct.pack("!BBH", REQUEST, 0, 0) + head + PAYLOAD)) + head + PAYLOAD
        self._pending[self.sent] = time.monotonic()
        self.sent += 1
        sock.send(whole)

    def _receive(self, sock: socket.socket) -> None:
        """All answers that are there; one that comes twice counts once."""
        while True:
            try:
                packet = sock.recv(2048)
            except BlockingIOError:
                return
            answer = packet[(packet[0] & 15) * 4:]
            if len(answer) < 16 or answer[0] != REPLY:
                continue
            owner, _, number = struct.unpack("!HHQ", answer[4:16])
            then = self._pending.pop(number, None) if owner == self._id else None
            if then is not None:
                self.answered += 1
                self.slowest = max(self.slowest, (time.monotonic() - then) * 1000)
