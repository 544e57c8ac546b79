"""SageMaker over a fake that checks each signature with botocore's own signer."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestServer

from cmdai_shell.auth.aws import Aws, AwsChain
from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.sagemaker import SageMakerServer
from cmdai_shell.core import Endpoint
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendUnavailable,
    ConfigError,
    ModelMissing,
)
from tests.backends.contract import PROMPT, SCHEMA, ServerContract
from tests.contracts import collect
from tests.fakes.fake_sagemaker import ACCESS, SECRET, TOKEN, FakeSageMaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONTAINERS = ["openai", "tgi", "jsonlines", "whole"]
HOST = "https://runtime.sagemaker.eu-central-1.amazonaws.com"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@asynccontextmanager
async def serving(
    fake: FakeSageMaker, name: str = "llm-1", **labels: str
) -> AsyncIterator[SageMakerServer]:
    async with TestServer(fake.app()) as server:
        url = str(server.make_url(f"/endpoints/{name}"))
        auth = Aws(AwsChain(), url=url, region="eu-central-1")
        endpoint = Endpoint(id="aws/llm", url=url, labels=labels)
        backend = SageMakerServer(endpoint, Settings(auth=auth))
        try:
            yield backend
        finally:
            await backend.aclose()


class TestContract(ServerContract):
    @pytest.fixture(params=["openai", "tgi"])
    async def backend(self, request: pytest.FixtureRequest) -> AsyncIterator[SageMakerServer]:
        async with serving(FakeSageMaker(container=request.param)) as backend:
            yield backend


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_events_of_the_container_are_put_together_again(container: str, size: int):
    async with serving(FakeSageMaker(container=container, frame_bytes=size)) as backend:
        assert await collect(backend, PROMPT) == "ls -la"


@pytest.mark.parametrize("container", ["openai", "tgi", "jsonlines"])
async def test_a_container_that_breaks_off_has_not_answered(container: str):
    async with serving(FakeSageMaker(container=container)) as backend:
        with pytest.raises(BackendUnavailable, match="mid-answer"):
            await collect(backend, replace(PROMPT, user="cut"))


async def test_it_comes_in_pieces():
    async with serving(FakeSageMaker()) as backend:
        assert [piece async for piece in backend.stream(PROMPT, 5)] == ["ls", " -la"]


async def test_a_container_that_knows_no_messages_is_asked_as_tgi_from_then_on():
    fake = FakeSageMaker(container="tgi")
    async with serving(fake) as backend:
        for _ in range(2):
            assert await collect(backend, PROMPT) == "ls -la"
    assert ["inputs" in sent for sent in fake.requests] == [False, True, True]
    assert fake.requests[1]["parameters"]["do_sample"] is False


async def test_a_configured_chat_template_means_tgi():
    fake = FakeSageMaker(container="tgi")
    async with serving(fake, chat_template="chatml") as backend:
        assert await collect(backend, PROMPT) == "ls -la"
    assert "inputs" in fake.requests[0]


async def test_what_is_posted():
    fake = FakeSageMaker()
    async with serving(fake) as backend:
        await collect(backend, PROMPT)
    assert fake.requests == [
        {
            "messages": [
                {"role": "system", "content": "You are a shell."},
                {"role": "user", "content": "list files"},
            ],
            "stream": True,
            "max_tokens": 96,
            "temperature": 0.0,
            "stop": ["\n\n"],
        }
    ]


async def test_schema():
    async with serving(FakeSageMaker()) as backend:
        text = await collect(backend, replace(PROMPT, schema=SCHEMA))
        assert json.loads(text) == {"command": "ls -la"}
        assert "schema" in backend.abilities
    fake = FakeSageMaker(holds_schema=False)
    async with serving(fake) as backend:
        for _ in range(2):
            assert await collect(backend, replace(PROMPT, schema=SCHEMA)) == "ls -la"
        assert "schema" not in backend.abilities
    assert ["response_format" in sent for sent in fake.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ("throttled", BackendBusy, "Rate exceeded"),
        ("not ready", BackendBusy, "being downloaded"),
        ("unavailable", BackendUnavailable, "503"),
        ("container error", BackendUnavailable, "CUDA out of memory"),
        ("broken", BackendUnavailable, "StreamBroken"),
        ("half", BackendUnavailable, "broke off"),
    ],
)
async def test_refusals(asked: str, error: type[BackendError], words: str):
    async with serving(FakeSageMaker()) as backend:
        with pytest.raises(error, match=words) as caught:
            await collect(backend, replace(PROMPT, user=asked))
    assert "123456789012" not in str(caught.value)


async def test_an_endpoint_that_is_not_there():
    async with serving(FakeSageMaker(), name="llm-2") as backend:
        with pytest.raises(ModelMissing, match="llm-2"):
            await collect(backend, PROMPT)
        assert (await backend.handshake(5)).state == "no-model"


async def test_wrong_keys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-key")
    async with serving(FakeSageMaker()) as backend:
        with pytest.raises(BackendDenied, match="does not match") as caught:
            await collect(backend, PROMPT)
        assert (await backend.handshake(5)).state == "login"
        shown = f"{caught.value!r} {backend!r} {backend.client!r} {vars(backend)}"
    assert "another-secret-key" not in shown
    assert TOKEN not in shown


async def test_closing_reaches_the_service():
    fake = FakeSageMaker()
    async with serving(fake) as backend:
        async with aclosing(backend.stream(replace(PROMPT, user="hang"), 30)) as pieces:  # type: ignore[type-var]
            assert await anext(pieces)
        await asyncio.wait_for(fake.left.wait(), 5)


@pytest.mark.parametrize(
    ("url", "model", "name"),
    [
        (f"{HOST}/endpoints/llm-1", "", "llm-1"),
        (f"{HOST}/endpoints/llm-1/invocations", "", "llm-1"),
        (HOST, "llm-1", "llm-1"),
    ],
)
def test_its_name(url: str, model: str, name: str):
    backend = SageMakerServer(Endpoint(id="a", url=url, model=model), Settings())
    assert backend.model == name
    assert "/endpoints" not in backend.client.url


def test_without_a_name():
    with pytest.raises(ConfigError):
        SageMakerServer(Endpoint(id="a", url=HOST), Settings())


async def test_keys_of_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    path = tmp_path / "credentials"
    path.write_text(
        f"[default]\naws_access_key_id={ACCESS}\naws_secret_access_key={SECRET}\n"
        f"aws_session_token={TOKEN}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    async with serving(FakeSageMaker()) as backend:
        assert await collect(backend, PROMPT) == "ls -la"


async def test_no_keys_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    async with serving(FakeSageMaker()) as backend:
        with pytest.raises(BackendDenied, match="no AWS credentials"):
            await collect(backend, PROMPT)
