"""What is shown cannot steer a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.text import model_name, one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ls -la", "ls -la"),
        ("é 日本\n\x1b[0m\x07\x9b\u202e\u200b!", "é 日本\n!"),
        ("\x1b]0;owned\x07ls", "ls"),
        ("\x1b]52;c;cm0gLXJm\x1b\\ls", "ls"),
        ("a\tb\u00a0c\u3000d", "a b c d"),
        ("one\r\ntwo\rthree\u2028four\x85five", "one\ntwo\nthree\nfour\nfive"),
        ("\ud800x\x00y", "xy"),
    ],
)
def test_what_is_left(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("/models/coder-7b.gguf", "coder-7b.gguf"),
        ("/models/coder/", "coder"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "Qwen/Qwen2.5-Coder-7B-Instruct"),
        ("", ""),
    ],
)
def test_a_model_is_not_called_by_a_path(model: str, shown: str) -> None:
    assert model_name(model) == shown


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    shown = visible(text)
    assert all(c == "\n" or unicodedata.category(c)[0] != "C" for c in shown)
    assert visible(shown) == shown


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"])))
def test_ordinary_text_is_kept(text: str) -> None:
    assert visible(text) == text


def test_one_line_of_so_many_characters() -> None:
    assert one_line(" a\x1b[31m\tb\n\n c ") == "a b c"
    assert one_line("x" * 100, 10) == "x" * 10
    assert one_line("\x07" * 40 + "late", 10) == ""  # what is looked at is bounded, too
