"""Triton's three model shapes, over a fake; test_triton_real runs the same on the real server."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.backends.auto import AutoServer
from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.triton import TritonServer
from cmdai_shell.core import Endpoint, Load
from cmdai_shell.errors import (
    BackendDenied,
    BackendUnavailable,
    ConfigError,
    ModelMissing,
)
from tests.backends.contract import PROMPT, SCHEMA, ServerContract, api_key
from tests.contracts import collect
from tests.fakes.fake_triton import FakeTriton, Running
from tests.fakes.raw_server import CLOSE, http, raw, unsized_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODELS = ["vllm_model", "older_vllm", "ensemble", "llmapi"]
STREAMING = ["vllm_model", "llmapi"]


@asynccontextmanager
async def connected(triton: Any, model: str = "", key: str = "") -> AsyncIterator[TritonServer]:
    labels = {"metrics_port": str(triton.metrics_port)}
    endpoint = Endpoint(id="lab/triton", url=triton.url, model=model, labels=labels)
    settings = Settings()
    if key:
        settings = Settings(auth=api_key("TRITON_KEY", environ={"TRITON_KEY": key}))
    backend = TritonServer(endpoint, settings)
    try:
        yield backend
    finally:
        await backend.aclose()


class TritonCases:
    """What a server with the models of tests/fakes/triton_server has to do; ``triton`` is it."""

    async def test_identify(self, triton: Any):
        async with connected(triton) as backend:
            probe = await backend.identify(5)
        assert (probe.kind, probe.version) == ("triton", "2.51.0")
        assert set(probe.models) == set(MODELS)
        assert backend.model == "ensemble"

    @pytest.mark.parametrize("model", MODELS)
    async def test_handshake_computes(self, triton: Any, model: str):
        async with connected(triton, model) as backend:
            found = await backend.handshake(10)
        assert (found.state, found.detail) == ("ok", "")

    @pytest.mark.parametrize("model", MODELS)
    async def test_answer_without_prompt_and_stop_word(self, triton: Any, model: str):
        async with connected(triton, model) as backend:
            assert await collect(backend, PROMPT) == "ls -la"

    @pytest.mark.parametrize("model", STREAMING)
    async def test_it_comes_in_pieces(self, triton: Any, model: str):
        async with connected(triton, model) as backend:
            pieces = [piece async for piece in backend.stream(PROMPT, 10)]
        assert pieces == ["ls", " -la"]

    async def test_what_the_models_saw(self, triton: Any):
        async with connected(triton, "ensemble") as backend:
            await collect(backend, PROMPT)
        seen = triton.seen("ensemble")
        assert seen["text"].endswith("list files<|im_end|>\n<|im_start|>assistant\n")
        assert seen["stop"][:2] == ["<|im_end|>", "\n\n"]
        assert seen["top_k"] == 1
        async with connected(triton, "vllm_model") as backend:
            await collect(backend, replace(PROMPT, temperature=0.5, seed=7))
        seen = triton.seen("vllm")
        assert (seen["stream"], seen["parameters"]["seed"]) == (True, 7)

    @pytest.mark.parametrize("model", ["vllm_model", "older_vllm", "ensemble"])
    async def test_schema(self, triton: Any, model: str):
        async with connected(triton, model) as backend:
            for _ in range(2):
                text = await collect(backend, replace(PROMPT, schema=SCHEMA))
                assert json.loads(text) == {"command": "ls -la"}
            assert "schema" in backend.abilities
            assert (
                backend.guides[0]
                == {
                    "vllm_model": "structured_outputs",
                    "older_vllm": "guided_decoding",
                    "ensemble": "guide",
                }[model]
            )

    async def test_a_model_without_guides_has_no_schema(self, triton: Any):
        async with connected(triton, "llmapi") as backend:
            assert await collect(backend, replace(PROMPT, schema=SCHEMA)) == "ls -la"
            assert "schema" not in backend.abilities

    @pytest.mark.parametrize("model", STREAMING)
    async def test_closing_reaches_the_model(self, triton: Any, model: str):
        async with connected(triton, model) as backend:
            stream = backend.stream(replace(PROMPT, user="hang", max_tokens=2000), 30)
            async with aclosing(stream) as pieces:  # type: ignore[type-var]
                assert await anext(pieces)
        async with asyncio.timeout(10):
            while not triton.seen("cancelled"):  # noqa: ASYNC110  another process writes it
                await asyncio.sleep(0.02)

    @pytest.mark.parametrize("model", ["vllm_model", "ensemble"])
    async def test_a_model_that_fails_at_once(self, triton: Any, model: str):
        async with connected(triton, model) as backend:
            with pytest.raises(BackendUnavailable, match="boom: asked for an error"):
                await collect(backend, replace(PROMPT, user="error"))

    async def test_a_model_that_fails_later(self, triton: Any):
        async with connected(triton, "vllm_model") as backend:
            with pytest.raises(BackendUnavailable, match="boom: after a piece"):
                await collect(backend, replace(PROMPT, user="late error"))

    async def test_a_model_that_is_not_there(self, triton: Any):
        async with connected(triton, "llama-70b") as backend:
            with pytest.raises(ModelMissing, match="there is: ensemble"):
                await backend.identify(5)

    async def test_queue(self, triton: Any):
        async with connected(triton) as backend:
            assert (await backend.load(5)).waiting == 0

    async def test_without_its_metrics_port_the_queue_is_unknown(self, triton: Any):
        labels = {"metrics_port": "1"}
        backend = TritonServer(Endpoint(id="t", url=triton.url, labels=labels), Settings())
        assert await backend.load(5) == Load()
        await backend.aclose()


@pytest.fixture
async def triton() -> AsyncIterator[FakeTriton]:
    async with Running(FakeTriton()) as fake:
        yield fake


class TestTriton(TritonCases):
    pass


class TestContract(ServerContract):
    @pytest.fixture
    async def backend(self, triton: FakeTriton) -> AsyncIterator[TritonServer]:
        async with connected(triton, "vllm_model") as backend:
            yield backend


class TestFoundByAsking(ServerContract):
    @pytest.fixture
    async def backend(self, triton: FakeTriton) -> AsyncIterator[AutoServer]:
        endpoint = Endpoint(id="triton", url=triton.url, model="vllm_model")
        backend = AutoServer(endpoint, Settings())
        yield backend
        await backend.aclose()


async def test_while_it_loads():
    fake = FakeTriton(states={"vllm_model": "LOADING"})
    async with Running(fake) as triton, connected(triton) as backend:
        assert (await backend.handshake(5)).state == "loading"
        fake.states["vllm_model"] = "READY"
        assert (await backend.handshake(5)).state == "ok"


async def test_a_model_whose_engine_has_died():
    async with Running(FakeTriton(dead={"ensemble"})) as triton, connected(triton) as backend:
        found = await backend.handshake(5)
    assert (found.state, "not ready" in found.detail) == ("unreachable", True)


async def test_a_model_that_was_unloaded_meanwhile_is_looked_for_anew():
    async with Running(FakeTriton()) as triton, connected(triton) as backend:
        assert await collect(backend, PROMPT) == "ls -la"
        triton.states["ensemble"] = "UNAVAILABLE"
        with pytest.raises(ModelMissing):
            await collect(backend, PROMPT)
        assert await collect(backend, PROMPT) == "ls -la"
        assert backend.model == "llmapi"


async def test_restricted_and_no_key_for_the_metrics_port():
    async with Running(FakeTriton(header="Bearer s3cret-of-triton")) as triton:
        async with connected(triton) as backend:
            with pytest.raises(BackendDenied, match="restricted"):
                await backend.identify(5)
        async with connected(triton, key="s3cret-of-triton") as backend:
            assert await collect(backend, PROMPT) == "ls -la"
            await backend.load(5)
    assert triton.metrics_headers
    assert all("Authorization" not in headers for headers in triton.metrics_headers)


@pytest.mark.parametrize("port", ["x", "0", "70000"])
def test_a_metrics_port_that_is_none(port: str):
    with pytest.raises(ConfigError):
        TritonServer(Endpoint(id="t", url="http://t", labels={"metrics_port": port}), Settings())


async def test_an_answer_of_which_the_end_cannot_be_seen_is_none():
    """Triton's stream has no last event: behind a proxy that gives neither length nor chunks, a
    broken connection would look like the end."""
    config = {"name": "m", "backend": "vllm", "model_transaction_policy": {"decoupled": True}}
    config |= {"input": [{"name": "text_input"}, {"name": "sampling_parameters", "optional": True}]}
    config |= {"output": [{"name": "text_output"}]}
    known = [{"name": "triton"}, [{"name": "m", "state": "READY"}], config, {}]
    answers = [[http(json.dumps(one).encode())] for one in known]
    cut = [unsized_head(), b'data: {"text_output": "rm -rf ./"}\n\n', CLOSE]
    async with raw([*answers, cut]) as server:
        backend = TritonServer(Endpoint(id="t", url=server.url), Settings())
        with pytest.raises(BackendUnavailable, match="mid-answer"):
            await collect(backend, PROMPT)
        await backend.aclose()
