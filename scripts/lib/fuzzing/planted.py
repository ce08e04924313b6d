# SPDX-License-Identifier: BSD-3-Clause
"""Planted bugs: those of tests/fuzz/planted/NAME, and of tests/fetch/planted.

A planted bug is a paragraph: its title, its file, and lines of that file that are there exactly once, as they are and as they
become.

    title: one byte too many is within a region
    file: lib/memory/mem_map.c
    -	if (offset < region->size)
    +	if (offset <= region->size)
"""

import dataclasses
import sys

from . import build

LEAST = 10


@dataclasses.dataclass
class Bug:
    title: str = ""
    file: str = ""
    old: list = dataclasses.field(default_factory=list)
    new: list = dataclasses.field(default_factory=list)

    def applied(self, text):
        """The file's text with the bug in it."""
        old = "\n".join(self.old) + "\n"
        if not self.old or text.count(old) != 1:
            sys.exit(f"fuzz: the planted bug \"{self.title}\": its lines are {text.count(old) if self.old else 0} times in"
                     f" {self.file}, not once")
        return text.replace(old, "".join(line + "\n" for line in self.new))


def planted(path):
    bugs = []
    if not path.exists():
        return bugs
    for paragraph in path.read_text().split("\n\n"):
        bug = Bug()
        for line in paragraph.strip("\n").split("\n"):
            if line.startswith("title: "):
                bug.title = line[7:]
            elif line.startswith("file: "):
                bug.file = line[6:]
            elif line.startswith("-"):
                bug.old.append(line[1:])
            elif line.startswith("+"):
                bug.new.append(line[1:])
            elif line and not line.startswith("#"):
                sys.exit(f"fuzz: {path}: not a line of a planted bug: {line}")
        if bug.title:
            bugs.append(bug)
    return bugs


def check(names):
    """Ends the program if lines that a bug changes are not in the tree any more; or, if all are asked for, a target has few."""
    for name in names:
        bugs = planted(build.PLANTED / name)
        if not bugs:
            sys.exit(f"fuzz: no bug is planted for {name}: tests/fuzz/planted/{name} says which ones it has to find")
        for bug in bugs:
            bug.applied((build.ROOT / bug.file).read_text())
        if len(bugs) < LEAST and names == build.targets():
            sys.exit(f"fuzz: {len(bugs)} bugs are planted for {name}, not {LEAST}: add some to tests/fuzz/planted/{name}")
