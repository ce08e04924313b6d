# SPDX-License-Identifier: BSD-3-Clause
"""The checker of the house rules finds what it is there to find, and lets good code pass."""

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "lib" / "check-source"
loader = importlib.machinery.SourceFileLoader("check_source", str(SCRIPT))
spec = importlib.util.spec_from_loader("check_source", loader)
assert spec is not None
check_source = importlib.util.module_from_spec(spec)
loader.exec_module(check_source)

SPDX = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
GOOD = SPDX + '#include "frame.h"\n\nint one(void)\n{\n\treturn 1; /* printf() is a word here */\n}\n'


def found(name: str, text: str) -> str:
    return "\n".join(message for _, message in check_source.check_file(name, text))


def body(lines: int) -> str:
    return SPDX + "void f(void)\n{\n" + "\tg();\n" * lines + "}\n"


def test_good_code_passes() -> None:
    assert found("lib/frame/one.c", GOOD) == ""


@pytest.mark.parametrize("name, text, words", [
    ("lib/frame/one.c", GOOD.replace("SPDX", "License"), "SPDX"),
    ("lib/frame/one.c", GOOD.replace('"frame.h"', '"../frame.h"'), "climbs"),
    ("tests/unit/a_test.c", GOOD.replace('"frame.h"', '"frame.c"'), "does not include its source"),
    ("lib/frame/one.c", GOOD.replace("a word here */", "a word here */ "), "white space"),
    ("lib/frame/one.c", GOOD.replace("printf()", "TO" "DO"), "not done"),
    ("lib/frame/one.c", GOOD.replace("return 1;", "return malloc(1) != 0;"), "malloc(): an lcore"),
    ("lib/event/one.c", GOOD.replace("return 1;", "return usleep(1);"), "usleep(): nothing waits"),
    ("docs/one.md", "http://deb.debian" ".org/debian\n", "a mirror's address"),
    ("lib/frame/one.c", GOOD[:-1], "no newline"),
    ("lib/frame/one.c", SPDX + "\n" * 600, "split it by noun"),
    ("lib/frame/one.c", body(61), "a function of 61 lines"),
    ("lib/frame/one.h", SPDX + "int one(void);\n", "begins with what it is"),
    ("lib/frame/one.c", GOOD.replace("a word here", "a word here (V" "99)"), "V" "99: no such rule"),
    ("scripts/one", "#!/usr/bin/python3\n# SPDX-License-Identifier: BSD-3-Clause\ndef f(:\n", "not Python"),
])
def test_a_broken_rule_is_told(name: str, text: str, words: str) -> None:
    assert words in found(name, text)


def test_what_is_allowed_elsewhere() -> None:
    assert found("lib/control/one.c", GOOD.replace("return 1;", "return malloc(1) != 0;")) == ""
    assert found("lib/frame/one.c", body(60)) == ""
    assert found("lib/frame/one.c", GOOD.replace("a word here", "as V14 says, and -O2, Cortex-A57")) == ""
    assert found("lib/frame/one.c", GOOD.replace("return 1;", "return sum(V" "99, \"V" "99\");")) == ""
    assert found("tests/unit/one.c", body(61)) == ""
    assert found("tests/unit/one.c", GOOD.replace("return 1;", "return printf(\"\");")) == ""
