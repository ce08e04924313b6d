# SPDX-License-Identifier: BSD-3-Clause
"""What `meson install` makes, and what becomes of it on a machine that has only what a package would bring.

Run by `scripts/test install`. $VUSWITCH_BUILD is a build folder with meson's own prefix (build/), $VUSWITCH_PACKAGE_BUILD one
with a package's (build-package/).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILDS = {
    "default": Path(os.environ.get("VUSWITCH_BUILD") or ROOT / "build"),
    "package": Path(os.environ.get("VUSWITCH_PACKAGE_BUILD") or ROOT / "build-package"),
}


class Installed:
    """A build that was installed below `root`."""

    def __init__(self, build: Path, root: Path) -> None:
        self.build = build
        self.root = root
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild"], check=True, stdout=subprocess.DEVNULL,
                       env=os.environ | {"DESTDIR": str(root)}, timeout=60)
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
