"""Each line of SECURITY.md has a test, and each test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text()
REFERENCE = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SECTIONS = (
    "Who may read what you type",
    "Who may pass for a server",
    "Who may put something on the line",
    "Who may read a key, a token, a passphrase",
)


def rows() -> Iterator[tuple[str, str]]:
    """(threat, its last column)."""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "threat" and set(line) - set("|-"):
            assert len(cells) == 3, line
            yield cells[0], cells[2]


ROWS = tuple(rows())


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of the tests in a file, those within classes too; none of one that always fails or is
    always passed over."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not any(
            re.search(r"mark\.(xfail|skip)\b", ast.unparse(it)) for it in node.decorator_list
        )
    )


@pytest.mark.parametrize(("threat", "told"), ROWS, ids=[threat for threat, _ in ROWS])
def test_each_line_has_a_test_that_exists(threat: str, told: str) -> None:
    found = REFERENCE.findall(told)
    assert found, f"no test for: {threat}"
    assert not REFERENCE.sub("", told).strip(), "something there is no test"
    for path, name in found:
        assert (ROOT / path).is_file(), path
        assert name.startswith("test_")
        assert name in names_in(path), f"{path} has no {name}"


def test_the_four_questions_are_there_and_each_has_lines() -> None:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    by_title = {part.partition("\n")[0]: part for part in parts}
    for title in SECTIONS:
        assert by_title[title].count("\n| ") > 3, title


def test_no_threat_is_told_twice() -> None:
    assert len({threat for threat, _ in ROWS}) == len(ROWS)
