"""The real azure-identity, with a managed identity's endpoint on loopback and a program ``az``."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdai_shell.auth import azure
from cmdai_shell.auth.schemes import Login, Means, login
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.config.environment import Environment
from cmdai_shell.errors import BackendDenied, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytest.importorskip("azure.identity")
URL = "https://me.openai.azure.com"
HEADER = "planted-identity-header"


class Identity:
    """An App Service's endpoint for its managed identity ("How to use managed identities for App
    Service", REST endpoint reference)."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.life = 3_600.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/token", self._token)
        async with TestServer(app) as server:
            yield str(server.make_url("/token"))

    async def _token(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["X-IDENTITY-HEADER"] == HEADER
        self.asked.append(dict(request.query))
        if self.answers:
            status, said = self.answers.pop(0)
            return web.json_response(said, status=status)
        return web.json_response(
            {
                "access_token": f"planted-entra-{len(self.asked)}",
                "expires_on": str(int(time.time() + self.life)),
                "resource": request.query["resource"],
                "token_type": "Bearer",
            }
        )


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No tool of Azure's, no identity, no metadata service: the address that it has is asked by the
    library unless a name says which identity there is."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_", "IMDS_")):
            monkeypatch.delenv(name)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")


@pytest.fixture
def means(tmp_path: Path) -> Means:
    return Means(store=CredentialStore(tmp_path / "credentials", choice="file"))


def chain(means: Means, **more: Any) -> Login:
    return login(Environment(id="cloud", auth_type="azure", kind="azure", **more), means)


def managed_at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")
    monkeypatch.setenv("IDENTITY_ENDPOINT", url)
    monkeypatch.setenv("IDENTITY_HEADER", HEADER)


@asynccontextmanager
async def managed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Identity]:
    identity = Identity()
    async with identity.running() as url:
        managed_at(monkeypatch, url)
        yield identity


def az(folder: Path, script: str) -> None:
    path = folder / "bin" / "az"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def test_a_managed_identity_is_asked_once(
    means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with managed(monkeypatch) as identity:
        made = chain(means)
        auth = made.to(URL, "api-key")
        for _ in range(3):
            assert await auth.headers() == {"Authorization": "Bearer planted-entra-1"}
        assert [it["resource"] for it in identity.asked] == ["https://cognitiveservices.azure.com"]
        assert made.chain
        found = await made.chain()
        assert found.who == "this machine's managed identity"
        assert 3_500 < found.expires - time.time() <= 3_600
    assert not list(means.store.folder.path.parent.rglob("credentials.json"))


async def test_ahead_of_its_end_the_next_is_got_while_this_one_is_used(
    means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with managed(monkeypatch) as identity:
        now = time.time()
        turned = Means(store=means.store, wall=lambda: now)
        auth = chain(turned, token_refresh_before_expiry_s=500).to(URL, "")
        await auth.headers()
        now += 3_000
        assert await auth.headers() == {"Authorization": "Bearer planted-entra-1"}
        assert len(identity.asked) == 1
        now += 200
        assert await auth.headers() == {"Authorization": "Bearer planted-entra-1"}
        async with asyncio.timeout(20):
            while await auth.headers() != {  # noqa: ASYNC110  a thread gets it
                "Authorization": "Bearer planted-entra-2"
            }:
                await asyncio.sleep(0.02)
        assert len(identity.asked) == 2


async def test_another_scope(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    async with managed(monkeypatch) as identity:
        await chain(means, oauth_scope="https://ml.azure.com/.default").to(URL, "").headers()
    assert identity.asked[0]["resource"] == "https://ml.azure.com"


async def test_a_token_that_is_refused_is_got_again(
    means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with managed(monkeypatch):
        now = time.time()
        auth = chain(Means(store=means.store, wall=lambda: now, clock=lambda: now)).to(URL, "")
        await auth.headers()
        now += 20
        assert await auth.invalidate()
        assert await auth.headers() == {"Authorization": "Bearer planted-entra-2"}
        now += 20
        assert not await auth.invalidate()


async def test_the_azure_cli(means: Means, tmp_path: Path) -> None:
    expires = time.strftime("%Y-%m-%d %H:%M:%S.000000", time.localtime(time.time() + 3_000))
    said = {
        "accessToken": "planted-az-token",
        "expiresOn": expires,
        "expires_on": int(time.time() + 3_000),
        "subscription": "s",
        "tenant": "t",
        "tokenType": "Bearer",
    }
    az(tmp_path, f"echo '{json.dumps(said)}'; echo \"$@\" >> {tmp_path}/calls")
    made = chain(means)
    assert await made.to(URL, "").headers() == {"Authorization": "Bearer planted-az-token"}
    assert made.chain
    assert (await made.chain()).who == "the Azure CLI"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 1
    assert azure.SCOPE.removesuffix("/.default") in calls[0]


async def test_nobody_is_logged_in(means: Means, tmp_path: Path) -> None:
    auth = chain(means).to(URL, "")
    with pytest.raises(BackendDenied, match="nobody is logged in to Azure here") as caught:
        await auth.headers()
    assert "az login" in caught.value.hint


async def test_a_cli_whose_login_has_ended_says_so(
    means: Means, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    az(tmp_path, "echo 'AADSTS70043: the token planted4567890123 has expired' >&2; exit 1")
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(BackendDenied, match=r"Azure refuses the Azure CLI.*AADSTS70043") as caught,
    ):
        await chain(means).to(URL, "").headers()
    assert caught.value.hint == "az login"
    assert "planted" not in str(caught.value) + caplog.text


async def test_an_identity_that_does_not_answer_says_so(
    means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed_at(monkeypatch, "http://127.0.0.1:9/token")
    began = time.monotonic()
    with pytest.raises(BackendDenied, match="managed identity") as caught:
        await chain(means).to(URL, "").headers()
    assert caught.value.hint
    assert time.monotonic() - began < 15


async def test_no_token_in_the_log_nor_over_plain_http(
    means: Means, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with managed(monkeypatch):
        made = chain(means)
        with caplog.at_level(logging.DEBUG):
            await made.to(URL, "").headers()
        with pytest.raises(BackendDenied, match="over plain http"):
            await made.to("http://gpu.example.com", "").headers()
    assert "planted" not in caplog.text + repr(made)


def test_without_its_package(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        chain(means)
    assert caught.value.hint == "pip install 'cmdai-shell[azure]'"
