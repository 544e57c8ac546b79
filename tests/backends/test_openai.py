"""The OpenAI dialect, over fakes of each server that speaks it."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestServer

from cmdai_shell.backends import connect
from cmdai_shell.backends.azure import AzureServer
from cmdai_shell.backends.dialects import DIALECTS, version_of
from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.openai import OpenAIServer
from cmdai_shell.core import Cut, Endpoint, Load, Notice
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendRejected,
    BackendUnavailable,
    BadCompletion,
    ModelMissing,
)
from tests.backends.contract import PROMPT, SCHEMA, ServerContract, api_key
from tests.contracts import collect
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.raw_server import LAST, RESET, chunk, http, raw, stream_head, unsized_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.fakes.raw_server import Answer

ASKED = replace(PROMPT, schema=SCHEMA)
MODEL = "Qwen/Qwen2.5-Coder-7B-Instruct"
SECRET = "sk-a-secret-that-nobody-sees"
KINDS = [
    "vllm",
    "vllm-old",
    "nim",
    "sglang",
    "trtllm",
    "llama.cpp",
    "lmstudio",
    "ray",
    "triton-openai",
    "openai",
]


@asynccontextmanager
async def serving(
    fake: FakeOpenAI, key: str = "", model: str = "", path: str = ""
) -> AsyncIterator[OpenAIServer]:
    settings = Settings(auth=api_key("KEY", environ={"KEY": key})) if key else Settings()
    async with TestServer(fake.app()) as server:
        url = str(server.make_url("/")).rstrip("/") + path
        kind = fake.flavour.removesuffix("-old")
        backend = OpenAIServer(Endpoint(id="lab/gpu", url=url, kind=kind, model=model), settings)
        try:
            yield backend
        finally:
            await backend.aclose()


@asynccontextmanager
async def scripted(*connections: Sequence[Answer], **more: object) -> AsyncIterator[OpenAIServer]:
    async with raw(*connections) as server:
        endpoint = Endpoint(id="lab/gpu", url=server.url, kind="vllm", model="m")
        backend = OpenAIServer(endpoint, Settings(**more))  # type: ignore[arg-type]
        try:
            yield backend
        finally:
            await backend.aclose()


def said(text: str | None, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text, **more}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class TestContract(ServerContract):
    @pytest.fixture(params=KINDS)
    async def backend(self, request: pytest.FixtureRequest) -> AsyncIterator[OpenAIServer]:
        async with serving(FakeOpenAI(request.param)) as backend:
            yield backend


# --- what is posted


async def test_what_is_posted() -> None:
    fake = FakeOpenAI()
    prompt = replace(PROMPT, examples=(("a", "b"),), near=(("c", "d"),), temperature=0.7, seed=3)
    async with serving(fake, model=MODEL) as backend:
        assert await collect(backend, prompt) == "ls -la"
    (sent,) = fake.requests
    assert fake.paths == ["/v1/chat/completions"]
    assert [turn["role"] for turn in sent["messages"]] == [
        "system",
        *("user", "assistant") * 2,
        "user",
    ]
    assert sent["messages"][-1]["content"] == "list files"
    assert (sent["model"], sent["stream"], sent["max_tokens"]) == (MODEL, True, 96)
    assert (sent["temperature"], sent["seed"], sent["stop"]) == (0.7, 3, ["\n\n"])
    assert sent["stream_options"] == {"include_usage": True}
    assert "n" not in sent


async def test_a_path_that_a_person_wrote_is_the_whole_base() -> None:
    fake = FakeOpenAI("openai", prefix="/gateway/v3")
    async with serving(fake, path="/gateway/v3") as backend:
        assert await collect(backend, PROMPT) == "ls -la"
    async with serving(FakeOpenAI(), path="/v1") as backend:
        assert await collect(backend, PROMPT) == "ls -la"
        assert (await backend.identify(5)).version == "0.32.0"


async def test_at_most_so_many_stop_words_as_the_server_takes() -> None:
    fake = FakeOpenAI("openai")
    async with serving(fake) as backend:
        await collect(backend, replace(PROMPT, stop=tuple("abcdef")))
    assert fake.requests[0]["stop"] == ["a", "b", "c", "d"]


# --- schemas


@pytest.mark.parametrize("flavour", [k for k in KINDS if k != "triton-openai"])
async def test_an_answer_is_held_to_the_schema(flavour: str) -> None:
    fake = FakeOpenAI(flavour)
    async with serving(fake) as backend:
        await backend.identify(5)
        assert await collect(backend, ASKED) == '{"command": "ls -la"}'
        assert "schema" in backend.abilities
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("version", "field"),
    [
        ("0.32.0", "structured_outputs"),
        ("0.11.2rc1", "structured_outputs"),
        ("0.8.4", "guided_json"),
    ],
)
async def test_vllm_takes_schemas_by_its_version(version: str, field: str) -> None:
    found = DIALECTS["vllm"].schema
    assert found
    assert list(found({}, version)) == [field]
    assert list(found({}, "")) == ["response_format"]  # both know it


def test_versions() -> None:
    assert version_of("0.11.0rc2+cu129") == (0, 11)
    assert version_of("v1.10") == (1, 10)
    assert version_of("b6000-abc") is None
    assert version_of("") is None


async def test_without_schemas_it_is_asked_by_its_prompt_alone() -> None:
    fake = FakeOpenAI("triton-openai")
    async with serving(fake) as backend:
        assert await collect(backend, ASKED) == "ls -la"
        assert "schema" not in backend.abilities
    assert not fake.requests[0].keys() & {"response_format", "guided_json"}


async def test_a_schema_that_is_ignored_is_no_ability() -> None:
    fake = FakeOpenAI(holds_schema=False)
    async with serving(fake) as backend:
        await backend.identify(5)
        assert "schema" in backend.abilities
        for _ in range(2):
            assert await collect(backend, ASKED) == "ls -la"
            assert "schema" not in backend.abilities
    assert ["structured_outputs" in sent for sent in fake.requests] == [True, False]


async def test_an_answer_that_ran_out_of_tokens_breaks_no_schema() -> None:
    async with serving(FakeOpenAI()) as backend:
        await collect(backend, replace(ASKED, max_tokens=1))
        assert "schema" in backend.abilities


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("Unrecognized request argument supplied: chat_template_kwargs", "chat_template_kwargs"),
        ("Unsupported value: 'temperature' does not support 0 with this model.", "temperature"),
        ("Invalid schema for response_format 'answer': 'maxItems' is not permitted.", ""),
        ("guided_decoding_backend is not set", ""),
    ],
)
async def test_a_field_that_is_refused_is_left_out_from_then_on(words: str, field: str) -> None:
    refusal = http(json.dumps({"error": {"message": words}}).encode(), "400 Bad Request")
    good = stream_head() + chunk(said('{"command": "ls"}') + END) + LAST
    async with scripted([[refusal], [good], [good]]) as backend:
        for _ in range(2):
            assert await collect(backend, ASKED) == '{"command": "ls"}'
        body = backend.body(ASKED)
    assert (field or "response_format") not in body
    assert ("response_format" in body) is bool(field)


async def test_a_model_that_wants_its_tokens_by_another_name() -> None:
    words = "Unsupported parameter: 'max_tokens' ... Use 'max_completion_tokens' instead."
    refusal = http(json.dumps({"error": {"message": words}}).encode(), "400 Bad Request")
    good = stream_head() + chunk(said("ls") + END) + LAST
    async with scripted([[refusal], [good]]) as backend:
        assert await collect(backend, PROMPT) == "ls"
        assert backend.body(PROMPT)["max_completion_tokens"] == 96
        assert "max_tokens" not in backend.body(PROMPT)


async def test_what_cannot_be_left_out_is_our_own_mistake() -> None:
    words = "max_tokens=96 cannot be greater than max_model_len=64."
    refusal = http(json.dumps({"error": {"message": words}}).encode(), "400 Bad Request")
    async with scripted([[refusal]]) as backend:
        with pytest.raises(BackendRejected, match="max_model_len=64"):
            await collect(backend, PROMPT)


# --- models


@pytest.mark.parametrize("wanted", ["", MODEL, MODEL.lower(), "qwen2.5-coder"])
async def test_the_model_that_is_meant(wanted: str) -> None:
    fake = FakeOpenAI(models=("BAAI/bge-m3-embed", MODEL))
    async with serving(fake, model=wanted) as backend:
        assert await collect(backend, PROMPT) == "ls -la"
        assert backend.model == MODEL
        assert "large" in backend.abilities


async def test_a_model_that_went_away_is_replaced_within_the_request() -> None:
    fake = FakeOpenAI()
    async with serving(fake) as backend:
        await collect(backend, PROMPT)
        fake.models = ("llama-3.2-3b",)
        assert await collect(backend, PROMPT) == "ls -la"
        assert backend.model == "llama-3.2-3b"
        fake.models = ()
        with pytest.raises(ModelMissing):
            await collect(backend, PROMPT)


async def test_a_model_that_is_not_there_lists_what_is() -> None:
    async with serving(FakeOpenAI(), model="mixtral") as backend:
        with pytest.raises(ModelMissing) as caught:
            await collect(backend, PROMPT)
        assert MODEL in caught.value.message
        assert "mixtral" in caught.value.message
        found = await backend.handshake(5)
    assert (found.state, found.steps[-1].name) == ("no-model", "model")


# --- reading


@pytest.mark.parametrize("size", [1, 2, 7, 50])
async def test_however_it_is_sliced(size: int) -> None:
    sent = b": ping\r\n\r\n" + said("find") + said(" . -name '*.\u00fc'") + END
    pieces = [chunk(sent[at : at + size]) for at in range(0, len(sent), size)]
    async with scripted([[stream_head(), *pieces, LAST]]) as backend:
        assert await collect(backend, PROMPT) == "find . -name '*.\u00fc'"
        assert backend.is_warm


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_a_thought_is_alive_and_no_answer(field: str) -> None:
    sent = said(None, **{field: "They want"}) + said(None, **{field: " files"}) + said("ls") + END
    async with scripted([[stream_head(), chunk(sent), LAST]]) as backend:
        pieces = [piece async for piece in backend.stream(PROMPT, 5)]
    assert pieces == [Notice(text="lab/gpu thinks"), "ls"]


async def test_a_thought_inside_the_text() -> None:
    sent = b"".join(said(text) for text in ("<th", "ink>rm -rf", " /</thi", "nk>\n\n", "ls")) + END
    async with scripted([[stream_head(), chunk(sent), LAST]]) as backend:
        pieces = [piece async for piece in backend.stream(PROMPT, 5)]
    assert pieces == [Notice(text="lab/gpu thinks"), "ls"]


async def test_a_thought_that_took_all_tokens() -> None:
    sent = said("<think>They want") + END.replace(b'"stop"', b'"length"')
    async with scripted([[stream_head(), chunk(sent), LAST]]) as backend:
        with pytest.raises(BadCompletion, match="thought"):
            await collect(backend, PROMPT)


async def test_a_server_that_does_not_stream() -> None:
    whole = {"choices": [{"message": {"content": "ls -la"}, "finish_reason": "stop"}]}
    body = json.dumps(whole).encode()
    async with scripted([[http(body, "200 OK", "Content-Type: application/json")]]) as backend:
        assert await collect(backend, PROMPT) == "ls -la"


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"error": {"message": "EngineCore died", "code": 500}}, BackendUnavailable),
        ({"error": {"message": "slow down", "code": 429}}, BackendBusy),
        ({"error": "boom"}, BackendUnavailable),
        ({"object": "error", "message": "bad prompt", "code": 400}, BackendRejected),
        ({"error": {"message": "too long", "http_status_code": 422}}, BackendRejected),
    ],
)
async def test_an_error_in_a_stream_of_status_200(
    event: dict[str, object], error: type[Exception]
) -> None:
    sent = said("ls") + b"data: " + json.dumps(event).encode() + b"\n\n"
    async with scripted([[stream_head(), chunk(sent), LAST]]) as backend:
        with pytest.raises(error):
            await collect(backend, PROMPT)


@pytest.mark.parametrize(
    ("steps", "cause"),
    [
        ([stream_head(), chunk(said("ls")), RESET], "reset"),
        ([stream_head(), chunk(said("ls"))[:-9], "close"], "reset"),
        ([unsized_head(), said("rm -rf ./"), "close"], "reset"),
        ([stream_head(), chunk(said("rm -rf ./")), LAST], "reset"),
        ([stream_head(), chunk(said("ls")), float("inf")], "stall"),
        ([float("inf")], "timeout"),
        ([stream_head(), chunk(b"data: {nonsense\n\n"), LAST], "garbage"),
        ([stream_head(), chunk(b"data: [1]\n\n"), LAST], "garbage"),
        ([stream_head(), chunk(b""), LAST], "garbage"),
        ([stream_head(), *[chunk(b"x" * 65_000)] * 40], "garbage"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "garbage"),
        ([RESET], "reset"),
        ([http(b"<html><title>502 Bad Gateway</title>", "502 Bad Gateway")], "status"),
    ],
    ids=[
        "reset in mid-answer",
        "cut off",
        "cut off where no length is known",
        "cut off behind a proxy that ends the stream in its own name",
        "stall",
        "wedged",
        "no JSON",
        "no object",
        "empty",
        "endless line",
        "no HTTP",
        "reset",
        "502",
    ],
)
async def test_ways_to_fail(steps: Answer, cause: str) -> None:
    patience = 0.6 if float("inf") in steps else 30
    async with scripted([steps]) as backend:
        with pytest.raises(BackendUnavailable) as caught:
            await collect(backend, PROMPT, timeout=patience)
    assert caught.value.cause == cause
    assert "lab/gpu" in caught.value.message
    assert caught.value.hint


async def test_a_trickle_ends_with_the_deadline() -> None:
    slow = [step for _ in range(100) for step in (chunk(said("a")), 0.05)]
    async with scripted([[stream_head(), *slow]]) as backend, asyncio.timeout(20):
        with pytest.raises(BackendUnavailable) as caught:
            await collect(backend, PROMPT, timeout=0.5)
    assert caught.value.cause == "stall"


async def test_what_comes_after_the_end_is_not_waited_for() -> None:
    open_ended = [stream_head(), chunk(said("ls") + END), float("inf")]
    stuck = [b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\n", float("inf")]
    async with scripted([open_ended], [stuck]) as backend, asyncio.timeout(20):
        assert await collect(backend, PROMPT) == "ls"
        assert not backend.is_warm
        with pytest.raises(BackendUnavailable, match="500"):
            await collect(backend, PROMPT)


@pytest.mark.parametrize("end", [END.partition(b"\n\n")[0] + b"\n\n", b"data: [DONE] \n\n"])
async def test_either_mark_of_the_end_will_do(end: bytes) -> None:
    async with scripted([[unsized_head(), said("ls") + end, "close"]]) as backend:
        assert await collect(backend, PROMPT) == "ls"


async def test_a_stream_that_is_kept_open_after_the_end_is_not_read_on() -> None:
    pings = [step for _ in range(300) for step in (chunk(b": ping\n\n"), 0.05)]
    first, _, _ = END.partition(b"\n\n")
    async with scripted([[stream_head(), chunk(said("ls") + first + b"\n\n"), *pings]]) as backend:
        async with asyncio.timeout(5):
            assert await collect(backend, PROMPT) == "ls"


@pytest.mark.parametrize("ending", ["length", "content_filter"])
async def test_an_answer_that_is_not_whole_says_so_at_its_end(ending: str) -> None:
    sent = said("find . -name") + END.replace(b'"stop"', f'"{ending}"'.encode())
    async with scripted([[stream_head(), chunk(sent), LAST]]) as backend:
        pieces = [piece async for piece in backend.stream(PROMPT, 20)]
    assert pieces[0] == "find . -name"
    assert isinstance(pieces[-1], Cut)


async def test_a_cut_answer_says_nothing_of_schemas() -> None:
    async with scripted([[unsized_head(), said('{"comm'), "close"]]) as backend:
        with pytest.raises(BackendUnavailable):
            await collect(backend, ASKED)
        assert "schema" in backend.abilities


async def test_an_answer_without_an_end_is_cut_off() -> None:
    async with scripted([[stream_head(), *[chunk(said("a" * 1000))] * 200]]) as backend:
        with pytest.raises(BadCompletion, match="does not stop"):
            await collect(backend, PROMPT)


async def test_a_handshake_is_not_kept_busy_by_one_that_does_not_stop() -> None:
    models = http(b'{"data": [{"id": "m", "owned_by": "vllm"}]}')
    version = http(b'{"version": "0.32.0"}')
    flood = [stream_head(), *[chunk(said("4 " * 50) * 10)] * 20, float("inf")]
    async with scripted([[models], [version], flood]) as backend:
        found = await backend.handshake(20)
    assert found.state == "wrong-answer"
    assert "does not stop" in found.detail


async def test_an_answer_without_a_word_is_none() -> None:
    async with scripted([[stream_head(), chunk(said("") + END), LAST]]) as backend:
        with pytest.raises(BadCompletion, match="nothing"):
            await collect(backend, PROMPT)


async def test_closing_reaches_the_server() -> None:
    fake = FakeOpenAI()
    async with serving(fake) as backend:
        async with aclosing(backend.stream(replace(PROMPT, user="hang"), 30)) as pieces:  # type: ignore[type-var]
            assert await anext(pieces)
        await asyncio.wait_for(fake.left.wait(), 5)


# --- login, load, handshake


async def test_no_key_a_wrong_key_and_the_right_one() -> None:
    for flavour in ("vllm", "openai"):
        fake = FakeOpenAI(flavour, api_key=SECRET)
        async with serving(fake) as backend:
            with pytest.raises(BackendDenied):
                await collect(backend, PROMPT)
            assert (await backend.handshake(5)).state == "login"
        async with serving(fake, key="sk-another-secret-key") as backend:
            with pytest.raises(BackendDenied) as caught:
                await collect(backend, PROMPT)
            assert "another" not in str(caught.value)
        async with serving(fake, key=SECRET) as backend:
            assert await collect(backend, PROMPT) == "ls -la"
            assert SECRET not in repr(backend) + repr(backend.client) + repr(backend.settings)


async def test_a_key_that_is_not_set_says_which() -> None:
    async with raw([[http()]]) as server:
        auth = api_key("MY_KEY", environ={})
        endpoint = Endpoint(id="lab", url=server.url, kind="vllm", model="m")
        backend = OpenAIServer(endpoint, Settings(auth=auth))
        with pytest.raises(BackendDenied, match="MY_KEY"):
            await collect(backend, PROMPT)
        assert server.accepted == 0


@pytest.mark.parametrize(
    ("flavour", "running", "waiting", "cache"),
    [
        ("vllm", 2, 3, 0.25),
        ("vllm-old", 2, 3, 0.25),
        ("nim", 2, 3, 0.25),
        ("llama.cpp", 2, 3, None),
        ("triton-openai", None, 3, None),
        ("sglang", None, None, None),
        ("openai", None, None, None),
    ],
)
async def test_queue(
    flavour: str, running: int | None, waiting: int | None, cache: float | None
) -> None:
    async with serving(FakeOpenAI(flavour)) as backend:
        load = await backend.load(5)
    assert (load.running, load.waiting, load.cache_used) == (running, waiting, cache)


async def test_queue_of_a_gateway_is_nobodys() -> None:
    async with serving(FakeOpenAI(headers={"x-litellm-version": "1.91"})) as backend:
        assert (await backend.identify(5)).via_gateway
        assert (await backend.load(5)).waiting is None


@pytest.mark.parametrize("kind", ["openai", "auto"])
async def test_litellm_is_a_gateway_though_its_list_of_models_does_not_say_so(kind: str) -> None:
    fake = FakeOpenAI("litellm", api_key=SECRET)
    auth = api_key("K", environ={"K": SECRET})
    async with TestServer(fake.app()) as server:
        endpoint = Endpoint(id="gw", url=str(server.make_url("")).rstrip("/"), kind=kind)
        backend = connect(endpoint, Settings(auth=auth))
        probe = await backend.identify(5)
        assert (probe.kind, probe.via_gateway) == ("openai", True)
        assert await backend.load(5) == Load()
        await backend.aclose()
    assert "/metrics" not in fake.paths


async def test_one_that_only_says_so_of_a_models_answer() -> None:
    fake = FakeOpenAI("vllm", stream_headers={"x-litellm-model-id": "1"})
    async with serving(fake) as backend:
        assert not (await backend.identify(5)).via_gateway
        found = await backend.handshake(5)
        assert found.probe
        assert found.probe.via_gateway
        assert await backend.load(5) == Load()
        fake.stream_headers.clear()  # another server stands there now
        found = await backend.handshake(5)
        assert found.probe
        assert not found.probe.via_gateway
        assert (await backend.load(5)).waiting == 3


async def test_a_canned_answer_is_found_out() -> None:
    async with serving(FakeOpenAI(is_canned=True)) as backend:
        found = await backend.handshake(5)
    assert found.state == "wrong-answer"
    assert not found.steps[-1].is_ok
    assert found.hint


async def test_a_handshake_says_for_how_long_a_server_wants_to_be_left_alone() -> None:
    busy = http(b"", "429 Too Many Requests", "Retry-After: 600")
    async with scripted([[busy]]) as backend:
        found = await backend.handshake(5)
    assert (found.state, found.retry_after) == ("loading", 600)


async def test_no_word_of_the_person_in_a_handshake() -> None:
    fake = FakeOpenAI()
    async with serving(fake) as backend:
        assert (await backend.handshake(5)).state == "ok"
        assert (await backend.handshake(5)).state == "ok"
    asked = [sent["messages"][-1]["content"] for sent in fake.requests]
    assert asked[0].startswith("What is 2+2?")
    assert len(asked) == 3
    assert len(set(asked)) == 3
    assert all(len(sent["messages"]) == 1 for sent in fake.requests)


# --- Azure


@asynccontextmanager
async def azure(fake: FakeOpenAI, path: str = "", **labels: str) -> AsyncIterator[AzureServer]:
    async with TestServer(fake.app()) as server:
        url = str(server.make_url("/")).rstrip("/") + path
        endpoint = Endpoint(id="az", url=url, kind="azure", labels=labels)
        auth = api_key("K", DIALECTS["azure"].key_header, environ={"K": SECRET})
        backend = AzureServer(endpoint, Settings(auth=auth))
        try:
            yield backend
        finally:
            await backend.aclose()


def fake_azure(prefix: str) -> FakeOpenAI:
    return FakeOpenAI(
        "openai", models=("my-gpt",), prefix=prefix, api_key=SECRET, key_header="api-key"
    )


class TestAzureContract(ServerContract):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[AzureServer]:
        async with azure(fake_azure("/openai/v1"), deployment="my-gpt") as backend:
            yield backend


@pytest.mark.parametrize("path", ["", "/openai", "/openai/v1"])
async def test_azure_of_today(path: str) -> None:
    fake = fake_azure("/openai/v1")
    async with azure(fake, path, deployment="my-gpt") as backend:
        assert await collect(backend, PROMPT) == "ls -la"
    assert fake.queries == [""]


@pytest.mark.parametrize("path", ["", "/openai/deployments/my-gpt"])
async def test_azure_with_a_version(path: str) -> None:
    fake = fake_azure("/openai/deployments/my-gpt")
    labels = {"api_version": "2024-06-01"} | ({} if path else {"deployment": "my-gpt"})
    async with azure(fake, path, **labels) as backend:
        assert await collect(backend, PROMPT) == "ls -la"
    assert fake.queries == ["api-version=2024-06-01"]


class TestHealthCheckOfTheSettings:
    async def test_a_status_that_is_not_the_expected_one(self):
        fake = FakeOpenAI("vllm")
        for path, status, state in (
            ("/v1/models", 200, "ok"),
            ("/nowhere", 200, "unreachable"),
            ("/nowhere", 404, "ok"),
        ):
            async with TestServer(fake.app()) as server:
                endpoint = Endpoint(id="lab/gpu", url=str(server.make_url("")).rstrip("/"))
                settings = Settings(health_path=path, health_status=status)
                backend = connect(endpoint, settings)
                found = await backend.handshake(5)
                assert found.state == state, found
                if state != "ok":
                    assert found.detail == "lab/gpu says 404 at /nowhere, not 200"
                await backend.aclose()

    async def test_it_is_part_of_each_look(self):
        async with serving(FakeOpenAI("vllm")) as backend:
            backend.settings = Settings(health_path="/nowhere")
            with pytest.raises(BackendUnavailable, match="404"):
                await backend.load(5)
