#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a service lives through, tested inside a container whose process 1 is systemd (tests/systemd/run).

    service.py [TEST...]

The network: a namespace `far` at the end of a cable whose near end is the port up0, and two machines that answer pings:
vm1 connects to the switch, vm2 listens for it. Each of them is pinged from the far end, all the time.
"""

import grp
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from vulab.process import LabError, Process, wait_until

CONFIG = Path("/usr/local/etc/vuswitch/vuswitch.yaml")
DEFAULTS = Path("/usr/local/etc/default/vuswitch")
LAST_GOOD = Path("/var/lib/vuswitch/last-good.yaml")
UNIT = Path("/usr/local/lib/systemd/system/vuswitch.service")
DROP_IN = Path("/run/systemd/system/vuswitch.service.d/test.conf")
VMS = {"vm1": ("connect", "10.99.0.11"), "vm2": ("listen", "10.99.0.12")}
GOOD = """ports:
  - {name: vm1, type: vhost-user, socket: /run/vuswitch/vm1.sock}
  - {name: vm2, type: vhost-user, socket: /run/vuswitch/vm2.sock, mode: client}
  - {name: up0, type: ethdev, device: "net_af_packet0,iface=cable"}
"""
MORE = GOOD + "  - {name: vm3, type: vhost-user, socket: /run/vuswitch/vm3.sock}\n"
BROKEN = MORE + "  - {name: vm4, type: vhost-user, sokcet: /run/vuswitch/vm4.sock}\n"
COMPLAINT = f'{CONFIG}:6: key "sokcet" of port vm4 is not known'


def run(*argv, check=True, seconds=30):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=seconds, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: status {done.returncode}: {done.stdout.strip()}")
    return done


def systemctl(*argv, check=True):
    return run("systemctl", *argv, check=check)


def show(key):
    return systemctl("show", "-P", key, "vuswitch").stdout.strip()


def contains(text, words):
    if words not in text:
        raise AssertionError(f"{words!r} is not in:\n{text}")


class Journal:
    """What the service has said since this was made."""

    def __init__(self):
        self._since = f"--since=@{time.time():.6f}"

    def errors(self):
        run("journalctl", "--sync")
        return run("journalctl", "-u", "vuswitch", "-p", "err", "-o", "cat", self._since).stdout

    def has(self, *words):
        """Waits until it has said these at priority err or above."""
        for word in words:
            try:
                wait_until(lambda word=word: word in self.errors(), 10, f"{word!r} in the journal")
            except LabError as error:
                raise AssertionError(f"{error}; there is:\n{self.errors()}") from None


def vusctl(*argv):
    done = run("vusctl", "-j", *argv, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def ports():
    return {port["name"]: port for port in vusctl("ports").get("ports", [])}


class Traffic:
    """Pings from the far end of the cable to each virtual machine, 50 a second."""

    def __init__(self):
        run("ip", "netns", "add", "far")
        run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "eth0", "netns", "far")
        run("ip", "link", "set", "cable", "up")
        run("ip", "-n", "far", "address", "add", "10.99.0.1/24", "dev", "eth0")
        run("ip", "-n", "far", "link", "set", "eth0", "up")
        self._processes = []
        for name, (how, address) in VMS.items():
            self._start(name, "/test/echo_guest", how, f"/run/vuswitch/{name}.sock", address)
            self._start(f"ping-{name}", "ip", "netns", "exec", "far", "ping", "-n", "-i", "0.02", "-W", "1", address)

    def _start(self, name, *argv):
        self._processes.append(Process(name, argv, Path(f"/test/{name}.log")))

    def flows(self):
        """Waits until each machine has answered ten more pings."""
        before = self._answers()
        wait_until(lambda: all(now >= then + 10 for now, then in zip(self._answers(), before)), 30, "ten answers of each machine")

    def _answers(self):
        for process in self._processes:
            process.must_run()
        return [Path(f"/test/ping-{name}.log").read_text("utf-8").count("bytes from") for name in VMS]

    def stop(self):
        for process in self._processes:
            process.kill()


def configure(text, defaults="-m 128", drop_in=""):
    """What the administrator wrote, and a service that is not running and has no failure behind it."""
    systemctl("stop", "vuswitch")
    systemctl("reset-failed", "vuswitch", check=False)
    CONFIG.write_text(text, encoding="utf-8")
    DEFAULTS.parent.mkdir(exist_ok=True)
    DEFAULTS.write_text(f'EAL_OPTIONS="{defaults}"\n', encoding="utf-8")
    changed = DROP_IN.exists() or drop_in
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.unlink(missing_ok=True)
    if drop_in:
        DROP_IN.write_text(drop_in, encoding="utf-8")
    if changed:
        systemctl("daemon-reload")


# --- the tests --------------------------------------------------------------------------------------------------------


def the_unit_is_sound(_):
    """systemd has nothing to say against it, and libvirt's machines come after it."""
    said = run("systemd-analyze", "verify", "--man=no", str(UNIT)).stdout.strip()
    if "vuswitch" in said:
        raise AssertionError(said)
    for word in ("libvirtd.service", "virtqemud.service"):
        contains(show("Before"), word)


