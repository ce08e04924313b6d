# SPDX-License-Identifier: BSD-3-Clause
"""Frames that prove themselves: what tests/support/fg_net makes, made again from its numbers."""

from __future__ import annotations

import struct
import zlib

OUTSIDE = bytes.fromhex("02aa00000001")  # whom tests/e2e/nic_guest sends to, and hears from


def flow_frame(flow: int, number: int, length: int, *, to: bytes = OUTSIDE,
               sender: bytes = OUTSIDE) -> bytes:
    """Frame `number` of a flow, in `length` bytes."""
    head = struct.pack("<6s6sHIIQH", to, sender, 0xB588, 0x56535746, flow, number, length)
    body = bytes((i * 7 + number * 13 + flow) % 256 for i in range(len(head), length - 4))
    return head + body + struct.pack("<I", zlib.crc32(head + body))
