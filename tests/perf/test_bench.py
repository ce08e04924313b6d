# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench and bench-scale: their arithmetic, what they say to mistakes, and short measurements.

Run: /usr/bin/python3 -m pytest tests/perf. The measurements need two CPUs, and some a peer; the
figures themselves are not checked here, only that every frame came through.
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

from bench import latency, report  # noqa: E402
from bench.measure import Run, Window  # noqa: E402
from vulab.paths import program  # noqa: E402


def bench(*arguments):
    return subprocess.run([str(BENCH), *arguments], capture_output=True, text=True, timeout=120,
                          check=False)


def window(mpps, trip_ns=100.0, share=1.0, moved=False):
    return Window(mpps, share, share, trip_ns, moved)


def round_of(**windows):
    for taken in windows.values():
        for lap, one in enumerate(taken):
            one.lap = lap
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


def test_laps_are_compared_with_each_other():
    # a machine that gets slower all the time: the medians say 1.22, each lap says 1.1
    slower = [100, 90, 80, 70]
    rows = report.summarise([round_of(a=[window(1.1 * mpps) for mpps in slower],
                                      b=[window(mpps) for mpps in slower[:3]] +
                                      [window(1000, share=0.1)])], 2e9)
    assert [round(ratio, 3) for ratio in rows[1]["paired"]] == [1.1] * 3


def test_percentiles_are_of_all_windows_at_one_distance():
    def times(trip_ns, good, *ns):
        return latency.Times("a", "idle", 0.0, trip_ns=trip_ns, good=good, ns=[[n, 1] for n in ns])

    rows = latency.summarise([times(100, True, *range(1000, 1500)), times(100, True, *range(1500, 2000)),
                              times(100, False, 10 ** 9), times(400, True, 5000)])
    assert [(row["distance_ns"], row["idle"]["frames"], row["idle"]["us"]) for row in rows] == [
        ((100, 100), 1000, [1.5, 1.99, 2.0]), ((400, 400), 1, [5.0] * 3)]
    assert rows[0]["loaded"] is None


def test_a_disturbed_window_counts_only_when_there_is_no_other():
    rows = report.summarise([round_of(a=[window(20), window(1, share=0.5)],
                                      b=[window(3, share=0.6)])], 2e9)
    assert (rows[0]["mpps"], rows[0]["notes"]) == (20, [])
    assert rows[1]["mpps"] == 3 and "60%" in rows[1]["notes"][0]


def test_a_window_in_which_the_cpus_moved_never_counts():
    rows = report.summarise([round_of(a=[window(20), window(99, moved=True)])], 2e9)
    assert rows[0]["mpps"] == 20


def test_an_unfair_figure_is_noted():
    assert len(Run("x", 64, dropped=3, lost=1, disorder=4, flooded=2, macs=1).complaints()) == 5
    assert not Run("x", 64, macs=2).complaints()


@pytest.mark.parametrize("arguments, said", [
    (["--switches", "nonsense"], "none of"),
    (["--vuswitch", "/nowhere", "--switches", "vuswitch"], "--vuswitch PATH"),
    (["--testpmd", "/nowhere"], "no such program"),
    (["--switch-cpu", "4000"], "--switch-cpu"),
    (["--switch-cpu", "0"], "a CPU each"),
    (["latency", "--generator", "testpmd"], "needs --generator fake"),
    (["plot"], "of what"),
])
def test_a_mistake_is_one_line_that_says_how_to_mend(arguments, said):
    done = bench(*arguments)
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") == 1