def what_it_may_do_is_little(_):
    """systemd's own figure: 3.0 at most, of 10."""
    done = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=30", str(UNIT), check=False)
    if done.returncode != 0:
        raise AssertionError(done.stdout)


def the_folder_is_there_before_the_service(_):
    """A virtual machine that listens can make its socket while the switch does not run."""
    folder = Path("/run/vuswitch")
    if folder.group() != "vuswitch" or folder.stat().st_mode & 0o777 != 0o755:
        raise AssertionError(f"{folder}: {oct(folder.stat().st_mode)}, group {folder.group()}")


def it_starts(traffic):
    """When systemctl returns every port is there; the group may use vusctl, others may not."""
    configure(GOOD)
    systemctl("start", "vuswitch")
    contains(show("StatusText"), f"3 ports, as in {CONFIG}")
    if sorted(ports()) != ["up0", "vm1", "vm2"]:
        raise AssertionError(f"ports: {ports()}")
    traffic.flows()
    group = str(grp.getgrnam("vuswitch").gr_gid)
    member = ["setpriv", "--reuid", "4242", "--regid", group, "--clear-groups", "--bounding-set", "-all"]
    other = ["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups", "--bounding-set", "-all"]
    run(*member, "vusctl", "ports")
    if run(*other, "vusctl", "ports", check=False).returncode == 0:
        raise AssertionError("vusctl works for any user")
    wait_until(lambda: LAST_GOOD.exists() and LAST_GOOD.read_text("utf-8") == GOOD, 30, "the configuration to be kept")


def it_is_not_root(traffic):
    """Nor has it a right that its configuration does not need: af_packet is all there is; and no thread does more than its list says."""
    configure(GOOD)
    systemctl("start", "vuswitch")
    traffic.flows()
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{show('MainPID')}/status").read_text("utf-8").splitlines())
    if status["Uid"].split()[0] == "0" or int(status["CapPrm"], 16) & (1 << 19 | 1 << 12) or status["Seccomp"] != "2":
        raise AssertionError(f"{status}")
    device = [Path(path, "status").read_text("utf-8") for path in Path(f"/proc/{show('MainPID')}/task").iterdir()]
    if not any(int(text.split("CapEff:\t")[1].split()[0], 16) & 1 << 13 for text in device):
        raise AssertionError("no thread has CAP_NET_RAW")


def a_reload_is_done_when_it_returns(traffic):
    """The new port is there, and the file is kept as the last good one."""
    configure(GOOD)
    systemctl("start", "vuswitch")
    pid = show("MainPID")
    for text, names in ((MORE, ["up0", "vm1", "vm2", "vm3"]), (GOOD, ["up0", "vm1", "vm2"])) * 3:
        CONFIG.write_text(text, encoding="utf-8")
        systemctl("reload", "vuswitch")
        if LAST_GOOD.read_text("utf-8") != text:
            raise AssertionError("the file is not kept")
        wait_until(lambda: sorted(ports()) == names, 30, "the ports to follow")
    if show("MainPID") != pid or show("ActiveState") != "active":
        raise AssertionError("it was started anew")
    traffic.flows()


