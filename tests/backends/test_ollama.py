"""Ollama by its own API."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestServer

from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.ollama import OllamaServer
from cmdai_shell.core import Endpoint
from cmdai_shell.errors import BackendBusy, BackendUnavailable, ModelMissing
from tests.backends.contract import PROMPT, ServerContract
from tests.contracts import collect
from tests.fakes.ollama_server import FakeOllama
from tests.fakes.raw_server import CLOSE, raw, unsized_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes.raw_server import Answer

SCHEMA = json.dumps({"type": "object", "required": ["command"]})


@asynccontextmanager
async def serving(fake: FakeOllama, model: str = "", path: str = "") -> AsyncIterator[OllamaServer]:
    async with TestServer(fake.app()) as server:
        url = str(server.make_url("/")).rstrip("/") + path
        endpoint = Endpoint(id="lab/ollama", url=url, kind="ollama", model=model)
        backend = OllamaServer(endpoint, Settings())
        try:
            yield backend
        finally:
            await backend.aclose()


class TestContract(ServerContract):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[OllamaServer]:
        async with serving(FakeOllama()) as backend:
            yield backend


@pytest.mark.parametrize("path", ["", "/v1"])
async def test_what_is_posted(path: str) -> None:
    fake = FakeOllama()
    async with serving(fake, path=path) as backend:
        assert await collect(backend, replace(PROMPT, temperature=0.5, seed=3)) == "ls -la"
    (sent,) = fake.requests
    assert sent["options"] == {"temperature": 0.5, "num_predict": 96, "seed": 3, "stop": ["\n\n"]}
    assert (sent["think"], sent["keep_alive"], sent["stream"]) == (False, "30m", True)


async def test_identify() -> None:
    async with serving(FakeOllama()) as backend:
        probe = await backend.identify(5)
        assert (probe.kind, probe.version) == ("ollama", "0.12.6")
        assert probe.models == ("qwen2.5-coder:7b",)
        assert backend.abilities == {"large", "schema"}
    async with serving(FakeOllama(models=("qwen2.5-coder",), size="1.5B")) as backend:
        await backend.identify(5)
        assert backend.abilities == {"schema"}


async def test_a_schema_that_is_ignored_is_no_ability() -> None:
    fake = FakeOllama(holds_schema=False)
    async with serving(fake) as backend:
        for _ in range(2):
            assert await collect(backend, replace(PROMPT, schema=SCHEMA)) == "ls -la"
        assert "schema" not in backend.abilities
    assert ["format" in sent for sent in fake.requests] == [True, False]


async def test_a_model_that_cannot_think() -> None:
    fake = FakeOllama(takes_think=False)
    async with serving(fake) as backend:
        for _ in range(2):
            assert await collect(backend, PROMPT) == "ls -la"
    assert ["think" in sent for sent in fake.requests] == [True, False, False]


async def test_busy() -> None:
    async with serving(FakeOllama(is_busy=True)) as backend:
        with pytest.raises(BackendBusy, match="server busy"):
            await collect(backend, PROMPT)


async def test_an_error_in_mid_answer() -> None:
    async with serving(FakeOllama()) as backend:
        with pytest.raises(BackendUnavailable, match="error was encountered"):
            await collect(backend, replace(PROMPT, user="late error"))


async def test_an_answer_whose_end_does_not_come() -> None:
    line = json.dumps({"message": {"content": "rm -rf ./"}}).encode() + b"\n"
    cut: Answer = [unsized_head("application/x-ndjson"), line, CLOSE]
    async with raw([cut]) as server:
        backend = OllamaServer(Endpoint(id="o", url=server.url, model="m:7b"), Settings())
        with pytest.raises(BackendUnavailable, match="mid-answer") as caught:
            await collect(backend, PROMPT)
        await backend.aclose()
    assert caught.value.cause == "reset"


async def test_a_model_that_is_not_there() -> None:
    fake = FakeOllama()
    async with serving(fake, model="coder") as backend:
        assert await collect(backend, PROMPT) == "ls -la"
        assert backend.model == "qwen2.5-coder:7b"
        fake.models = ("llama3.2",)
        with pytest.raises(ModelMissing, match=r"llama3\.2") as caught:
            await collect(backend, PROMPT)
        assert caught.value.hint == "ollama pull coder"
        assert (await backend.handshake(5)).state == "no-model"


async def test_closing_reaches_the_server() -> None:
    fake = FakeOllama()
    async with serving(fake) as backend:
        async with aclosing(backend.stream(replace(PROMPT, user="hang"), 30)) as pieces:  # type: ignore[type-var]
            assert await anext(pieces)
        await asyncio.wait_for(fake.left.wait(), 5)
