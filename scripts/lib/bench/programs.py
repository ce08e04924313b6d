# SPDX-License-Identifier: BSD-3-Clause
"""The programs of tests/perf, which come with a build that has tests, and print JSON, a line for each thing."""

import json
import os
import subprocess
import sys

from vulab.paths import build_folder


def find(name, build=None):
    return (build or build_folder()) / "tests" / "perf" / name


def missing(name, build=None):
    """Why there is no such program, and the mend; empty: there is."""
    if os.access(find(name, build), os.X_OK):
        return ""
    return (f"no {find(name, build)}: it comes with the tests: meson setup build -Dtests=enabled (where build is there: "
            "meson configure), ninja -C build, or set VUSWITCH_BUILD")


def lines(tool, name, arguments, build=None, env=None):
    """What one prints. Where it fails, this is the end of the tool."""
    if missing(name, build):
        sys.exit(f"{tool}: {missing(name, build)}")
    done = subprocess.run([str(find(name, build)), *map(str, arguments)], env={**os.environ, **(env or {})},
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{tool}: {name} {' '.join(map(str, arguments))} failed, see above")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def table_head(head):
    print("| " + " | ".join(head) + " |\n" + "|" + "---|" * len(head))


def table_row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)
