"""The whole way to a large model, with a real OpenAI-compatible server that holds to schemas.

The model behind it is a small one: what is tested is what travels, not how good the commands are.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import Config
from cmdai_shell.core import Hint, Partial, Prompt, Suggestion, SuggestRequest
from cmdai_shell.errors import BadCompletion
from cmdai_shell.routing import Pool, Router
from cmdai_shell.suggest import Suggester, large
from cmdai_shell.suggest import prompt as prompts
from cmdai_shell.suggest.candidates import read
from cmdai_shell.suggest.context import facts
from tests.contracts import collect
from tests.fakes.chat_server import PROGRAM, ChatBackend, serving
from tests.fakes.dict_look import DictLook
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.served import Served
from tests.models import model_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.core import Backend, Update

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not PROGRAM, reason="llama-server is not installed"),
]
BOTH = frozenset({"large", "schema"})
REQUESTS = ("list the files here with their sizes", "count the lines of notes.md", "today's date")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(model_path("qwen2.5-coder-0.5b")) as url:
        yield url


def suggester(large: Backend, small: Backend | None = None) -> Suggester:
    return Suggester(
        completer=Router(Pool([Served(large)]), small, clock=time.monotonic),
        look=DictLook(),
        config=Config(),
        clock=time.monotonic,
    )


async def press(desk: Suggester, line: str, op: str = "suggest", number: int = 0) -> list[Update]:
    request = SuggestRequest(
        op=op,  # type: ignore[arg-type]
        line=line,
        path="/usr/bin",
        shell_version="5.2",
        alternative=number,
        timeout=200,
    )
    return [update async for update in desk.suggest(request)]


def prompt(line: str, most: int = 4) -> Prompt:
    known = facts(DictLook())
    plain, _ = prompts.build(SuggestRequest(line=line), known, share_cwd=False, context_tokens=2048)
    return large.build(plain, "bash", "5.2", known, BOTH, most=most)


@pytest.mark.parametrize("line", REQUESTS)
async def test_every_answer_is_of_the_schema(url: str, line: str) -> None:
    backend = ChatBackend(url, abilities=BOTH)
    text = await collect(backend, prompt(line), timeout=200)
    found = json.loads(text)
    assert list(found) == ["commands", "question"]
    assert len(found["commands"]) <= 4
    assert all(list(command) == ["command", "explanation"] for command in found["commands"])
    with suppress(BadCompletion):  # neither is asked of so small a model
        assert len(read(text).candidates) <= len(found["commands"])
    assert backend.bodies[0]["response_format"]["json_schema"]["strict"]


async def test_one_request_is_a_press_and_its_known_alternatives(url: str) -> None:
    backend = ChatBackend(url, abilities=BOTH)
    desk = suggester(backend)
    *before, last = await press(desk, REQUESTS[0])
    assert isinstance(last, Suggestion | Hint)
    asked = len(backend.bodies)
    assert asked <= 2
    if isinstance(last, Suggestion):
        for update in before:
            assert isinstance(update, Partial)
            assert "{" not in update.text
        for number, command in enumerate(last.alternatives, 1):
            (found,) = await press(desk, REQUESTS[0], "next", number)
            assert isinstance(found, Suggestion)
            assert found.command == command
        assert len(backend.bodies) == asked


async def test_an_answer_that_ran_out_of_tokens_is_read_as_far_as_it_goes(url: str) -> None:
    backend = ChatBackend(url, abilities=BOTH)
    whole = await collect(backend, prompt(REQUESTS[0]), timeout=200)
    for most in (4, 16, 28):
        asked = replace(prompt(REQUESTS[0]), max_tokens=most)
        text = await collect(backend, asked, timeout=200)
        assert whole.startswith(text)
        try:
            found = read(text)
        except BadCompletion:
            continue
        commands = [candidate.command for candidate in found.candidates]
        assert commands == [it.command for it in read(whole).candidates][: len(commands)]


async def test_the_same_server_as_a_small_model_is_asked_plainly(url: str) -> None:
    backend = ChatBackend(url, abilities=frozenset())
    last = (await press(suggester(backend), REQUESTS[0]))[-1]
    assert isinstance(last, Suggestion)
    assert "response_format" not in backend.bodies[0]
    assert "JSON" not in backend.bodies[0]["messages"][0]["content"]


async def test_a_server_that_is_gone_is_followed_by_the_small_model() -> None:
    gone = ChatBackend("http://127.0.0.1:9", abilities=BOTH)
    small = ScriptedBackend({"sizes": ["ls -l"]})
    last = (await press(suggester(gone, small), REQUESTS[0]))[-1]
    assert isinstance(last, Suggestion)
    assert (last.command, last.is_fallback) == ("ls -l", True)
    assert small.prompts[0].schema == ""
