"""The order of SRV records, by chance and by rule."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.discovery.rfc2782 import Record, order, ranks

DRAWS = 10_000


def records(*weights: int, priority: int = 10) -> list[Record]:
    return [Record(priority, weight, 8000, f"h{i}.") for i, weight in enumerate(weights)]


def firsts(given: list[Record]) -> Counter[str]:
    random = Random(2782).random
    return Counter(order(given, random)[0].target for _ in range(DRAWS))


@pytest.mark.parametrize("weights", [(60, 40), (1, 1), (3, 1), (10, 20, 70), (65535, 65535), (5,)])
def test_each_is_first_as_often_as_its_weight_says(weights: tuple[int, ...]):
    found, total = firsts(records(*weights)), sum(weights)
    squares = [
        (found[f"h{i}."] - DRAWS * weight / total) ** 2 / (DRAWS * weight / total)
        for i, weight in enumerate(weights)
    ]
    assert sum(squares) < 13.8  # chi-square, two degrees of freedom, one in a thousand


def test_the_second_follows_the_same_rule():
    random = Random(1).random
    drawn = [order(records(50, 30, 20), random) for _ in range(DRAWS)]
    after_first = [found[1].target for found in drawn if found[0].target == "h0."]
    assert Counter(after_first)["h1."] / len(after_first) == pytest.approx(0.6, abs=0.03)


def test_weight_0_has_a_very_small_chance_and_without_other_weights_the_same_as_all():
    assert 0 < firsts(records(0, 99))["h0."] < 0.02 * DRAWS
    equal = firsts(records(0, 0, 0, 0))
    assert all(abs(equal[f"h{i}."] - DRAWS / 4) < 200 for i in range(4))


@given(
    st.lists(
        st.builds(
            Record,
            st.integers(0, 3),
            st.integers(0, 65535),
            st.integers(0, 65535),
            st.sampled_from(["a.", "b.", "."]),
        ),
        max_size=12,
    ),
    st.integers(),
)
def test_all_are_there_better_priorities_first(given: list[Record], seed: int):
    found = order(given, Random(seed).random)
    assert sorted(found) == sorted(given)
    priorities = [record.priority for record in found]
    assert priorities == sorted(priorities)
    assert found == order(reversed(given), Random(seed).random)  # the server's order is no matter


@pytest.mark.parametrize("number", [0.0, 1 - 2**-53])
@pytest.mark.parametrize("weights", [(0,), (0, 0), (0, 1), (1,), (65535, 0, 1), (7, 8)])
def test_the_ends_of_chance(number: float, weights: tuple[int, ...]):
    assert len(order(records(*weights), lambda: number)) == len(weights)


def test_ranks():
    given = [*records(1, 1, priority=20), *records(1, priority=7), *records(1, priority=900)]
    assert ranks(given) == {7: 0, 20: 1, 900: 2}


@pytest.mark.parametrize("port", [0, 1])
def test_no_service(port: int):
    assert Record(0, 0, port, ".").is_denial
    assert not Record(0, 0, port, "a.").is_denial
