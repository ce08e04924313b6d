# SPDX-License-Identifier: BSD-3-Clause
"""Who only wants the program needs nothing that only the tests need, and no compiler that agrees with ours on warnings."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from vulab.process import run


@pytest.fixture(scope="module")
def without_cmocka(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which pkg-config finds what this machine has, but for cmocka."""
    folder = tmp_path_factory.mktemp("pkgconfig")
    searched = run(["pkg-config", "--variable", "pc_path", "pkg-config"]).strip().split(":")
    for place in reversed(searched):
        for file in Path(place).glob("*.pc"):
            if file.name != "cmocka.pc":
                (folder / file.name).unlink(missing_ok=True)
                (folder / file.name).symlink_to(file.resolve())
    # meson would ask CMake next.
    return {"PKG_CONFIG_LIBDIR": str(folder), "CMAKE_PREFIX_PATH": "", "CMAKE": "/nonexistent"}


def meson_setup(folder: Path, env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.endswith(("FLAGS", "CMAKE_PREFIX_PATH"))}
    return subprocess.run(["meson", "setup", folder, ROOT, *options], env=clean | env, capture_output=True, text=True,
                          timeout=120, check=False)


def info(folder: Path, name: str) -> list[dict[str, object]]:
    answer: list[dict[str, object]] = json.loads((folder / "meson-info" / f"intro-{name}.json").read_text())
    return answer


def test_without_cmocka(tmp_path: Path, without_cmocka: dict[str, str]) -> None:
    said = meson_setup(tmp_path / "build", without_cmocka)
    assert said.returncode == 0, said.stdout
    programs = {str(target["name"]) for target in info(tmp_path / "build", "targets") if target["type"] == "executable"}
    assert programs == {"vuswitch", "vusctl", "vuscni", "vuswitch-lane"}
    values = {option["name"]: option["value"] for option in info(tmp_path / "build", "buildoptions")}
    assert values["werror"] is False


def test_tests_that_are_asked_for_want_cmocka(tmp_path: Path, without_cmocka: dict[str, str]) -> None:
    said = meson_setup(tmp_path / "build", without_cmocka, "-Dtests=enabled")
    assert said.returncode != 0 and 'ERROR: Dependency "cmocka" not found' in said.stdout, said.stdout


def test_with_cmocka_there_are_tests(tmp_path: Path) -> None:
    assert meson_setup(tmp_path / "build", {}).returncode == 0
    assert len(info(tmp_path / "build", "tests")) > 50
