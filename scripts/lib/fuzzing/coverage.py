# SPDX-License-Identifier: BSD-3-Clause
"""Which lines of the libraries the corpora run: clang's source coverage of the programs that replay them."""

import json
import os
import shutil
import subprocess
import sys

from . import build

FOLDER = build.ROOT / "build-fuzz-coverage"


def _tool(name):
    for tool in (f"{name}-14", name):
        if shutil.which(tool):
            return tool
    sys.exit(f"fuzz: there is no {name}: apt-get install llvm-14")


def report(names):
    flags = "-fprofile-instr-generate -fcoverage-mapping"
    build.configure(build.ROOT, FOLDER, f"-Dc_args={flags}", f"-Dc_link_args={flags}")
    programs = build.make(FOLDER, "replay", names)
    profiles = []
    for name, program in zip(names, programs):
        profiles.append(str(FOLDER / f"{name}.profraw"))
        work = build.FOLDER / "work" / name
        more = [str(path) for path in sorted(work.iterdir())] if work.exists() else []
        subprocess.run([program, build.CORPUS / f"{name}.hex", *more], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600,
                       env=dict(os.environ, LLVM_PROFILE_FILE=profiles[-1]))
    together = str(FOLDER / "all.profdata")
    subprocess.run([_tool("llvm-profdata"), "merge", "-sparse", "-o", together, *profiles], check=True)
    objects = [word for program in programs[1:] for word in ("-object", str(program))]
    done = subprocess.run([_tool("llvm-cov"), "export", "-summary-only", f"-instr-profile={together}", str(programs[0]),
                           *objects], check=True, capture_output=True, text=True)
    for entry in sorted(json.loads(done.stdout)["data"][0]["files"], key=lambda entry: entry["filename"]):
        path = os.path.relpath(entry["filename"], build.ROOT)
        lines = entry["summary"]["lines"]
        if path.startswith(("lib/", "drivers/")) and lines["count"]:
            print(f"{path:<44}{lines['covered']:>5} of {lines['count']:>5} lines  {lines['percent']:5.1f} %")
    print(f"in full: {_tool('llvm-cov')} show -instr-profile={os.path.relpath(together)} "
          f"{os.path.relpath(programs[0])} {' '.join(map(os.path.relpath, objects))}")
    return 0
