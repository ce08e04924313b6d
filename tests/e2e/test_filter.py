# SPDX-License-Identifier: BSD-3-Clause
"""vusctl filter test: what an expression, or a port's rules, say to frames, without a switch."""

import json
import struct
import subprocess

import pytest

from vulab.paths import program

MAIL = bytes.fromhex("ffffffffffff52540000000108004500002800000000400600000a0000010a000002" "10000019" + "00" * 16)
ARP = bytes.fromhex("ffffffffffff5254000000010806") + bytes(46)


def say(*words):
    done = subprocess.run([program("vusctl"), *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def capture(path, frames, snap=65535, link=1):
    """A file as tcpdump writes it."""
    text = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, link)
    for frame in frames:
        kept = frame[:snap]
        text += struct.pack("<IIII", 0, 0, len(kept), len(frame)) + kept
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("expression, frame, answer", [
    ("tcp dst port 25", MAIL, "match"),
    ("tcp dst port 26", MAIL, "no match"),
    ("not tcp[200] = 1", MAIL + bytes(400), "unknown: it asks for a byte that is not among the first 128 of 454"),
    ("not tcp[200] = 1", MAIL, "no match"),
    ("arp", ARP, "match"),
])
def test_a_frame_in_digits(expression, frame, answer):
    assert say("filter", "test", expression, frame.hex(":")) == (0, answer + "\n", "")
    assert say("-j", "filter", "test", expression, frame.hex()) == (0, json.dumps([answer.split(":")[0]]) + "\n", "")


@pytest.mark.parametrize("rules, frame, verdict, said", [
    ("allow arp; deny tcp dst port 25; allow", MAIL, ("deny", 2), "deny, by rule 2: deny tcp dst port 25"),
    ("allow arp; deny tcp dst port 25; allow", ARP, ("allow", 1), "allow, by rule 1: allow arp"),
    ("allow arp; deny", MAIL, ("deny", 2), "deny, by rule 2: deny"),
    ("deny", ARP, ("deny", 1), "deny, by rule 1: deny"),
    ("  allow arp; deny tcp[200] = 1; allow", MAIL + bytes(400), ("unknown", 2),
     "unknown: it asks for a byte that is not among the first 128 of 454, at rule 2: deny tcp[200] = 1"),
])
def test_rules_of_a_port(rules, frame, verdict, said):
    """With allow or deny before the first expression they are what a port's filter-from-vm has."""
    assert say("filter", "test", rules, frame.hex()) == (0, said + "\n", "")
    assert json.loads(say("-j", "filter", "test", rules, frame.hex())[1]) == [{"verdict": verdict[0], "rule": verdict[1]}]


def test_a_capture(tmp_path):
    file = capture(tmp_path / "frames.pcap", [MAIL, ARP, MAIL])
    assert say("filter", "test", "tcp port 25", file)[1] == "match\nno match\nmatch\n"
    # What the capture has left out is not known either.
    file = capture(tmp_path / "short.pcap", [MAIL, ARP], snap=30)
    assert say("filter", "test", "tcp port 25", file)[1].split(":")[0] == "unknown"


def test_a_name_that_begins_with_digits(tmp_path, monkeypatch):
    """"ca" and "fe" are digits."""
    monkeypatch.chdir(tmp_path)
    capture(tmp_path / "capture.pcap", [MAIL])
    assert say("filter", "test", "tcp port 25", "capture.pcap")[:2] == (0, "match\n")
    assert '"feed.pcap" is neither' in say("filter", "test", "arp", "feed.pcap")[2]


def test_what_is_wrong_is_said(tmp_path):
    assert "syntax error" in say("filter", "test", "tcp port", ARP.hex())[2]
    assert '"gw" is no word of pcap-filter(7)' in say("filter", "test", "host gw", ARP.hex())[2]
    assert "neither a frame in hexadecimal digits nor a capture" in say("filter", "test", "arp", tmp_path / "none")[2]
    assert "shorter than an Ethernet header" in say("filter", "test", "arp", "0102")[2]
    assert "no Ethernet frames" in say("filter", "test", "arp", capture(tmp_path / "raw.pcap", [ARP], link=101))[2]
    assert say("filter", "test", "arp")[0] == 1
    said = say("filter", "test", "deny tcp port 25", ARP.hex())[2]
    assert "the last rule has to be allow or deny" in said and "without allow or deny" in said
