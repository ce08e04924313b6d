# SPDX-License-Identifier: BSD-3-Clause
"""The checker of the source rules finds what it is there to find, and lets good code pass."""

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


HEADER = SPDX + "/* one.h: the number one.\n *\n * Context: an lcore.\n */\n#ifndef ONE_H\n#define ONE_H\nint one(void);\n#endif\n"


def found(name: str, text: str) -> str:
    return "\n".join(message for _, message in check_source.check_file(name, text))


def body(lines: int) -> str:
    return SPDX + "void f(void)\n{\n" + "\tg();\n" * lines + "}\n"


def test_good_code_passes() -> None:
    assert found("lib/frame/one.c", GOOD) == ""
    assert found("lib/frame/one.h", HEADER) == ""


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
    ("lib/frame/one.c", GOOD.replace("return 1;", "atomic_thread_fence(memory_order_seq_cst);"), "a barrier names its other side"),
    ("lib/frame/one.c", GOOD.replace("return 1;", "/* Pairs with the other side. */\n\tguest_fence();"), "a barrier names its other side"),
    ("lib/frame/one.c", body(61), "a function of 61 lines"),
    ("lib/frame/one.h", SPDX + "int one(void);\n", "begins with what it is"),
    ("drivers/vhost/one.h", HEADER.replace("Context: an", "An"), "who may call"),
    ("lib/frame/one.h", HEADER.replace(" * Context: an lcore.\n", "").replace("int", "/*\n * Context: any.\n */\nint"), "who may call"),
    ("lib/frame/one.c", GOOD.replace("a word here", "a word here (V" "99)"), "V" "99: no such rule"),
    ("lib/frame/one.c", GOOD.replace("a word here", "a word (protocol.md\n * 3a.1)"), "a section of protocol.md by number"),
    ("scripts/one", "#!/usr/bin/python3\n# SPDX-License-Identifier: BSD-3-Clause\ndef f(:\n", "not Python"),
])
def test_a_broken_rule_is_told(name: str, text: str, words: str) -> None:
    assert words in found(name, text)


@pytest.mark.parametrize("pair", ["two()", "the driver's release of avail->idx", "rings,\n\t * which two() and three() do"])
def test_a_barrier_with_its_other_side_passes(pair: str) -> None:
    text = GOOD.replace("return 1;", f"/* Pairs with {pair}. */\n\treturn guest_load16_acquire(at);")
    assert found("lib/frame/one.c", text) == ""


def test_what_a_comment_names_is_there() -> None:
    texts = {
        "lib/frame/one.c": "/* one() and two() of ONE_MAX and TWO_MAX; rte_eal_init(), VIRTIO_F_VERSION_1 */\nint one(int ONE_MAX);\n",
        "docs/one.md": "`one()`, three(), `vmx --of()`\n",
    }
    messages = [f"{name}:{line}: {message}" for name, line, message in check_source.check_names(texts)]
    assert messages == ["lib/frame/one.c:1: names two(), which is not there", "lib/frame/one.c:1: names TWO_MAX, which is not there",
                        "docs/one.md:1: names three(), which is not there"]


def test_a_long_file_is_a_note() -> None:
    assert found("lib/frame/one.c", SPDX + "\n" * 600) == ""
    assert check_source.advice("lib/frame/one.c", SPDX + "\n" * 599) is None
    assert "601 lines" in check_source.advice("lib/frame/one.c", SPDX + "\n" * 600)
    assert check_source.advice("docs/one.md", "\n" * 900) is None


def test_what_is_allowed_elsewhere() -> None:
    assert found("lib/control/one.c", GOOD.replace("return 1;", "return malloc(1) != 0;")) == ""
    assert found("lib/frame/one.c", body(60)) == ""
    assert found("lib/frame/one.c", GOOD.replace("a word here", "as V14 says, and -O2, Cortex-A57")) == ""
    assert found("lib/frame/one.c", GOOD.replace("return 1;", "return sum(V" "99, \"V" "99\");")) == ""
    assert found("tests/unit/one.c", body(61)) == ""
    assert found("tests/unit/one.c", GOOD.replace("return 1;", "return printf(\"\");")) == ""
