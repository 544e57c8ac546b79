"""The circuit breaker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.routing.breaker import LONGEST_S, Breaker


def breaker(**options: int) -> Breaker:
    return Breaker(random=lambda: 0.0, **options)


@pytest.mark.parametrize("cause", ["refused", "dns", "tls", "wedge"])
def test_what_is_certain_opens_at_once(cause: str):
    one = breaker()
    one.fail(0, cause)
    assert one.state == "open"


@pytest.mark.parametrize("cause", ["timeout", "reset", "stall", "status", "garbage"])
def test_the_third_failure_in_a_row_opens(cause: str):
    one = breaker()
    one.fail(0, cause)
    one.fail(1, cause)
    one.succeed(2)
    one.fail(3, cause)
    one.fail(4, cause)
    assert one.state == "closed"
    one.fail(5, cause)
    assert one.state == "open"


def test_a_trial_each_time_twice_as_late_up_to_a_minute():
    one, now, waits = breaker(), 0.0, []
    one.fail(now, "refused")
    for _ in range(9):
        waits.append(one.retry_at - now)
        now = one.retry_at
        assert one.begin_trial(now)
        one.fail(now, "status")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_half_of_the_wait_is_chance():
    one = Breaker(random=lambda: 1.0)
    one.fail(10, "refused")
    assert one.retry_at == 10.5


def test_a_trial_that_succeeds_closes_and_all_is_forgotten():
    one = breaker()
    one.fail(0, "refused")
    one.begin_trial(1)
    one.fail(1, "refused")
    one.begin_trial(3)
    assert one.succeed(3)
    one.fail(4, "status")
    assert one.state == "closed"
    one.fail(4, "refused")
    assert one.retry_at == 5


def test_it_may_need_more_than_one():
    one = breaker(successes=2)
    one.fail(0, "refused")
    one.begin_trial(1)
    assert not one.succeed(1)
    assert one.begin_trial(1)
    assert one.succeed(1)


def test_a_cancelled_trial_proves_nothing():
    one = breaker()
    one.fail(0, "refused")
    assert one.begin_trial(1)
    assert not one.begin_trial(1)
    one.cancel_trial()
    assert one.begin_trial(1)


def test_fifty_failures_of_one_outage_are_one():
    one = breaker()
    for n in range(50):
        one.fail(n / 100, "refused")
    assert one.retry_at == 1


EVENTS = st.lists(
    st.tuples(
        st.floats(0, 20),
        st.sampled_from(["refused", "status", "stall", "ok", "trial", "cancel"]),
    ),
    max_size=60,
)


@given(EVENTS, st.floats(0, 1))
def test_whatever_happens(events: list[tuple[float, str]], chance: float):
    """It is never open for longer than a minute without a trial, no two trials run at once, and
    an answer always closes it."""
    one, now, trials = Breaker(random=lambda: chance), 0.0, 0
    for wait, event in events:
        now += wait
        if event == "trial":
            before = one.state
            begun = one.begin_trial(now)
            assert not (begun and before != "open")
            trials += begun
        elif event == "cancel":
            one.cancel_trial()
        elif event == "ok":
            one.succeed(now)
            assert one.state == "closed"
        else:
            one.fail(now, event)
        if one.state == "open":
            assert one.retry_at <= now + LONGEST_S
