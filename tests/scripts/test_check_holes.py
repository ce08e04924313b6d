# SPDX-License-Identifier: BSD-3-Clause
"""scripts/lib/check-holes on small trees: what it finds, and what it lets pass."""

import json
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "lib" / "check-holes"

RULES = "| V1 | A chain ends. | A loop (CVE-2019-9547). | `unit/ring_test` |\n"
HOLE = "| CVE-2019-9547 | V1 | `next` is 0 | `unit/ring_test: loops_end`, `tests/e2e/test_ring.py: test_loop` |\n"
RAN = {"name": "vuswitch:unit / ring, packed rings", "result": "OK", "stdout": "[       OK ] loops_end\n"}
LOG = "tests/e2e/test_ring.py::test_loop[7.2-split] PASSED  [ 10%]\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {"docs/rules.md": RULES, "docs/holes.md": HOLE, "tests/unit/ring_test.c": "\tcmocka_unit_test(loops_end),\n",
                       "tests/e2e/test_ring.py": "def test_loop() -> None:\n", "logs/ran.jsonl": json.dumps(RAN) + "\n",
                       "logs/01-e2e.log": LOG}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def check(tree: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([SCRIPT, *words], cwd=tree, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def test_what_exists_and_ran_passes(tree: Path) -> None:
    assert check(tree) == (0, "1 holes, 2 tests\n")
    assert check(tree, "logs") == (0, "1 holes, 2 tests, tried by this run\n")


@pytest.mark.parametrize(("name", "old", "new", "words"), [
    ("docs/holes.md", "loops_end", "loop_ends", "there is no unit/ring_test: loop_ends"),
    ("docs/holes.md", "ring_test:", "rings_test:", "there is no unit/rings_test: loops_end"),
    ("docs/holes.md", "test_loop`", "test_loops`", "there is no tests/e2e/test_ring.py: test_loops"),
    ("docs/holes.md", "| V1 |", "| V2 |", "V2 is no rule"),
    ("docs/holes.md", HOLE[HOLE.index("`unit"):-3], "none", "names no test"),
    ("docs/rules.md", "9547", "9548", "CVE-2019-9548 has no row"),
])
def test_what_is_wrong_is_found(tree: Path, name: str, old: str, new: str, words: str) -> None:
    (tree / name).write_text((tree / name).read_text().replace(old, new))
    status, said = check(tree)
    assert status == 1
    assert words in said


@pytest.mark.parametrize(("name", "old", "new", "words"), [
    ("logs/ran.jsonl", "      OK", "  FAILED", "unit/ring_test: loops_end did not run, or failed"),
    ("logs/01-e2e.log", "PASSED", "FAILED", "tests/e2e/test_ring.py: test_loop did not run, or failed"),
    ("logs/01-e2e.log", "test_loop", "test_other", "tests/e2e/test_ring.py: test_loop did not run, or failed"),
])
def test_what_did_not_run_is_found(tree: Path, name: str, old: str, new: str, words: str) -> None:
    (tree / name).write_text((tree / name).read_text().replace(old, new))
    status, said = check(tree, "logs")
    assert status == 1
    assert words in said


def test_what_is_skipped_is_a_note(tree: Path) -> None:
    (tree / "logs/ran.jsonl").write_text(json.dumps(RAN).replace("      OK", " SKIPPED"))
    status, said = check(tree, "logs")
    assert status == 0
    assert "note: docs/holes.md:1: CVE-2019-9547: unit/ring_test: loops_end has been skipped" in said


def test_logs_that_are_not_there(tree: Path) -> None:
    (tree / "logs/ran.jsonl").unlink()
    status, said = check(tree, "logs")
    assert status == 1
    assert "run all of scripts/test first" in said
