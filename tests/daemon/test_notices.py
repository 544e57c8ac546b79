"""Each is told once, and strangers do not fill the prompt."""

from __future__ import annotations

import pytest

from cmdai_shell.core import Endpoint
from cmdai_shell.daemon import wording
from cmdai_shell.daemon.notices import STRANGERS_EVERY_S, Notices
from cmdai_shell.discovery.candidate import Candidate, State


def found(name: str, state: State = "candidate") -> Candidate:
    endpoint = Endpoint(id=name, url=f"http://{name}")
    return Candidate(name=name, endpoint=endpoint, state=state, sources=("mdns",))


def test_who_announces_one_more_at_each_press_is_told_of_seldom():
    now = 0.0
    notices = Notices(lambda: now)
    told = []
    for number in range(1_000):
        now = number * 5.0
        notices.waiting = (*notices.waiting[-20:], found(f"10.0.0.{number}:8000"))
        told.append(notices.next())
    assert len([line for line in told if line]) <= 5_000 / STRANGERS_EVERY_S + 1
    assert told[0] == "found 10.0.0.0:8000: the key on an empty line offers it"


def test_what_became_of_a_trusted_one_does_not_wait_for_strangers():
    notices = Notices(lambda: 0.0)
    notices.waiting = (found("10.0.0.1:8000"),)
    assert notices.next()
    notices.waiting = (found("spark:8000", "changed"), *notices.waiting)
    assert "spark:8000 is not what you trusted" in notices.next()
    assert notices.next() == ""


def test_what_was_decided_and_changes_again_is_news_again():
    notices = Notices(lambda: 0.0)
    notices.waiting = (found("spark:8000", "changed"),)
    assert notices.next()
    notices.decided("spark:8000")
    assert notices.next()


@pytest.mark.parametrize("state", ["candidate", "changed", "moved"])
@pytest.mark.parametrize("name", ["desk", "gx10-0123456789abcdef0123456789:8000"])
def test_what_to_do_is_in_a_line_of_80_columns_however_long_the_name_is(name: str, state: State):
    notices = Notices(lambda: 0.0)
    notices.waiting = (found(name, state),)
    news = notices.next()
    assert wording.cells(news) < 80
    assert "the key on an empty line" in news
    offer = notices.offer()
    assert offer is not None
    assert "Enter" in wording.message(offer, 80, "kubernetes")
