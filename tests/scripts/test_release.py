# SPDX-License-Identifier: BSD-3-Clause
"""What packages and containers are told agrees with what the build and scripts/lib/packages know; scripts/release makes the rest sure."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Every compiler brings them.
OF_EVERY_BUILD = {"gcc", "libc6-dev", "ninja-build"}


def listed(group: str) -> set[str]:
    """A group of scripts/lib/packages."""
    words = ["bash", "-c", f'. "$0"; printf "%s\\n" "${{packages_{group}[@]}}"', str(ROOT / "scripts/lib/packages")]
    return set(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_debian_asks_for_what_the_build_needs() -> None:
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", text("debian/control"), re.M)
    assert field
    asked = {line.split()[0].rstrip(",") for line in field[1].splitlines()} - {"debhelper-compat", "dh-sequence-installsysusers"}
    assert asked == listed("build") - OF_EVERY_BUILD


def test_a_container_has_what_the_build_and_the_programs_need() -> None:
    installed = [set(re.sub(r"\\\n", " ", part).split("--no-install-recommends")[1].split("&&")[0].split("\n")[0].split())
                 for part in re.findall(r"^RUN apt-get(?:.*\\\n)*.*", text("Containerfile"), re.M)]
    assert installed[0] == listed("build")
    # Debian's own image has libc.
    assert installed[1] == listed("runtime") - {"libc6"}


def test_every_place_has_the_same_version() -> None:
    version = re.search(r"version: '([0-9.]+)'", text("meson.build"))[1]
    assert re.search(r"^Version: +(\S+)$", text("vuswitch.spec"), re.M)[1] == version
    assert re.match(r"vuswitch \(([0-9.]+)-", text("debian/changelog"))[1] == version
    assert re.search(r"^## ([0-9.]+)$", text("CHANGELOG.md"), re.M)[1] == version


@pytest.mark.parametrize("words, said", [
    (["9.9.9"], "does not say 9.9.9"),
    (["--frobnicate"], "unknown option --frobnicate"),
    (["0.1.0", "--into", "."], "is there"),
])
def test_a_mistake_is_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "scripts/release", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_list_of_what_is_linked() -> None:
    """Of a program that every machine has."""
    done = subprocess.run([ROOT / "scripts/lib/sbom", "1.2.3", "/usr/bin/jq"], capture_output=True, text=True, timeout=60, check=True)
    document = json.loads(done.stdout)
    assert document["spdxVersion"] == "SPDX-2.3"
    names = {package["name"]: package for package in document["packages"]}
    assert names["vuswitch"]["versionInfo"] == "1.2.3"
    assert names["libc6"]["licenseDeclared"] == "LGPL-2.1-or-later"
    assert names["uthash-dev"]["licenseDeclared"] == "BSD-1-Clause"
    ids = {package["SPDXID"] for package in document["packages"]} | {document["SPDXID"]}
    assert all({one["spdxElementId"], one["relatedSpdxElement"]} <= ids for one in document["relationships"])
