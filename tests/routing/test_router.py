"""The failover loop, with scripted members."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from cmdai_shell.core import Abilities, Completion, Notice, Prompt
from cmdai_shell.errors import BackendUnavailable, ModelUnavailable, NoBackendAvailable
from cmdai_shell.routing import Router
from tests.fakes.scripted_backend import Script, ScriptedBackend

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ASK = Prompt(system="", user="go")


def member(name: str, *steps: object) -> ScriptedBackend:
    return ScriptedBackend(cast("Script", {"go": list(steps)}), name=name)


async def answer(router: Router, seconds: float = 5) -> tuple[list[str | Notice], Completion]:
    pieces = [piece async for piece in router.complete(ASK, seconds)]
    assert isinstance(pieces[-1], Completion)
    return cast("list[str | Notice]", pieces[:-1]), pieces[-1]


async def test_streams_deltas_and_ends_with_the_whole():
    router = Router([member("one", "ls", Notice(text="busy"), " -la")], clock=time.monotonic)
    pieces, whole = await answer(router)
    assert pieces == ["ls", Notice(text="busy"), " -la"]
    assert (whole.text, whole.backend, whole.model) == ("ls -la", "one", "scripted-model")
    assert whole.tokens == 2
    assert not whole.is_fallback
    assert whole.attempts == ()
    assert 0 <= whole.ttft <= whole.elapsed


async def test_the_next_member_answers_and_the_failure_is_recorded():
    router = Router(
        [member("one", BackendUnavailable("refused")), member("two", "pwd")], clock=time.monotonic
    )
    pieces, whole = await answer(router)
    assert (pieces, whole.text, whole.backend) == (["pwd"], "pwd", "two")
    assert whole.attempts == ("one: refused",)
    assert whole.is_fallback


async def test_deltas_are_one_members_only():
    first = member("one", "rm", BackendUnavailable("cut"))
    router = Router([first, member("two", "ls -l")], clock=time.monotonic)
    pieces, whole = await answer(router)
    assert pieces == ["rm"]
    assert whole.text == "ls -l"


async def test_each_member_is_asked_in_its_own_form():
    script: Script = {"go": ["pwd"], "do": [BackendUnavailable("refused")]}
    large = ScriptedBackend(script, name="large", abilities=frozenset({"large", "schema"}))
    small = ScriptedBackend(script, name="small")
    made = []

    def rich(abilities: Abilities) -> Prompt:
        made.append(abilities)
        return Prompt(system="much", user="do", schema="{}", n=4)

    router = Router([large, small], clock=time.monotonic)
    pieces = [piece async for piece in router.complete(replace(ASK, rich=rich), 5)]
    assert made == [{"large", "schema"}]
    assert large.prompts == [Prompt(system="much", user="do", schema="{}", n=4)]
    assert small.prompts == [ASK]
    assert small.prompts[0].rich is None
    whole = cast("Completion", pieces[-1])
    assert (whole.backend, whole.abilities, whole.is_fallback) == ("small", frozenset(), True)


async def test_the_rich_form_is_not_made_for_a_small_member():
    def rich(abilities: Abilities) -> Prompt:
        raise AssertionError(abilities)

    small = ScriptedBackend({"go": ["pwd"]}, abilities=frozenset({"schema"}))
    router = Router([small], clock=time.monotonic)
    pieces = [piece async for piece in router.complete(replace(ASK, rich=rich), 5)]
    assert pieces[0] == "pwd"


async def test_the_answer_says_what_its_backend_can():
    large = ScriptedBackend({"go": ["pwd"]}, abilities=frozenset({"large"}))
    _, whole = await answer(Router([large], clock=time.monotonic))
    assert whole.abilities == {"large"}
    assert large.prompts == [ASK]


async def test_an_empty_answer_is_a_failure():
    router = Router([member("one", " \n"), member("two", "pwd")], clock=time.monotonic)
    _, whole = await answer(router)
    assert whole.attempts == ("one: the answer was empty",)


async def test_all_failed():
    router = Router(
        [member("one", BackendUnavailable("refused")), member("two", ModelUnavailable("no file"))],
        clock=time.monotonic,
    )
    with pytest.raises(NoBackendAvailable) as caught:
        await answer(router)
    assert caught.value.attempts == ("one: refused", "two: no file")
    assert caught.value.hint


async def test_no_member():
    with pytest.raises(NoBackendAvailable, match="no backend is configured"):
        await answer(Router([], clock=time.monotonic))


async def test_the_only_member_without_a_model_says_so_itself():
    error = ModelUnavailable("no model", hint="cmdai-shell model pull")
    with pytest.raises(ModelUnavailable) as caught:
        await answer(Router([member("embedded", error)], clock=time.monotonic))
    assert caught.value is error


async def test_the_deadline_is_for_all_members_together():
    slow = member("slow", float("inf"))
    router = Router([slow, member("two", "pwd")], clock=time.monotonic)
    with pytest.raises(NoBackendAvailable, match=r"slow: no answer within 0\.05 s"):
        await answer(router, 0.05)
    assert slow.cancelled == 1


async def test_a_stream_that_stops_half_way_is_late_too():
    router = Router([member("slow", "ls", float("inf"))], clock=time.monotonic)
    with pytest.raises(NoBackendAvailable, match="no answer within"):
        await answer(router, 0.05)


async def test_a_member_that_is_late_because_it_is_not_ready_says_what_it_was_doing():
    notice = Notice(text="reading the instructions, 97 %, 29.8 s")
    backend = member("embedded", notice, float("inf"))
    backend.title = "the model"
    with pytest.raises(NoBackendAvailable) as caught:
        await answer(Router([backend], clock=time.monotonic), 0.05)
    assert str(caught.value) == (
        "the model: not ready yet (reading the instructions, 97 %): press again in a moment"
    )


async def test_closing_cancels_the_backend():
    hung = member("hung", "ls", float("inf"))
    stream = cast(
        "AsyncGenerator[object, None]", Router([hung], clock=time.monotonic).complete(ASK, 5)
    )
    assert await anext(stream) == "ls"
    await stream.aclose()
    assert hung.cancelled == 1


async def test_cancelling_the_task_cancels_the_backend():
    hung = member("hung", float("inf"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await answer(Router([hung], clock=time.monotonic))
    assert hung.cancelled == 1


async def test_an_endless_answer_is_cut_off():
    flood = member("flood", *["x" * 1000] * 1000)
    _, whole = await answer(Router([flood], clock=time.monotonic))
    assert len(whole.text) < 10_000
    assert flood.cancelled == 1
