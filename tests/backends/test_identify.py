"""What software answers, and an endpoint that becomes the right adapter by itself."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdai_shell import backends
from cmdai_shell.backends.auto import AutoServer
from cmdai_shell.backends.dialects import DIALECTS
from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.identify import split
from cmdai_shell.core import Endpoint, Load
from cmdai_shell.errors import BackendBusy, BackendDenied, BackendUnavailable, ConfigError
from tests.backends.contract import PROMPT, ServerContract
from tests.contracts import collect
from tests.fakes.fake_tgi import FakeTgi
from tests.fakes.ollama_server import FakeOllama
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.raw_server import http, raw

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

CAPTURES = Path(__file__).parent / "captures"


@asynccontextmanager
async def serving(fake: Any) -> AsyncIterator[AutoServer]:
    async with TestServer(fake.app()) as server:
        url = str(server.make_url("/")).rstrip("/")
        backend = AutoServer(Endpoint(id="lab/gpu", url=url), Settings())
        try:
            yield backend
        finally:
            await backend.aclose()


class TestContract(ServerContract):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[AutoServer]:
        async with serving(FakeOpenAI()) as backend:
            yield backend


@pytest.mark.parametrize(
    ("fake", "kind", "version", "most"),
    [
        (FakeOpenAI("vllm"), "vllm", "0.32.0", 2),
        (FakeOpenAI("sglang"), "sglang", "", 1),
        (FakeOpenAI("trtllm"), "trtllm", "1.0.0", 2),
        (FakeOpenAI("llama.cpp"), "llama.cpp", "b6000-abc", 2),
        (FakeOpenAI("lmstudio"), "lmstudio", "", 1),
        (FakeOpenAI("triton-openai"), "triton-openai", "", 1),
        (FakeOpenAI("nim"), "nim", "1.10.1", 8),
        (FakeOpenAI("ray"), "ray", "", 8),
        (FakeOpenAI("openai"), "openai", "", 9),
        (FakeOpenAI("litellm"), "openai", "", 9),
        (FakeOllama(), "ollama", "0.12.6", 2),
        (FakeTgi(), "tgi", "3.3.6", 4),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_server(fake: Any, kind: str, version: str, most: int) -> None:
    async with serving(fake) as backend:
        await backend._known(5)
        assert backend.endpoint.kind == kind
        if hasattr(fake, "paths"):
            assert len(fake.paths) <= most
        probe = await backend.identify(5)
        assert (probe.kind, probe.version) == (kind, version)
        assert await collect(backend, PROMPT) == "ls -la"


async def test_until_it_is_known_it_can_nothing() -> None:
    async with serving(FakeOpenAI()) as backend:
        assert (backend.model, backend.abilities, await backend.load(1)) == ("", set(), Load())
        assert await collect(backend, PROMPT) == "ls -la"
        assert backend.model
        assert backend.abilities == {"schema", "large"}
        assert (await backend.load(1)).waiting == 3


async def test_a_server_that_became_another() -> None:
    fake = FakeOpenAI("vllm")
    async with TestServer(fake.app()) as server:
        backend = AutoServer(
            Endpoint(id="lab", url=str(server.make_url("")).rstrip("/")), Settings()
        )
        assert (await backend.identify(5)).kind == "vllm"
        host, port = server.host, server.port
    ollama = TestServer(FakeOllama().app(), host=host, port=port)
    await ollama.start_server()
    try:
        await backend.handshake(5)  # once may be chance
        assert (await backend.identify(5)).kind == "ollama"
        assert await collect(backend, PROMPT) == "ls -la"
    finally:
        await ollama.close()
        await backend.aclose()


async def test_a_look_at_another_kind_ends_no_answer() -> None:
    """Two kinds behind one address: a balancer, or an upgrade that rolls."""
    answers, ended = "vllm", asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/models"):
            return web.json_response({"data": [{"id": "m", "owned_by": answers}]})
        if request.method == "GET":
            raise web.HTTPNotFound
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for word in ("ls", " -la"):
            delta = {"choices": [{"delta": {"content": word}}]}
            await stream.write(f"data: {json.dumps(delta)}\n\n".encode())
            await ended.wait()
        await stream.write(b"data: [DONE]\n\n")
        return stream

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        backend = AutoServer(Endpoint(id="lab", url=url), Settings())
        assert (await backend.identify(5)).kind == "vllm"
        pieces = cast("AsyncGenerator[str]", backend.stream(PROMPT, 5))
        said = await anext(pieces)
        seen = []
        for answers in ("sglang", "vllm", "sglang", "sglang", "vllm", "vllm"):  # noqa: B007
            await backend.identify(5)
            seen.append(backend.endpoint.kind)
        ended.set()
        said += "".join([piece async for piece in pieces])
        await backend.aclose()
    assert said == "ls -la"
    assert seen == [*["vllm"] * 3, "sglang", "sglang", "vllm"]  # once may be chance


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(b'{"error":"Unauthorized"}', "401 Unauthorized"), BackendDenied),
        (http(b'{"error":{"message":"Loading model"}}', "503 Service Unavailable"), BackendBusy),
        (http(b"<title>router</title>", "404 Not Found"), BackendUnavailable),
        (http(b"<title>printer</title>"), BackendUnavailable),
    ],
)
async def test_what_is_no_server_or_not_ready(answer: bytes, error: type[Exception]) -> None:
    async with raw([[answer]]) as server:
        backend = AutoServer(Endpoint(id="lab", url=server.url), Settings())
        with pytest.raises(error):
            await backend.identify(2)
        found = await backend.handshake(2)
        assert found.state in ("login", "loading", "unreachable")
        assert found.detail
        assert found.hint
        await backend.aclose()


async def test_an_address_with_a_path_that_is_wrong_is_named_whole() -> None:
    async with raw([[http(b"", "404 Not Found")]]) as server:
        backend = AutoServer(Endpoint(id="lab/gpu:1", url=f"{server.url}/foo"), Settings())
        with pytest.raises(BackendUnavailable, match=f"{server.url}/foo") as caught:
            await backend.identify(2)
        assert "cmdai-shell config edit lab" in caught.value.hint
        await backend.aclose()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://a:8000", ("http://a:8000", "/v1")),
        ("http://a:8000/v1", ("http://a:8000", "/v1")),
        ("https://a/gw/v1", ("https://a/gw", "/v1")),
        ("https://a/gw", ("https://a/gw", "")),
        ("http://a:8000/v1/chat/completions", ("http://a:8000", "/v1")),
        ("http://a:8000/v1/models/", ("http://a:8000", "/v1")),
        ("https://a/gw/chat/completions", ("https://a/gw", "")),
        ("http://a:11434/api/generate", ("http://a:11434", "/v1")),
    ],
)
def test_split(url: str, wanted: tuple[str, str]) -> None:
    assert split(url) == wanted


def test_every_kind_has_its_adapter() -> None:
    for word in backends.REMOTE:
        try:
            backends.load(word)
        except ConfigError as error:
            assert "pip install" in error.hint  # noqa: PT017


# --- the fake is held to what a real one sent


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def is_within(ours: Any, real: Any) -> bool:
    """All that ours has the real one has, of the same type."""
    if isinstance(ours, dict) and isinstance(real, dict):
        return all(key in real and is_within(item, real[key]) for key, item in ours.items())
    if isinstance(ours, list) and isinstance(real, list):
        return not ours or (bool(real) and is_within(ours[0], real[0]))
    return bool(ours == real or real == "NoneType" or ours == "NoneType")


async def test_the_fake_vllm_sends_what_a_real_one_does() -> None:
    real = {
        row["request"]: row
        for row in json.loads((CAPTURES / "vllm-0.32.0-replies.json").read_text())
    }
    events = (CAPTURES / "vllm-0.32.0-stream.sse").read_text().split("\n\n")
    chunks = [json.loads(e.removeprefix("data: ")) for e in events if e.startswith("data: {")]
    async with serving(FakeOpenAI()) as backend:
        client = backend.client
        models = (await client.get("/v1/models", 5)).json()
        assert is_within(shape(models), shape(json.loads(real["-si /v1/models"]["body"])))
        assert (await client.get("/version", 5)).json() == {"version": "0.32.0"}
        body = {
            "model": models["data"][0]["id"],
            "messages": [{"role": "user", "content": "list"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        async with client.open("POST", "/v1/chat/completions", 5, body=body) as answer:
            sent = [event.data async for event in answer.events()]
        wrong = await client.post("/v1/chat/completions", body | {"model": "x"}, 5, any_status=True)
    assert sent.pop() == "[DONE]"
    ours = [json.loads(data) for data in sent]
    places = (0, 1, -2, -1)  # the role, a word, the end, the usage
    for place in places:
        assert is_within(shape(ours[place]), shape(chunks[place])), ours[place]
    seen = next(row for row in real.values() if row["status"] == 404)
    assert is_within(shape(wrong.json()), shape(json.loads(seen["body"])))


def test_a_real_vllm_knows_every_field_that_we_send() -> None:
    known = json.loads((CAPTURES / "vllm-0.32.0-fields.json").read_text())
    form = DIALECTS["vllm"].schema
    assert form
    constrained = form({}, "0.32.0")
    sent = {"model", "messages", "stream", "max_tokens", "temperature", "seed", "stop"}
    sent |= {"stream_options", *DIALECTS["vllm"].extra, *constrained}
    assert sent <= set(known["ChatCompletionRequest"])
    assert set(constrained["structured_outputs"]) <= set(known["StructuredOutputsParams"])
    assert "guided_json" not in known["ChatCompletionRequest"]
