"""Requests that are answered with a question."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.suggest.clarify import question

RECIPES = Path(__file__).parents[2] / "cmdai_shell" / "suggest" / "recipes"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("unpack it", '"it"'),
        ("Please compress them now", '"them"'),
        ("rename those properly", '"those"'),
        ("run that again", '"that"'),
        ("keep only the new ones", "which ones"),
        ("get rid of the other ones", "which ones"),
        ("remove everything", "what, and where"),
        ("hello!", "what the command should do"),
        ("thank you so much", "what the command should do"),
        ("...?", "say in words"),
        ("", "say in words"),
    ],
)
def test_what_leaves_open_what_is_meant(words: str, asked: str) -> None:
    assert asked in question(words)


@pytest.mark.parametrize(
    "words",
    [
        "zip it.log",
        "find this week's logs",
        "files that changed today",
        "rm -rf everything",
        "the 3 biggest ones in /var",
        "kill 4711",
        "ls",
        "..",
        "~",
        "!!",
        "what is this machine called",
        "undo this commit",
        "delete everything in build/",
        "ok.txt",
    ],
)
def test_what_can_be_answered_is(words: str) -> None:
    assert question(words) == ""


def test_no_recipe_is_asked_back() -> None:
    phrases = [
        phrase
        for path in RECIPES.glob("*.toml")
        for table in tomllib.loads(path.read_text("utf-8")).values()
        for _, *phrases in table["recipes"]
        for phrase in phrases
    ]
    assert [phrase for phrase in phrases if question(phrase)] == []


@given(st.text())
def test_any_text_is_taken(words: str) -> None:
    question(words)


def test_a_long_line_takes_no_time() -> None:
    start = time.process_time()
    for line in ("the " * 30_000, "it " * 30_000, "a" * 100_000, "the ones " * 10_000):
        question(line)
        assert question("1" * 100_000 + "?") == ""
    assert time.process_time() - start < 1
