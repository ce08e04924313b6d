# SPDX-License-Identifier: BSD-3-Clause
"""scripts/lib/check-calls on small trees: a system call that no row of docs/rules.md names is found, and a row without its call."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "lib" / "check-calls"

PEER = "| `lib/a/one.c` `one_end()` | `close()` | disposal thread | its descriptor | It may block. |\n"
OWN = "| `lib/a/one.c` `one_ask()` | `fstat()` | A file of ours. |\n"
RULES = f"## X\n\n### Calls on what a peer owns\n\n| where | calls |\n|---|---|\n{PEER}\n{OWN}\n## E\n\n| `lib/a/two.c` | `dup()` | No. |\n"
CODE = """/* close() is a word here */
static const int kind = 1;

static int one_ask(struct one *one,
		   int fd)
{
	return one->read(fd) + fstat(fd, "poll(");
}

void one_end(int fd)
{
	close(fd);
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {"docs/rules.md": RULES, "lib/a/one.c": CODE, "tests/one.c": "void f(void)\n{\n\tclose(1);\n}\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def check(tree: Path, name: str, old: str, new: str) -> str:
    file = tree / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    files = [str(path.relative_to(tree)) for path in tree.rglob("*.[ch]")]
    done = subprocess.run([SCRIPT, *files], cwd=tree, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout


def test_calls_with_a_row_pass(tree: Path) -> None:
    assert check(tree, "lib/a/one.c", "close(fd)", "close(fd)") == ""


@pytest.mark.parametrize("name, old, new, words", [
    # A further call in a function that has a row; the same call in a function that has none; a file without rows.
    ("lib/a/one.c", "\tclose(fd);", "\tshutdown(fd, 2);\n\tclose(fd);", "lib/a/one.c:12: shutdown() in one_end(): docs/rules.md has no row"),
    ("lib/a/one.c", "return ", "close(fd);\n\treturn ", "lib/a/one.c:7: close() in one_ask(): docs/rules.md has no row"),
    ("docs/rules.md", PEER, "", "lib/a/one.c:12: close() in one_end(): docs/rules.md has no row"),
    ("lib/a/one.c", "\tclose(fd);\n", "", "docs/rules.md:7: lib/a/one.c has no call of this row with close() any more"),
    ("docs/rules.md", "`close()`", "`close()` `poke()`", "docs/rules.md:7: lib/a/one.c has no call of this row with poke() any more"),
    ("docs/rules.md", " `one_ask()`", "", "docs/rules.md:9: a row names its file, calls and owner"),
    ("docs/rules.md", " `one_end()`", "", "docs/rules.md:7: a row names its file, calls and owner"),
    ("docs/rules.md", "It may block.", "", "docs/rules.md:7: a row names its file, calls and owner"),
])
def test_a_call_without_a_row_is_found(tree: Path, name: str, old: str, new: str, words: str) -> None:
    assert words in check(tree, name, old, new)