def a_reload_with_an_error_fails(traffic):
    """Exit status, systemctl status and the journal say so, and nothing has changed."""
    configure(MORE)
    systemctl("start", "vuswitch")
    pid, journal = show("MainPID"), Journal()
    CONFIG.write_text(BROKEN, encoding="utf-8")
    if systemctl("reload", "vuswitch", check=False).returncode == 0:
        raise AssertionError("the reload passed")
    journal.has(COMPLAINT)
    status = systemctl("status", "vuswitch", check=False).stdout
    contains(status, "status=1/FAILURE")
    contains(status, COMPLAINT)
    # An editor that was faster than the check: the signal alone.
    journal = Journal()
    systemctl("kill", "-s", "HUP", "--kill-who=main", "vuswitch")
    wait_until(lambda: COMPLAINT in show("StatusText"), 30, "the status to say so")
    journal.has(COMPLAINT)
    if show("MainPID") != pid or show("ActiveState") != "active" or LAST_GOOD.read_text("utf-8") != MORE:
        raise AssertionError("something has changed")
    traffic.flows()


def a_restart_with_an_error_takes_the_last_good_one(traffic):
    """It says why at priority err, and vusctl knows."""
    configure(MORE)
    systemctl("start", "vuswitch")
    traffic.flows()
    wait_until(lambda: LAST_GOOD.read_text("utf-8") == MORE, 30, "the configuration to be kept")
    journal = Journal()
    CONFIG.write_text(BROKEN, encoding="utf-8")
    systemctl("restart", "vuswitch")
    journal.has(COMPLAINT, f"starts from the last good configuration, {LAST_GOOD}")
    contains(show("StatusText"), f"4 ports, as in {LAST_GOOD}")
    contains(run("vusctl", "version").stdout, f"configuration: {LAST_GOOD}")
    contains(vusctl("version")["config_error"], COMPLAINT)
    traffic.flows()
    if LAST_GOOD.read_text("utf-8") != MORE:
        raise AssertionError("the last good one has changed")
    # Mended, it is the file's again.
    CONFIG.write_text(GOOD, encoding="utf-8")
    systemctl("reload", "vuswitch")
    contains(show("StatusText"), f"3 ports, as in {CONFIG}")
    if "config_error" in vusctl("version"):
        raise AssertionError("vusctl version still speaks of an error")


def a_device_that_is_gone_costs_its_own_port(_):
    """Of the last good configuration what can be made is made."""
    configure(GOOD)
    LAST_GOOD.unlink(missing_ok=True)  # that of the test before; this one is written when the switch runs
    systemctl("start", "vuswitch")
    wait_until(lambda: LAST_GOOD.exists() and LAST_GOOD.read_text("utf-8") == GOOD, 30, "the configuration to be kept")
    LAST_GOOD.write_text(GOOD.replace("iface=cable", "iface=gone"), encoding="utf-8")
    CONFIG.write_text(BROKEN, encoding="utf-8")
    journal = Journal()
    systemctl("restart", "vuswitch")
    journal.has("up0")
    contains(show("StatusText"), "2 ports (1 could not be made), as in")
    if sorted(ports()) != ["vm1", "vm2"]:
        raise AssertionError(f"ports: {ports()}")


def without_a_last_good_one_it_fails_once(_):
    """Neither file is of any use: it is not started again and again, and says both."""
    for kept, words in ((None, "no last good configuration is at"), ("ports: {}\n", "nor can the last good one be used")):
        configure(BROKEN)
        LAST_GOOD.unlink(missing_ok=True)
        if kept:
            LAST_GOOD.write_text(kept, encoding="utf-8")
        journal = Journal()
        if systemctl("start", "vuswitch", check=False).returncode == 0:
            raise AssertionError("it started")
        journal.has(COMPLAINT, words)
        if (show("ActiveState"), show("ExecMainStatus"), show("NRestarts")) != ("failed", "78", "0"):
            raise AssertionError(systemctl("status", "vuswitch", check=False).stdout)
    LAST_GOOD.unlink()


