# SPDX-License-Identifier: BSD-3-Clause
"""How a demonstration of scripts/quickstart talks, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from vulab.lab import Lab
from vulab.process import LabError

BEGIN = float(os.environ.get("VUSWITCH_QUICKSTART_BEGIN") or time.time())


def step(text: str) -> None:
    """One line for one step, beside the seconds since the start."""
    print(f"{time.time() - BEGIN:4.0f} s  {text}", flush=True)


class Ticker:
    """Shows on a terminal that something is going on, and for how long already."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        if sys.stdout.isatty():
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
            print("\r\033[K", end="", flush=True)

    def _run(self) -> None:
        begin = time.time()
        while not self._end.wait(0.5):
            print(f"\r{time.time() - BEGIN:4.0f} s  ... {self._text}, "
                  f"{time.time() - begin:.0f} s so far", end="", flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def ends_well(demonstrate: Callable[[Lab], None], interrupted: int = 130) -> int:
    """Runs a demonstration and takes everything down, however it ends; returns the exit status."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    lab = Lab()
    try:
        demonstrate(lab)
        return 0
    except KeyboardInterrupt:
        print("\nquickstart: interrupted; taking everything down", file=sys.stderr)
        return interrupted
    except (LabError, OSError, subprocess.SubprocessError) as error:
        print(lab.report(), file=sys.stderr)
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    finally:
        # A second Ctrl-C must not leave half of it behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        lab.close()
