"""Quotes, escapes and braces on plain text."""

from __future__ import annotations

import pytest

from cmdai_shell.safety import quoting


@pytest.mark.parametrize(
    ("written", "text"),
    [(r"\x2f", "/"), (r"\057", "/"), (r"\u002f", "/"), (r"\n\t", "\n\t"),
     (r"\q", r"\q"), ("a\\", "a\\")],
)  # fmt: skip
def test_ansi_c(written, text):
    assert quoting.ansi_c(written) == text


@pytest.mark.parametrize("number", [0, 0xD800, 0xE000, 0xE1FF, 0x110000])
def test_no_escape_makes_a_character_that_is_none_or_ours(number):
    assert quoting.ansi_c(f"\\U{number:08x}") == ""


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("a{b,c}d", ["abd", "acd"]),
        ("{a,{b,c}}", ["a", "b", "c"]),
        ("{1..9}", ["1", "9"]),
        ("{a}", ["{a}"]),
        ("a{,b}", ["a", "ab"]),
        ("{a,b", ["{a,b"]),
    ],
)
def test_braces(written, words):
    assert quoting.braces(written, 64) == words


def test_too_many_words_are_not_all_made():
    assert 64 < len(quoting.braces("{a,b}" * 20, 64)) < 200


def test_what_is_quoted_does_not_act_and_comes_back():
    text = "*{a,b}~"
    assert not quoting.is_glob(quoting.inert(text))
    assert quoting.plain(quoting.inert(text)) == text
    assert quoting.is_glob(quoting.inert(quoting.matched("*")))
    assert quoting.double_quoted(r"\$ \a \"") == r"$ \a " + '"'
    assert quoting.plain(quoting.unescaped("a\\ b\\\nc\\*")) == "a bc*"
