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
from bench.measure import Run, Window  # noqa: E402


def bench(*arguments):
    return subprocess.run([str(BENCH), *arguments], capture_output=True, text=True, timeout=120,
                          check=False)


def window(mpps, trip_ns=100.0, share=1.0, moved=False):
    return Window(mpps, share, share, trip_ns, moved)


def round_of(**windows):
    return [Run(name, 64, windows=list(taken)) for name, taken in windows.items()]


def test_the_ratio_is_of_medians():
    rows = report.summarise([round_of(a=[window(20), window(24), window(10)], b=[window(5)])], 2e9)
    assert [(row["switch"], row["mpps"], row["ratio"]) for row in rows] == [
        ("a", 20, None), ("b", 5, 4.0)]
    assert rows[0]["cycles_per_packet"] == 100.0
    assert (rows[0]["min"], rows[0]["max"]) == (10, 24)


def test_distances_are_not_mixed():
    # the CPUs move apart between the rounds: near, a is twice b; far, it is half of it
    near = round_of(a=[window(20)] * 2, b=[window(10)] * 2)
    far = round_of(a=[window(4, trip_ns=450)], b=[window(8, trip_ns=460)])
    rows = report.summarise([near, far], 2e9)
    assert [(row["distance_ns"], row["ratio"]) for row in rows] == [
        ((100, 100), None), ((100, 100), 2.0), ((450, 460), None), ((450, 460), 0.5)]


def test_a_disturbed_window_counts_only_when_there_is_no_other():
    rows = report.summarise([round_of(a=[window(20), window(1, share=0.5)],
                                      b=[window(3, share=0.6)])], 2e9)
    assert (rows[0]["mpps"], rows[0]["notes"]) == (20, [])
    assert rows[1]["mpps"] == 3 and "60%" in rows[1]["notes"][0]


def test_a_window_in_which_the_cpus_moved_never_counts():
    rows = report.summarise([round_of(a=[window(20), window(99, moved=True)])], 2e9)
    assert rows[0]["mpps"] == 20


def test_an_unfair_figure_is_told():
    assert len(Run("x", 64, dropped=3, lost_by_generator=1, flooded=2, macs=1).complaints()) == 4
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
