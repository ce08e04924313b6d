# SPDX-License-Identifier: BSD-3-Clause
"""Which targets there are, and their programs."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCES = ROOT / "tests" / "fuzz"
CORPUS = SOURCES / "corpus"
PLANTED = SOURCES / "planted"
FOLDER = ROOT / "build-fuzz"
FINDINGS = FOLDER / "findings"


def targets():
    return sorted(path.stem.removeprefix("fuzz_") for path in SOURCES.glob("fuzz_*.c") if path.stem != "fuzz_main")


def _clang():
    clang = "clang-14" if shutil.which("clang-14") else "clang"
    if not shutil.which(clang):
        sys.exit("fuzz: there is no clang: apt-get install clang libclang-rt-14-dev llvm-14")
    return f"ccache {clang}" if shutil.which("ccache") else clang


def _call(command, cwd, **environment):
    done = subprocess.run(["nice", *map(str, command)], cwd=cwd, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **environment), check=False)
    if done.returncode != 0:
        sys.exit(f"fuzz: {' '.join(map(str, command))} failed:\n{done.stdout[-8000:]}")


def configure(tree, folder, *options):
    """A build folder of a tree, made if it is not there."""
    if not (folder / "build.ninja").exists():
        _call(["meson", "setup", folder, "-Dtests=enabled", "-Dbuildtype=debugoptimized", "-Db_lundef=false", *options], tree,
              CC=_clang(), LLVM_PROFILE_FILE=os.devnull)


def make(folder, prefix, names):
    """The named targets' programs, as paths."""
    programs = [f"tests/fuzz/{prefix}_{name}" for name in names]
    _call(["ninja", "-C", folder, *programs], folder)
    return [folder / program for program in programs]


def fuzzers(names, tree=ROOT, folder=FOLDER, warnings="-Dwerror=true"):
    configure(tree, folder, "-Dfuzz=enabled", warnings)
    return make(folder, "fuzz", names)


def inputs(name):
    """The corpus in the tree: the bytes of each input."""
    path = CORPUS / f"{name}.hex"
    if not path.exists():
        return []
    return [bytes.fromhex(line) for line in path.read_text().split("\n") if re.fullmatch(r"([0-9a-f]{2})+", line)]


def unpack(name, folder):
    """The corpus as the files that libFuzzer wants."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, data in enumerate(inputs(name)):
        (folder / f"{number:04}").write_bytes(data)
    return folder
