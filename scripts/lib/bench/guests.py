# SPDX-License-Identifier: BSD-3-Clause
"""The guests of a switch under test: the contract, and those that cost almost nothing.

OurGuests are tests/perf/pump or crowd: a program that is the front end and the driver of all guests of one
switch, on one thread. It waits for its next command between windows, and nothing is on its way
then. (TestpmdGuests, in testpmd.py, are the other kind.)
"""

import dataclasses
import json

from vulab.process import HURRY, LabError, Process

from . import programs


@dataclasses.dataclass
class Wishes:
    """What guests are like, for all switches of a run."""

    cpu: int
    ring: int = 256
    packed: bool = False
    regions: int = 1
    macs: int = 1
    frame_max: int = 1518
    interval: int = 4000  # ticks between two looks at a ring
    straight: bool = False  # a ring's buffers in the order of their addresses; else in no order
    tso: bool = False
    ip: bool = False  # frames are IPv4


@dataclasses.dataclass
class Rate:
    """What guests saw in a window."""

    mpps: float  # frames that reached them, all directions together
    share: float  # of their CPU that they had, 0 to 1
    lost: int = 0  # frames that never came
    disorder: int = 0  # frames that came twice, or after a later one
    busy: float = -1.0  # how much of the time they had work; -1: unknown


class Guests:
    """Base: start_traffic(), windows, stop_traffic(), for one frame size after the other. All rings run when it is made."""

    polls = False  # True: has to be frozen while another switch has its turn
    helped = False  # True: the switch's other threads matter in a window, too
    process = None

    def start_traffic(self, size):
        """Frames of so many bytes from now on."""
        raise NotImplementedError

    def window(self, seconds):
        """A Rate."""
        raise NotImplementedError

    def stop_traffic(self):
        """Nothing is on its way any more."""


class OurGuests(Guests):
    """A program of tests/perf at one switch's sockets, which does what it is told on its standard input."""

    def __init__(self, program, arguments, setup, wishes, listen):
        argv = [*HURRY, programs.find(program), "--cpu", wishes.cpu, "--ring", wishes.ring,
                "--frame-max", wishes.frame_max, "--interval", wishes.interval, *arguments]
        argv += ["--packed"] if wishes.packed else []
        argv += ["--huge"] if setup.hugepages and wishes.regions == 1 else []
        argv += ["--listen"] if listen else []
        self.process = Process("guests", argv + setup.sockets, setup.directory / "guests.log", dialogue=True)
        try:
            self.process.wait_for('"ready": true', 20 + len(setup.sockets) / 10)
        except BaseException:
            self.stop()
            raise

    def ask(self, command, seconds):
        """One command, and its answer."""
        self.process.send(command)
        answer = json.loads(self.process.wait_for(r"\{.*?\}\s", seconds)[0])
        if "error" in answer:
            raise LabError(f"guests: '{command}': {answer['error']}")
        return answer

    def stop(self):
        self.process.stop(line="quit")


class PumpGuests(OurGuests):
    """tests/perf/pump."""

    WARM_MS = 25

    def __init__(self, setup, wishes, listen):
        self._size = 0
        arguments = ["--regions", wishes.regions, "--macs", wishes.macs]
        arguments += ["--tcp"] if wishes.tso else ["--ip"] if wishes.ip else []
        arguments += ["--straight"] if wishes.straight else []
        super().__init__("pump", arguments, setup, wishes, listen)

    def start_traffic(self, size):
        self._size = size

    def window(self, seconds):
        said = self.ask(f"run {self._size} {self.WARM_MS} {int(1000 * seconds)}", 15 + seconds)
        return Rate(said["mpps"], said["share"], said["lost"], said["disorder"], said["busy"])


class CrowdGuests(OurGuests):
    """tests/perf/crowd: hundreds, most of them silent."""

    helped = True

    def __init__(self, setup, wishes, listen):
        self._pattern = None
        super().__init__("crowd", ["--sparse", "--pairs", setup.queues], setup, wishes, listen)

    def speak(self, pattern):
        """Who sends to whom, from now on: crowd's commands."""
        if pattern != self._pattern:
            for command in pattern:
                self.ask(command, 30)
        self._pattern = pattern
