"""What lies in the current folder is never run: every Python that is started is an isolated one."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.embedded import source_index
from cmdai_shell.cli import client, watcher
from cmdai_shell.daemon import start, units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOURCES = sorted((Path(__file__).parents[1] / "cmdai_shell").rglob("*.py"))


def unisolated(tree: ast.AST) -> Iterator[int]:
    """Lines in which an interpreter is followed by another word than -I."""
    for node in ast.walk(tree):
        words = getattr(node, "elts", None) or getattr(node, "args", None)
        for word, follower in pairwise(words if isinstance(words, list) else ()):
            if ast.unparse(word) != "sys.executable":
                continue
            is_word = isinstance(follower, ast.Constant) and str(follower.value).startswith("-")
            is_meant = is_word or isinstance(follower, ast.Starred)
            if is_meant and ast.unparse(follower) not in ("'-I'", "*units.RUN"):
                yield follower.lineno


def test_each_is_started_with_the_option() -> None:
    found = [
        (path.name, line) for path in SOURCES for line in unisolated(ast.parse(path.read_text()))
    ]
    assert found == []
    assert units.RUN[0] == "-I"
    assert [*unisolated(ast.parse("run(sys.executable, '-m', 'pip')\nx = (sys.executable, '-c')"))]


@pytest.mark.parametrize(
    "command",
    [
        (*watcher.PROGRAM, "--version"),
        (*source_index.find_pip(), "--version"),
        (*start.REAL.command, "?"),
        (*client.START[:-1], "?"),
    ],
    ids=["dashboard", "pip", "daemon", "client"],
)
def test_started_from_a_folder_of_traps(command: Sequence[str], tmp_path: Path) -> None:
    for name in ("json.py", "click.py", "pip.py", "cmdai_shell/__init__.py"):
        trap = tmp_path / name
        trap.parent.mkdir(exist_ok=True)
        trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nraise SystemExit\n")
    assert command[0] == sys.executable
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert not (tmp_path / "sprung").exists(), done
