"""Sources that fail, end and come back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf

import pytest

from cmdai_shell.core import Added, Removed
from cmdai_shell.discovery.watching import AGAIN_LONGEST_S, Watcher
from cmdai_shell.errors import DiscoveryError
from tests.fakes.scripted_source import ScriptedSource, there
from tests.fakes.virtual_loop import run

MUTE = DiscoveryError("no multicast here", "cmdai-shell doctor")


def watched(seconds: float, *sources: ScriptedSource) -> tuple[Watcher, list[tuple[str, str]]]:
    """What is heard in so many seconds."""
    heard: list[tuple[str, str]] = []

    def hear(name: str, said: Added | Removed) -> None:
        heard.append((name, said.endpoint.id if isinstance(said, Added) else f"-{said.id}"))

    async def live() -> Watcher:
        watcher = Watcher(
            sources, hear=hear, clock=asyncio.get_running_loop().time, random=lambda: 0.5
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await watcher.run()
        return watcher

    return run(live()), heard


def test_what_each_says_is_heard_with_its_name():
    one = ScriptedSource("mdns", [there("a"), 1.0, Removed(id="a"), inf])
    other = ScriptedSource("dns", [0.5, there("b"), inf])
    watcher, heard = watched(5, one, other)
    assert heard == [("mdns", "a"), ("dns", "b"), ("mdns", "-a")]
    assert [(w.state, sorted(w.known)) for w in watcher.watched] == [
        ("listening", []),
        ("listening", ["b"]),
    ]
    assert (one.closed, other.closed) == (1, 1)


def test_two_of_one_name_can_be_told_apart():
    _, heard = watched(1, *[ScriptedSource("mdns", [there("a"), inf]) for _ in range(2)])
    assert heard == [("mdns", "a"), ("mdns:2", "a")]


def test_a_source_that_fails_is_begun_again_and_the_others_go_on():
    bad = ScriptedSource("mdns", [MUTE], [MUTE], [there("a"), inf])
    good = ScriptedSource("dns", [2.0, there("b"), inf])
    watcher, heard = watched(10, bad, good)
    assert heard == [("dns", "b"), ("mdns", "a")]
    assert bad.begun == 3
    assert watcher.watched[0].state == "listening"


def test_the_pause_doubles_up_to_a_minute():
    bad = ScriptedSource("mdns", [MUTE])
    watcher, _ = watched(1 + 2 + 4 + 8 + 16 + 32 + 3 * AGAIN_LONGEST_S + 1, bad)
    assert bad.begun == 10
    one = watcher.watched[0]
    assert (one.state, one.problem, one.hint) == ("failed", MUTE.message, MUTE.hint)


def test_who_went_on_for_long_is_not_punished():
    bad = ScriptedSource("dns", *([[MUTE]] * 6), [100.0, MUTE], [there("a"), inf])
    watched(1 + 2 + 4 + 8 + 16 + 32 + 100 + 1.5, bad)
    assert bad.begun == 8


@pytest.mark.parametrize("turn", [[there("a")], [there("a"), RuntimeError("a bug")]])
def test_neither_an_end_nor_a_bug_of_a_source_is_the_end(turn: list[object]):
    bad = ScriptedSource("mdns", turn, [there("b"), inf])
    watcher, heard = watched(3, bad)
    assert heard == [("mdns", "a"), ("mdns", "b")]
    assert watcher.watched[0].known == {"a", "b"}  # nobody has said that a has gone


def test_it_is_logged_once_not_at_each_try(caplog: pytest.LogCaptureFixture):
    watched(100, ScriptedSource("mdns", [MUTE]))
    assert len([r for r in caplog.records if r.message == "no discovery"]) == 1
