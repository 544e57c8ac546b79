"""When a token is good, and when it is time for the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.auth.tokens import MARGIN_S, Tokens, in_words, read

T0 = 1_800_000_000.0


def tokens(life: float | None = 600, **more: object) -> Tokens:
    fields = {"origin": "o", "client": "c", "obtained": T0, "access": "planted", **more}
    return Tokens(expires=T0 + life if life is not None else 0.0, **fields)  # type: ignore[arg-type]


def test_a_life() -> None:
    one = tokens(600)
    assert one.is_fresh(T0, 300)
    assert one.is_fresh(T0 + 299, 300)
    assert not one.is_fresh(T0 + 301, 300)
    assert one.is_valid(T0 + 600 - MARGIN_S - 1)
    assert not one.is_valid(T0 + 600 - MARGIN_S)


def test_one_that_lives_shorter_than_it_is_renewed_ahead_is_not_renewed_at_once() -> None:
    one = tokens(60)
    assert one.is_fresh(T0 + 29, 300)
    assert not one.is_fresh(T0 + 31, 300)


def test_no_end_was_said() -> None:
    assert tokens(None).is_fresh(T0 + 10**8, 300)


def test_a_clock_that_was_set_back() -> None:
    assert tokens().is_valid(T0 - 30)
    assert not tokens().is_valid(T0 - 3_600)


@given(st.floats(0, 10_000), st.floats(0, 20_000), st.floats(0, 86_400))
def test_what_is_fresh_is_valid(life: float, passed: float, ahead: float) -> None:
    one = tokens(life)
    assert one.is_valid(T0 + passed) or not one.is_fresh(T0 + passed, ahead)


def test_there_and_back_and_only_to_whom_it_was_given() -> None:
    one = tokens(refresh="planted-too", who="alice")
    assert read(one.written(), origin="o", client="c") == one
    assert read(one.written(), origin="other", client="c") is None
    assert read(one.written(), origin="o", client="other") is None
    assert "planted" not in repr(one)


@given(st.text())
def test_anything_else_is_none(text: str) -> None:
    assert read(text, origin="o", client="c") is None
    assert read(None, origin="o", client="c") is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (-59, "59 seconds"),
        (60, "1 minute"),
        (3_300, "55 minutes"),
        (7_199, "119 minutes"),
        (7_200, "2 hours"),
        (86_400 * 2, "2 days"),
    ],
)
def test_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
