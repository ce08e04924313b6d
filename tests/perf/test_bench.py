# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench: its arithmetic, what it says to mistakes, and one short measurement.

Run: /usr/bin/python3 -m pytest tests/perf. The measurement needs dpdk-testpmd and two CPUs; the
figure itself is not judged here, only that every frame came through.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "scripts" / "bench"
sys.path.insert(0, str(ROOT / "scripts" / "lib"))

from bench import report  # noqa: E402
from bench.measure import Run  # noqa: E402


def bench(*arguments):
    return subprocess.run([str(BENCH), *arguments], capture_output=True, text=True, timeout=120,
                          check=False)


def round_of(**figures):
    return [Run(name, 64, mpps=mpps, windows=[mpps]) for name, mpps in figures.items()]


def test_ratios_are_paired_by_round():
    # the machine is twice as slow in the second round: for both, so the ratio does not move
    rows = report.summarise([round_of(a=20.0, b=10.0), round_of(a=10.0, b=5.0)], 2e9)
    assert [row["ratio"] for row in rows] == [None, 2.0]
    assert rows[0]["mpps"] == 15.0
    assert rows[0]["cycles_per_packet"] == pytest.approx(133.3)
    assert (rows[0]["min"], rows[0]["max"]) == (10.0, 20.0)


def test_a_round_without_the_reference_has_no_ratio():
    rows = report.summarise([round_of(a=20.0, b=10.0), round_of(b=30.0)], 2e9)
    assert rows[1]["ratio"] == 2.0


def test_an_unfair_figure_is_told():
    run = Run("x", 64, dropped=3, flooded=2, macs=1, disturbed=True, share=[0.5, 0.6])
    assert len(run.complaints()) == 4
    assert not Run("x", 64, macs=2).complaints()


@pytest.mark.parametrize("arguments, said", [
    (["--switches", "nonsense"], "none of"),
    (["--vuswitch", "/nowhere", "--switches", "vuswitch"], "--vuswitch PATH"),
    (["--testpmd", "/nowhere"], "no such program"),
    (["--switch-cpu", "4000"], "--switch-cpu"),
    (["--switch-cpu", "0"], "a CPU each"),
])
def test_a_mistake_is_one_line_that_says_how_to_mend(arguments, said):
    done = bench(*arguments)
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif((os.cpu_count() or 1) < 2 or not shutil.which("dpdk-testpmd"),
                    reason="needs dpdk-testpmd and two CPUs")
def test_a_short_measurement(tmp_path):
    result = tmp_path / "result.json"
    done = bench("--switches", os.environ.get("BENCH_SWITCH", "vuswitch"), "--sizes", "64,1518",
                 "--rounds", "1", "--windows", "1", "--no-huge", "--json", str(result))
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads(result.read_text())["rounds"][0]
    assert [run["size"] for run in runs] == [64, 1518]
    for run in runs:
        assert run["mpps"] > 0.01
        assert run["dropped"] == run["lost_by_generator"] == run["flooded"] == 0
