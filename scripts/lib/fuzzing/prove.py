# SPDX-License-Identifier: BSD-3-Clause
"""Plants the bugs of tests/fuzz/planted/NAME one by one in a copy of the tree, and has the target find each."""

import os
import shutil
import subprocess
import sys

from . import build
from .planted import LEAST, planted
from .run import Run

TREE = build.ROOT / "build-planted" / "tree"
FOLDER = build.ROOT / "build-planted" / "build"
# What a bug no longer uses is no reason to stop.
PLANTED_BUILD = "-Dwerror=false"


def copy_tree(tree):
    """Brings a copy of the source up to date: what has not changed stays as it is, and is not built again."""
    files = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"], cwd=build.ROOT, text=True,
                           capture_output=True, check=True).stdout.split("\n")
    known = set(filter(None, files))
    for name in sorted(known):
        old, new = build.ROOT / name, tree / name
        if old.is_file() and not (new.is_file() and old.read_bytes() == new.read_bytes()):
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(old, new)
            shutil.copymode(old, new)
    for path in tree.rglob("*"):
        if path.is_file() and str(path.relative_to(tree)) not in known:
            path.unlink()


def _try(name, bug, seconds):
    """The run in which the bug was to be found."""
    path = TREE / bug.file
    good = path.read_text()
    path.write_text(bug.applied(good))
    try:
        program, = build.fuzzers([name], TREE, FOLDER, PLANTED_BUILD)
        corpus = build.unpack(name, FOLDER / "corpus" / name)
        run = Run(name, program, [corpus], FOLDER / "findings")
        return run.go(lambda run: run.wall_s > seconds, seconds + 60)
    finally:
        path.write_text(good)


def _expect_nothing(name, program, inputs):
    """What is found with the bug has to be the bug: without it these inputs are harmless."""
    extra = ["-runs=0"] if os.path.isdir(inputs[0]) else []
    run = Run(name, program, inputs, FOLDER / "findings", extra).go(lambda run: False, 900)
    if run.found:
        sys.exit(f"fuzz: {name} finds something where nothing is planted:\n{run.explain()}")


def _prove_one(name, seconds):
    bugs = planted(build.PLANTED / name)
    missed = 0
    for bug in bugs:
        bug.applied((TREE / bug.file).read_text())
    program, = build.fuzzers([name], TREE, FOLDER, PLANTED_BUILD)
    corpus = build.unpack(name, FOLDER / "corpus" / name)
    clean = FOLDER / f"clean_{name}"
    shutil.copy2(program, clean)
    _expect_nothing(name, clean, [corpus])
    for bug in bugs:
        run = _try(name, bug, seconds)
        missed += not run.found
        if run.artifact:
            _expect_nothing(name, clean, [run.artifact])
        what = f"found after {run.executions:>9} executions, {run.wall_s:5.1f} s" if run.found else \
            f"NOT FOUND in  {run.executions:>9} executions, {run.wall_s:5.1f} s"
        print(f"{name:<14} {what}  {bug.title}", flush=True)
    print(f"{name}: {len(bugs) - missed} of {len(bugs)} found", flush=True)
    return missed + (len(bugs) < LEAST)


def prove(names, seconds):
    copy_tree(TREE)
    return 1 if sum(_prove_one(name, seconds) for name in names) else 0
