# SPDX-License-Identifier: BSD-3-Clause
"""What all measurements begin with: CPUs, memory, the switches and the guests that were asked for."""

import contextlib
import dataclasses
import pathlib
import shutil
import tempfile

from vulab.host import check_cpus, free_huge_mib
from vulab.paths import program
from vulab.process import LabError
from vulab.testpmd import MEMORY_MIB

from . import machine, programs
from .contract import Setup
from .guests import PumpGuests, Wishes
from .ovs import OvsStaticSwitch, OvsSwitch
from .station import Station
from .testpmd import TestpmdGuests, TestpmdSwitch
from .vpp import VppSwitch
from .vuswitch import VuswitchSwitch

ON_REQUEST = (OvsStaticSwitch.label, VppSwitch.label)  # not measured unasked
KINDS = (VuswitchSwitch, TestpmdSwitch, OvsSwitch, OvsStaticSwitch, VppSwitch)


class Lab:
    """A measurement's surroundings. Use it in a with statement: it ends with the logs, or without."""

    def __init__(self, options, interval=4000, sleepers=False, kinds=KINDS):
        check_cpus([options.generator_cpu, options.switch_cpu], "choose with --generator-cpu and --switch-cpu")
        if options.generator_cpu == options.switch_cpu:
            raise LabError("the generator and the switch need a CPU each: --generator-cpu, "
                             "--switch-cpu")
        self.options = options
        self.shape = {}  # of every switch: what differs from a Setup by the options
        self.guests = choose_guests(options, interval)
        self.switches = choose_switches(options, sleepers, kinds)
        self.hugepages = choose_memory(options, len(self.switches))
        self.facts = machine.describe(options.generator_cpu, options.switch_cpu,
                                      "2 MiB hugepages" if self.hugepages else "no hugepages")
        self.versions, self.failures = {}, []
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="vu-bench-"))
        self.trip = machine.line_trip(self.directory, options.generator_cpu, options.switch_cpu)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.options.keep_logs:
            print(f"logs: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def introduce(self):
        """Say what is about to be measured."""
        options, facts = self.options, self.facts
        print(f"guests on CPU {facts['generator_cpu']}, switch on CPU {facts['switch_cpu']} of "
              f"{facts['cpu']}, TSC {facts['tsc_hz'] / 1e9:.2f} GHz, {facts['memory']}")
        print(f"{'packed' if options.packed else 'split'} rings of {options.ring}, {options.bridges} bridge(s), "
              f"{options.macs} address(es) a guest, memory in {options.regions} region(s), "
              f"guests: {options.generator}, {options.rounds} round(s), frame sizes without CRC", flush=True)

    @contextlib.contextmanager
    def stations(self, number):
        """All switches of round @number with their guests, frozen; those that start."""
        with contextlib.ExitStack() as ends:
            there = []
            for kind in self.switches:
                try:
                    station = self._settle(kind, number)
                except LabError as error:
                    self.fail(number, kind.label, error)
                    continue
                ends.callback(station.stop)
                there.append(station)
                self.versions[kind.label] = station.switch.version
            yield there

    def fail(self, number, label, error):
        """Keep in mind that something did not work."""
        self.failures.append(f"round {number}: {label} failed: {one_line(error)}")
        print(self.failures[-1], flush=True)

    def _settle(self, kind, number):
        """Up to three attempts, for Open vSwitch sometimes refuses a front end, or stops listening to it for good."""
        for attempt in (1, 2, 3):
            try:
                return Station(kind, self.setup(kind, f"{number}-{kind.label}-{attempt}"), self.guests)
            except LabError as error:
                if attempt == 3:
                    raise
                print(f"  {kind.label}: {one_line(error)}: once more", flush=True)
        return None

    def setup(self, kind, name, **others):
        """What one switch is to be, with a new folder of that name."""
        options = self.options
        # It becomes a $RUNTIME_DIRECTORY, where a colon separates several.
        directory = self.directory / name.replace(":", "-")
        directory.mkdir()
        mtu = 1500 if options.tso else max(1500, max(options.sizes) - 14)
        return dataclasses.replace(
            Setup(directory, options.switch_cpu, options.generator_cpu, self.hugepages, pairs=options.bridges, mtu=mtu,
                  macs=options.macs, sleeps=kind.sleeps, packed=options.packed, tso=options.tso),
            **{**self.shape, **others})


def one_line(error):
    """An error with the end of a log, for a line of a table."""
    return " | ".join(line.strip() for line in str(error).splitlines())


def choose_guests(options, interval):
    """The class of the guests, with what all of them have in common."""
    wishes = Wishes(options.generator_cpu, options.ring, options.packed, options.regions, options.macs,
                    max(options.sizes), interval, options.straight, options.tso, options.ip)
    if options.generator == "fake":
        if programs.missing("pump"):
            raise LabError(programs.missing("pump"))
        return lambda setup, listen: PumpGuests(setup, wishes, listen)
    path = TestpmdGuests.path if options.generator == "testpmd" else options.generator
    if not shutil.which(path):
        raise LabError(f"{path} not found: apt-get install dpdk, or name a testpmd with --generator PATH")
    if max(options.regions, options.macs, options.bridges) > 1 or max(options.sizes) > 1518 or options.tso:
        raise LabError("--regions, --macs, --bridges, --tso and frames longer than 1518 bytes need --generator fake")
    TestpmdGuests.path = path
    TestpmdGuests.bursts = options.bursts
    TestpmdGuests.devargs = f",{options.generator_devargs}" if options.generator_devargs else ""
    return lambda setup, listen: TestpmdGuests(setup, wishes, listen)


def choose_switches(options, sleepers, kinds):
    """The classes to measure, in order; says which are not installed. sleepers: vuswitch also as it is by itself."""
    builds = options.vuswitch or [str(program("vuswitch"))]
    VuswitchSwitch.path = builds[0]
    VppSwitch.path = options.vpp or ""
    known = {kind.label: kind for kind in kinds}
    wanted = options.switches.split(",") if options.switches else [name for name in known if name not in ON_REQUEST]
    wanted += [VppSwitch.label] if options.vpp and VppSwitch.label in known and VppSwitch.label not in wanted else []
    chosen = []
    for name in wanted:
        if name not in known:
            raise LabError(f"--switches: '{name}' is none of {', '.join(known)}")
        missing = known[name].missing()
        if missing and options.switches:
            raise LabError(missing)
        if missing:
            print(f"without {name}: {missing}")
        else:
            chosen.append(known[name])
    chosen += _others("--vuswitch", VuswitchSwitch, builds[1:])
    chosen += [type("Set", (VuswitchSwitch,), {"settings": text, "label": f"{VuswitchSwitch.label}+{i}"})
               for i, text in enumerate(options.settings, 1)]
    chosen += [type("OvsSet", (OvsSwitch,), {"settings": text, "label": f"{OvsSwitch.label}+{i}"})
               for i, text in enumerate(options.ovs_with, 1)]
    if sleepers:
        chosen += [type("Sleeper", (kind,), {"label": f"{kind.label}-sleeps", "sleeps": True})
                   for kind in chosen if issubclass(kind, VuswitchSwitch)]
    chosen += _others("--testpmd", TestpmdSwitch, options.testpmd)
    if not chosen:
        raise LabError("nothing to measure")
    return chosen


def _others(option, kind, paths):
    """The same kind of switch at other paths: name:2, name:3, ..."""
    kinds = [type(f"Other{kind.__name__}", (kind,), {"path": path, "label": f"{kind.label}:{i}"})
             for i, path in enumerate(paths, 2)]
    for other in kinds:
        if other.missing():
            raise LabError(f"{option} {other.path}: no such program")
    return kinds


def choose_memory(options, switches):
    """True: hugepages. Each switch takes MEMORY_MIB, OVS a little more; so do guests that are a testpmd's."""
    needed = switches * (MEMORY_MIB + (128 if options.generator == "fake" else MEMORY_MIB)) + 256
    free = free_huge_mib()
    if options.no_huge or free >= needed:
        return not options.no_huge
    print(f"only {free} of {needed} MiB of 2 MiB hugepages are free: going without, which costs "
          f"a few percent and leaves out Open vSwitch (mend: sysctl -w vm.nr_hugepages={needed // 2})")
    return False