def peers(*names):
    return [name for name in names if name == "vuswitch" or shutil.which("dpdk-" + name)]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("arguments, sizes", [
    (["--sizes", "64,1518,9000"], [64, 1518, 9000]),
    (["--sizes", "64,1518", "--packed", "--ring", "1024"], [64, 1518]),
    (["--sizes", "64", "--switches", "vuswitch", "--bridges", "3", "--macs", "50", "--regions", "40",
      "--straight"], [64]),
    (["--sizes", "64", "--generator", "testpmd"], [64]),
    (["--tso", "--switches", "testpmd"], [1514, 9014, 65000]),
])
def test_a_short_measurement(tmp_path, arguments, sizes):
    if "testpmd" in str(arguments) and not shutil.which("dpdk-testpmd"):
        pytest.skip("needs dpdk-testpmd")
    result = tmp_path / "result.json"
    switches = peers("vuswitch", "testpmd")
    done = bench("--switches", ",".join(switches), "--rounds", "1", "--windows", "1", "--no-huge",
                 "--json", str(result), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads(result.read_text())["rounds"][0]
    if "--switches" in arguments:
        switches = [arguments[arguments.index("--switches") + 1]]
    assert [(run["switch"], run["size"]) for run in runs] == [
        (switch, size) for size in sizes for switch in switches]
    for run in runs:
        assert run["mpps"] > 0.001
        if run["switch"] == "vuswitch":
            assert run["dropped"] == run["lost"] == run["disorder"] == 0
            assert 2 <= run["macs"] <= run["macs_due"]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
def test_two_builds_are_compared(tmp_path):
    result = tmp_path / "result.json"
    build = str(program("vuswitch"))
    done = bench("--switches", "vuswitch", "--vuswitch", build, "--vuswitch", build, "--sizes", "64", "--rounds", "1",
                 "--windows", "1", "--no-huge", "--json", str(result))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [run["switch"] for run in json.loads(result.read_text())["rounds"][0]] == ["vuswitch", "vuswitch:2"]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
def test_a_short_look_at_latency(tmp_path):
    result = tmp_path / "result.json"
    done = bench("latency", "--switches", "vuswitch", "--rounds", "1", "--windows", "1", "--no-huge",
                 "--json", str(result))
    assert done.returncode == 0, done.stdout + done.stderr
    windows = json.loads(result.read_text())["rounds"]
    assert [(times["switch"], times["state"]) for times in windows] == [
        (switch, state) for switch in ("vuswitch", "vuswitch-sleeps") for state in ("idle", "loaded")]
    for times in windows:
        assert times["lost"] == 0
        assert times["untimed"] + sum(count for _, count in times["ns"]) >= latency.FRAMES


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("row, figure, cases", [("queues", "ticks", 3), ("trickle", "p99", 2)])
def test_hundreds_of_guests(tmp_path, row, figure, cases):
    result = tmp_path / "result.json"
    done = subprocess.run([str(BENCH) + "-scale", "--rows", row, "--quick", "--laps", "1", "--switches", "vuswitch", "--no-huge",
                           "--json", str(result)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    windows = json.loads(result.read_text())["windows"]
    assert len(windows) == cases
    for taken in windows:
        assert taken["lost"] == 0 and taken["mpps"] > 0 and taken[figure] > 0


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
def test_a_thousand_ports(tmp_path):
    result = tmp_path / "result.json"
    done = subprocess.run([str(BENCH) + "-scale", "--rows", "ask,client", "--quick", "--switches", "vuswitch", "--no-huge",
                           "--json", str(result)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [taken["case"] for taken in json.loads(result.read_text())["windows"]] == [
        "vusctl ports", "vusctl lcores", "vusctl bridges", "client mode, nobody there"]


def test_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    rows = report.summarise([round_of(vuswitch=[window(20)] * 2, other=[window(10)] * 2)], 2e9)
    times = latency.summarise([latency.Times("vuswitch", state, 1.0, trip_ns=100.0, good=True, ns=[[1000, 5], [9000, 1]])
                               for state in ("idle", "loaded")])
    files = []
    for what, summary in (("throughput", rows), ("latency", times)):
        files.append(tmp_path / f"{what}.json")
        files[-1].write_text(json.dumps({
            "settings": {"what": what, "ring": 256, "packed": False, "tso": False, "sizes": [64]},
            "machine": {"cpu": "a CPU", "date": "2026-01-01T00:00:00Z"}, "summary": summary}))
    done = bench("plot", *map(str, files), "--output", str(tmp_path / "picture.svg"))
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "picture.svg").read_text()
    assert "split rings of 256" in picture and "20.0" in picture and "1.0 / 9.0 / 9" in picture