def without_its_group_it_fails_once(_):
    """It was installed, and there is no group yet."""
    configure(GOOD)
    groups = Path("/etc/group")
    text = groups.read_text("utf-8")
    groups.write_text("".join(line for line in text.splitlines(True) if not line.startswith("vuswitch:")), "utf-8")
    try:
        if systemctl("start", "vuswitch", check=False).returncode == 0:
            raise AssertionError("it started")
        contains(systemctl("status", "vuswitch", check=False).stdout, "status=216/GROUP")
        if (show("ActiveState"), show("NRestarts")) != ("failed", "0"):
            raise AssertionError(systemctl("status", "vuswitch", check=False).stdout)
    finally:
        groups.write_text(text, "utf-8")


def what_cannot_start_is_tried_slowly(_):
    """DPDK's own reason is an error in the journal, once; the next attempts come two seconds apart."""
    configure(GOOD, "-m 128 --vdev=net_no_such_driver0")
    journal, began = Journal(), time.monotonic()
    if systemctl("start", "vuswitch", check=False).returncode == 0:
        raise AssertionError("it started")
    journal.has("net_no_such_driver0", "EAL did not start")
    lines = [line for line in journal.errors().splitlines() if "net_no_such_driver0" in line]
    if len(lines) != len(set(lines)):
        raise AssertionError(f"said twice: {lines}")
    time.sleep(1)
    restarts = int(show("NRestarts"))
    if restarts > (time.monotonic() - began) / 2 or show("ActiveState") == "failed":
        raise AssertionError(systemctl("status", "vuswitch", check=False).stdout)
    DEFAULTS.write_text('EAL_OPTIONS="-m 128"\n', encoding="utf-8")
    wait_until(lambda: show("SubState") == "running", 30, "it to come by itself")


def ten_kills_in_a_row(traffic):
    """Each time every port comes back, and pings go on."""
    configure(GOOD)
    systemctl("start", "vuswitch")
    traffic.flows()
    for number in range(10):
        pid = int(show("MainPID"))
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: show("SubState") == "running" and show("MainPID") not in ("0", str(pid)), 30,
                   f"a new process after kill {number + 1}")
        traffic.flows()
    if int(show("NRestarts")) != 10:
        raise AssertionError(f"NRestarts is {show('NRestarts')}")


def what_hangs_is_started_anew(traffic):
    """As long as it beats, it is left alone."""
    configure(GOOD, drop_in="[Service]\nWatchdogSec=3\n")
    systemctl("start", "vuswitch")
    traffic.flows()
    pid = int(show("MainPID"))
    time.sleep(7)
    if show("MainPID") != str(pid) or show("NRestarts") != "0":
        raise AssertionError("a switch that moves was ended")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: show("SubState") == "running" and show("MainPID") not in ("0", str(pid)), 40, "a new process")
    traffic.flows()


def one_cpu_is_enough(traffic):
    """It needs no option of DPDK's."""
    configure(GOOD, drop_in="[Service]\nCPUAffinity=0\n")
    systemctl("start", "vuswitch")
    traffic.flows()
    lcores = vusctl("lcores")["lcores"]
    if [lcore["cpu"] for lcore in lcores] != [0]:
        raise AssertionError(f"lcores: {lcores}")


TESTS = [the_unit_is_sound, what_it_may_do_is_little, it_is_not_root, the_folder_is_there_before_the_service, it_starts, a_reload_is_done_when_it_returns,
           a_reload_with_an_error_fails, a_restart_with_an_error_takes_the_last_good_one,
           a_device_that_is_gone_costs_its_own_port, without_a_last_good_one_it_fails_once,
           without_its_group_it_fails_once, what_cannot_start_is_tried_slowly, ten_kills_in_a_row, what_hangs_is_started_anew,
           one_cpu_is_enough]


def main():
    wanted = sys.argv[1:] or [test.__name__ for test in TESTS]
    failed = 0
    traffic = Traffic()
    for test in TESTS:
        if test.__name__ not in wanted:
            continue
        began = time.monotonic()
        try:
            test(traffic)
            verdict = "ok"
        except (AssertionError, LabError, OSError, subprocess.TimeoutExpired, KeyError) as error:
            verdict = f"FAILED: {type(error).__name__}: {error}"
            failed += 1
        print(f"{time.monotonic() - began:5.1f} s  {test.__name__}: {verdict}")
        if verdict != "ok":
            print(run("journalctl", "-u", "vuswitch", "-n", "25", "-o", "short-precise", check=False).stdout)
    systemctl("stop", "vuswitch", check=False)
    traffic.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
