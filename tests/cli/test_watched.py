from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.cli.watched import LOOKS, Watched, changes
from tests.fakes.told_status import member, sight, told

if TYPE_CHECKING:
    from collections.abc import Callable


def first(status: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = status["servers"][0]
    return found


def found(status: dict[str, Any]) -> list[Any]:
    listed: list[Any] = status["discovery"]["found"]
    return listed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: None, []),
        (lambda s: s["servers"].append(member("new")), ["new is a member now"]),
        (lambda s: s["servers"].pop(1), ["desk is no member any longer"]),
        (
            lambda s: first(s).update(state="slow", why="it takes 4 s"),
            ["lab/spark:8000 is slow, was ok: it takes 4 s"],
        ),
        (
            lambda s: first(s).update(breaker="open"),
            ["lab/spark:8000: breaker open, was closed"],
        ),
        (
            lambda s: found(s).append(sight("b:1", "http://10.0.0.1:1")),
            ["found b:1 at http://10.0.0.1:1: candidate"],
        ),
        (lambda s: found(s).pop(), ["old:8443 is not seen any longer"]),
        (
            lambda s: found(s)[2].update(state="approved"),
            ["spark-1a2b:8000 is approved, was candidate"],
        ),
        (
            lambda s: s["discovery"]["sources"][0].update(state="failed", problem="no network"),
            ["mdns is failed: no network"],
        ),
        (
            lambda s: s["environment"].update(active=""),
            ["environment none is in use, before: lab"],
        ),
        (lambda s: s.update(discovery=None), [f"{name} is not seen any longer" for name in ()]),
    ],
)
def test_changes(change: Callable[[dict[str, Any]], object], said: list[str]) -> None:
    before, after = told(), told()
    change(after)
    if after["discovery"] is None:
        before["discovery"] = None
    assert list(changes(before, after)) == said


class TestTheDaemon:
    def test_it_goes_and_comes_back(self) -> None:
        watched = Watched()
        watched.saw(told(), 1)
        for at in (2, 3):
            watched.missed("no daemon is running", "start one", at)
        assert (watched.problem, watched.hint) == ("no daemon is running", "start one")
        watched.saw(told() | {"pid": 2}, 4)
        assert watched.problem == ""
        assert [(e.at, e.text) for e in watched.events] == [
            (2, "no daemon is running"),
            (4, "the daemon is back"),
        ]

    def test_another_one_took_its_place(self) -> None:
        watched = Watched()
        watched.saw(told(), 1)
        watched.saw(told() | {"pid": 2}, 2)
        assert [each.text for each in watched.events] == ["another daemon: process 2"]

    def test_it_was_not_there_from_the_start(self) -> None:
        watched = Watched()
        watched.missed("no daemon is running", "", 1)
        assert watched.status is None
        watched.saw(told(), 2)
        assert watched.problem == ""


class TestLatencies:
    def test_of_each_look_the_newest_last(self) -> None:
        watched = Watched()
        for ttft in (0.1, 0.2, 0.3):
            watched.saw({"servers": [member("a", ttft=ttft)]}, 0)
        assert watched.latencies("a", 2) == [0.2, 0.3]

    def test_none_where_it_could_not_be_asked(self) -> None:
        watched = Watched()
        watched.saw({"servers": [member("a")]}, 0)
        watched.saw({"servers": [member("a", breaker="open")]}, 1)
        watched.missed("gone", "", 2)
        assert watched.latencies("a", 9) == [0.21, 0, 0]

    def test_they_are_bounded_and_go_with_their_member(self) -> None:
        watched = Watched()
        for _ in range(LOOKS + 5):
            watched.saw({"servers": [member("a")]}, 0)
        assert len(watched.latencies("a", 10_000)) == LOOKS
        watched.saw({"servers": []}, 0)
        assert watched.latencies("a", 1) == []


def test_what_is_said_is_one_line() -> None:
    watched = Watched()
    watched.say("a\n\x1b]0;title\x07b" + "c" * 1_000, 0)
    assert watched.events[0].text.startswith("a bccc")
    assert len(watched.events[0].text) < 200
