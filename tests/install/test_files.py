# SPDX-License-Identifier: BSD-3-Clause
"""Each file is where the documentation says, and names the others by where they are."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import ROOT, Installed
from vulab.process import run


def expected(installed: Installed) -> list[Path]:
    """The list is written for the prefix /usr/local, whose configuration lies below it."""
    paths = []
    for line in (ROOT / "scripts" / "lib" / "installed").read_text().splitlines():
        if line and not line.startswith("#"):
            path = Path("/", line).relative_to("/usr/local")
            in_etc = path.parts[0] == "etc"
            paths.append(installed.sysconfdir / path.relative_to("etc") if in_etc else installed.prefix / path)
    return paths



def test_every_file_is_there(installed: Installed) -> None:
    there = {"/" / path.relative_to(installed.root) for path in installed.root.rglob("*") if path.is_file()}
    assert there == set(expected(installed))
    assert all(installed.at(path).stat().st_size > 0 for path in there)


def test_a_package_has_its_configuration_in_etc(package: Installed) -> None:
    assert package.prefix == Path("/usr")
    assert package.at("/etc/vuswitch/vuswitch.yaml.example").is_file()
    assert package.at("/usr/lib/systemd/system/vuswitch.service").is_file()


def test_the_unit_names_what_is_installed(installed: Installed) -> None:
    unit = installed.at(installed.prefix / "lib/systemd/system/vuswitch.service").read_text()
    assert not re.search(r"@\w+@", unit)
    programs = re.findall(rf"^Exec\w+=[-+!@:]*({installed.prefix}/\S+)", unit, re.M)
    assert programs and all(installed.at(program).is_file() for program in programs)
    configuration = installed.sysconfdir / "vuswitch/vuswitch.yaml"
    assert str(configuration) in unit
    assert installed.at(f"{configuration}.example").is_file()


def test_the_programs_tell_the_version(installed: Installed) -> None:
    """The one that the sources have; whether they are changed was looked at earlier."""
    project = re.search(r"version: '(.*)'", (ROOT / "meson.build").read_text())
    assert project
    version = run([ROOT / "scripts/lib/version", project.group(1)]).strip().removesuffix("-dirty")
    for folder, program in (("bin", "vuswitch"), ("bin", "vusctl"), ("libexec/cni", "vuscni")):
        said = run([installed.at(installed.prefix / folder / program), "--version"])
        assert said.startswith(f"{program} {version}"), said
