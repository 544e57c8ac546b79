"""What extra requests may cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.routing.budget import Budget, hedges, retries


def test_hedges_three_at_once_then_one_in_twenty():
    budget = hedges(5)
    assert [budget.spend(0) for _ in range(4)] == [True, True, True, False]
    spent = 0
    for _ in range(200):
        budget.earn()
        spent += budget.spend(0)
    assert spent == 10


def test_none_where_none_are_wanted():
    budget = hedges(0)
    budget.earn()
    assert not budget.spend(0)


def test_retries_of_an_outage_for_fifty_shells():
    budget = retries()
    assert all(budget.spend(0) for _ in range(100))
    assert not budget.spend(0)
    assert budget.spend(0.5)


@given(
    st.floats(0, 1),
    st.integers(0, 10),
    st.lists(st.booleans(), max_size=300),
)
def test_never_more_than_its_share(share: float, burst: int, events: list[bool]):
    budget, earned, spent = Budget(share, burst), 0, 0
    for is_request in events:
        if is_request:
            budget.earn()
            earned += 1
        else:
            spent += budget.spend(0)
    assert spent <= burst + share * earned + 1e-6
