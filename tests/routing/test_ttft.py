"""What is known of the time to a first token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.routing.ttft import UNKNOWN_S, Ttft, hedge_after

FIGURES = st.lists(st.floats(0, 100), max_size=300)


def test_bad_news_counts_at_once_and_good_news_by_and_by():
    known = Ttft()
    assert known.expected == UNKNOWN_S
    known.observe(0.1, 0)
    assert known.expected == 0.1
    known.observe(2.0, 10)
    assert known.expected == 2.0
    known.observe(0.1, 30)
    assert 1.5 < known.expected < 1.9
    known.observe(0.1, 630)
    assert known.expected < 0.2


def test_one_that_was_not_waited_for_took_at_least_so_long():
    known = Ttft()
    known.observe(0.5, 0)
    known.observe_at_least(0.2, 1)
    assert known.expected == 0.5
    known.observe_at_least(1.5, 2)
    assert known.expected == 1.5
    assert list(known.kept) == [0.5, 0.2, 1.5]


def test_a_hedge_comes_later_than_19_of_20():
    assert hedge_after([n / 200 for n in range(100, 200)]) == pytest.approx(0.97)


def test_before_there_are_twenty_it_is_a_guess():
    assert hedge_after([]) == 0.8
    assert hedge_after([0.1] * 5) == 0.8
    assert hedge_after([0.1] * 20) == 0.25


@given(FIGURES)
def test_a_hedge_is_never_early_nor_late(figures: list[float]):
    assert 0.25 <= hedge_after(figures) <= 1.5


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1000)), min_size=1))
def test_what_is_expected_lies_among_what_was_seen(seen: list[tuple[float, float]]):
    known, now = Ttft(), 0.0
    for seconds, wait in seen:
        now += wait
        known.observe(seconds, now)
    figures = [seconds for seconds, _ in seen]
    assert min(figures) - 1e-9 <= known.expected <= max(figures) + 1e-9
