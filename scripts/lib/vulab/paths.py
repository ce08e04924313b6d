# SPDX-License-Identifier: BSD-3-Clause
"""Where things are: the source tree, what was built of it, and what is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def build_folder() -> Path:
    """Where the binaries are: $VUSWITCH_BUILD, or build/ in the tree."""
    return Path(os.environ.get("VUSWITCH_BUILD") or ROOT / "build")


def program(name: str) -> Path:
    """One of the product's programs: `vuswitch` or `vusctl`."""
    return build_folder() / "app" / name / name


def cache_folder() -> Path:
    """Where guest images and unpacked QEMUs are kept, outside the tree."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vuswitch"
