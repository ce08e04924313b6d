# SPDX-License-Identifier: BSD-3-Clause
"""scripts/lib/version in the places to build from."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "lib" / "version"
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def git(tree: Path, *words: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example", "-c", "protocol.file.allow=always",
                "-c", "safe.directory=*"]
    return subprocess.run(["git", "-C", tree, *identity, *words], env=os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null"},
                          check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def version(tree: Path, **env: str) -> str:
    # No settings of the user, which may trust every folder.
    plain = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run([tree / "scripts/lib/version", "0.1.0"], check=True, capture_output=True, text=True,
                          cwd="/", env=plain | env, timeout=30).stdout


def sources(tree: Path) -> Path:
    (tree / "scripts/lib").mkdir(parents=True)
    shutil.copy(SCRIPT, tree / "scripts/lib/version")
    return tree


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    tree = sources(tmp_path / "tree")
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "one")
    return tree


def commit(tree: Path) -> str:
    git(tree, "commit", "-q", "--allow-empty", "-m", "more")
    return head(tree)


def head(tree: Path) -> str:
    return git(tree, "rev-parse", "--short=7", "HEAD")


def test_a_release_without_git(tmp_path: Path) -> None:
    assert version(sources(tmp_path / "vuswitch-0.1.0")) == "0.1.0\n"


@needs_git
def test_no_tag(checkout: Path) -> None:
    assert version(checkout) == f"0.1.0-g{head(checkout)}\n"


@needs_git
def test_tags(checkout: Path) -> None:
    git(checkout, "tag", "v0.2.0")
    assert version(checkout) == "0.2.0\n"
    (checkout / "scripts/lib/version").open("a").write("# changed\n")
    assert version(checkout) == "0.2.0-dirty\n"
    git(checkout, "checkout", "-q", ".")
    at = commit(checkout)
    git(checkout, "tag", "debian/0.2.0-1")  # a packager's
    assert version(checkout) == f"0.2.0-1-g{at}\n"


@needs_git
def test_a_shallow_clone(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "tag", "v0.2.0")
    at = commit(checkout)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{checkout}", "clone")
    assert version(tmp_path / "clone") == f"0.1.0-g{at}\n"


@needs_git
def test_an_unpacked_release_in_a_checkout(checkout: Path) -> None:
    git(checkout, "tag", "v7.0.0")
    assert version(sources(checkout / "vuswitch-0.1.0")) == "0.1.0\n"


@needs_git
def test_a_hook_of_another_repository(checkout: Path, tmp_path: Path) -> None:
    tree = sources(tmp_path / "vuswitch-0.1.0")
    assert version(tree, GIT_DIR=str(checkout / ".git")) == "0.1.0\n"


@needs_git
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_checkout_of_another_user(checkout: Path) -> None:
    at = head(checkout)
    for path in [checkout, *checkout.rglob("*")]:
        os.chown(path, 65534, 65534)
    (checkout / "scripts/lib/version").touch()  # git has to look at it again
    assert version(checkout) == f"0.1.0-g{at}\n"
    assert {path.stat().st_uid for path in checkout.rglob("*")} == {65534}, "something was written there"


@needs_git
def test_no_git_program(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "env", "cat"):
        (tools / name).symlink_to(str(shutil.which(name)))
    assert version(checkout, PATH=str(tools)) == "0.1.0\n"
