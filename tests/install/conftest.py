# SPDX-License-Identifier: BSD-3-Clause
"""What `meson install` makes, and what becomes of it on a machine that has only what a package would bring.

Run by `scripts/test install`. $VUSWITCH_BUILD is a build folder with meson's own prefix (build/), $VUSWITCH_PACKAGE_BUILD one
with a package's (build-package/).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from vulab.paths import ROOT, build_folder  # noqa: E402
from vulab.process import run  # noqa: E402

BUILDS = {
    "default": build_folder(),
    "package": Path(os.environ.get("VUSWITCH_PACKAGE_BUILD") or ROOT / "build-package"),
}


class Installed:
    """A build that was installed below `root`."""

    def __init__(self, build: Path, root: Path) -> None:
        self.build = build
        self.root = root
        run(["env", f"DESTDIR={root}", "meson", "install", "-C", build, "--no-rebuild"], 60)
        options = json.loads((build / "meson-info" / "intro-buildoptions.json").read_text())
        values = {option["name"]: option["value"] for option in options}
        self.prefix = Path(values["prefix"])
        self.sysconfdir = self.prefix / values["sysconfdir"]

    def at(self, path: str | Path) -> Path:
        """Where a file of the installed system lies here."""
        return self.root / Path(path).relative_to("/")


def install(kind: str, factory: pytest.TempPathFactory) -> Installed:
    return Installed(BUILDS[kind], factory.mktemp(f"installed-{kind}"))


@pytest.fixture(scope="session", params=list(BUILDS))
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Each of the two."""
    return install(request.param, tmp_path_factory)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install("package", tmp_path_factory)
