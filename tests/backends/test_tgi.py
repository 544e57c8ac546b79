"""TGI's own protocol, over a fake that answers and refuses as its router does."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestServer

from cmdai_shell.backends.auto import AutoServer
from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.tgi import TgiServer
from cmdai_shell.core import Endpoint, Prompt
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendRejected,
    BackendUnavailable,
    ConfigError,
)
from tests.backends.contract import SCHEMA, ServerContract, api_key
from tests.contracts import collect
from tests.fakes.fake_tgi import FakeTgi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROMPT = Prompt(system="You are a shell.", user="list files", stop=("\n\n", "\n```"))
SECRET = "hf_a-secret-that-nobody-sees"


@asynccontextmanager
async def serving(fake: FakeTgi, key: str = "", **labels: str) -> AsyncIterator[TgiServer]:
    auth = api_key("TGI_KEY", environ={"TGI_KEY": key}) if key else None
    settings = Settings(auth=auth) if auth else Settings()
    async with TestServer(fake.app()) as server:
        url = str(server.make_url("/")).rstrip("/")
        backend = TgiServer(Endpoint(id="lab/tgi", url=url, labels=labels), settings)
        try:
            yield backend
        finally:
            await backend.aclose()


class TestContract(ServerContract):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[TgiServer]:
        async with serving(FakeTgi()) as backend:
            yield backend


class TestFoundByAsking(ServerContract):
    """With kind ``auto``, and a path that belongs to another API."""

    @pytest.fixture
    async def backend(self) -> AsyncIterator[AutoServer]:
        async with TestServer(FakeTgi().app()) as server:
            backend = AutoServer(Endpoint(id="tgi", url=str(server.make_url("/v1"))), Settings())
            yield backend
            await backend.aclose()


async def test_identify():
    async with serving(FakeTgi()) as backend:
        probe = await backend.identify(5)
        assert (probe.kind, probe.version) == ("tgi", "3.3.6")
        assert probe.models == ("Qwen/Qwen2.5-Coder-7B-Instruct",)
        assert backend.abilities == {"schema", "large"}


async def test_handshake_computes():
    fake = FakeTgi()
    async with serving(fake) as backend:
        found = await backend.handshake(5)
    assert (found.state, found.tokens > 0) == ("ok", True)
    assert [step.name for step in found.steps][:3] == ["connect", "identify", "model"]
    assert all("list" not in sent["inputs"] for sent in fake.requests)


async def test_what_is_posted():
    fake = FakeTgi()
    async with serving(fake) as backend:
        assert await collect(backend, PROMPT) == "ls -la"
        warm = replace(PROMPT, temperature=0.7, seed=3)
        assert await collect(backend, warm) == "ls -la"
    plain, drawn = (sent["parameters"] for sent in fake.requests)
    assert plain == {
        "max_new_tokens": 96,
        "do_sample": False,
        "return_full_text": False,
        "details": True,
        "stop": ["<|im_end|>", "\n\n", "\n```", "<|endoftext|>"],
    }
    assert (drawn["do_sample"], drawn["temperature"], drawn["seed"]) == (True, 0.7, 3)
    assert fake.requests[0]["inputs"].endswith("list files<|im_end|>\n<|im_start|>assistant\n")


async def test_family_by_its_model_and_as_configured():
    fake = FakeTgi(model_id="google/gemma-3-27b-it")
    async with serving(fake) as backend:
        await collect(backend, PROMPT)
    async with serving(fake, chat_template="llama3") as backend:
        await collect(backend, PROMPT)
    assert "<start_of_turn>user" in fake.requests[0]["inputs"]
    assert "<|start_header_id|>user" in fake.requests[1]["inputs"]


async def test_unknown_family_shows_at_once():
    with pytest.raises(ConfigError):
        TgiServer(Endpoint(id="a", url="http://a", labels={"chat_template": "x"}), Settings())


async def test_grammar_holds_the_answer_to_a_schema():
    fake = FakeTgi()
    async with serving(fake) as backend:
        assert await collect(backend, replace(PROMPT, schema=SCHEMA)) == '{"command": "ls -la"}'
    grammar = {"type": "json", "value": json.loads(SCHEMA)}
    assert fake.requests[0]["parameters"]["grammar"] == grammar


async def test_without_grammar_support_it_is_asked_without_from_then_on():
    fake = FakeTgi(has_grammar=False)
    async with serving(fake) as backend:
        for _ in range(2):
            assert await collect(backend, replace(PROMPT, schema=SCHEMA)) == "ls -la"
        assert "schema" not in backend.abilities
    assert ["grammar" in sent["parameters"] for sent in fake.requests] == [True, False, False]


async def test_a_grammar_that_is_ignored_is_no_ability():
    async with serving(FakeTgi(keeps_to_grammar=False)) as backend:
        await collect(backend, replace(PROMPT, schema=SCHEMA))
        assert "schema" not in backend.abilities


async def test_a_server_that_does_not_stop_is_cut_and_let_go():
    fake = FakeTgi(ignores_stop=True, token_s=0.01)
    async with serving(fake) as backend:
        assert await collect(backend, PROMPT) == "ls -la"


async def test_the_connection_is_used_again():
    async with serving(FakeTgi()) as backend:
        await collect(backend, PROMPT)
        assert backend.is_warm


async def test_closing_reaches_the_server():
    fake = FakeTgi()
    async with serving(fake) as backend:
        async with aclosing(backend.stream(replace(PROMPT, user="hang"), 30)) as pieces:
            assert await anext(pieces)
        await asyncio.wait_for(fake.left.wait(), 5)


async def test_queue():
    async with serving(FakeTgi(queue=3)) as backend:
        load = await backend.load(5)
    assert (load.waiting, load.running, load.generated) == (3, 2, None)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ("overloaded", BackendBusy, "Model is overloaded"),
        ("late error", BackendUnavailable, "Request failed during generation"),
        ("x" * 20_000, BackendRejected, "must be <= 4096"),
    ],
)
async def test_errors_inside_the_stream(asked: str, error: type[Exception], words: str):
    async with serving(FakeTgi()) as backend:
        with pytest.raises(error, match=words):
            await collect(backend, replace(PROMPT, user=asked))


async def test_no_key_a_wrong_key_and_the_right_one():
    fake = FakeTgi(api_key=SECRET)
    async with serving(fake) as backend:
        with pytest.raises(BackendDenied):
            await collect(backend, PROMPT)
        assert (await backend.handshake(5)).state == "login"
    async with serving(fake, key="hf_another-one") as backend:
        with pytest.raises(BackendDenied) as caught:
            await collect(backend, PROMPT)
        assert "another-one" not in str(caught.value)
    async with serving(fake, key=SECRET) as backend:
        assert await collect(backend, PROMPT) == "ls -la"
        assert SECRET not in repr(backend) + repr(backend.client)


async def test_another_model_than_the_one_that_is_wanted():
    async with TestServer(FakeTgi().app()) as server:
        url = str(server.make_url("/")).rstrip("/")
        backend = TgiServer(Endpoint(id="lab", url=url, model="llama-70b"), Settings())
        assert (await backend.handshake(5)).state == "no-model"
        await backend.aclose()
