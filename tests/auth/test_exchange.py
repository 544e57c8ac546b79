"""Who is asked, and how much is believed of what comes back."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdai_shell.auth.exchange import Exchange, ExchangeFailed, ExchangeRefused
from cmdai_shell.auth.oauth2 import ClientCredentials
from cmdai_shell.auth.tls import TlsFiles, also_systems
from cmdai_shell.errors import ConfigError
from tests.auth import fake_provider
from tests.auth.pki import Pki

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cmdai_shell.auth.oauth2 import ClientAuth
    from cmdai_shell.auth.tokens import Tokens
    from tests.auth.fake_provider import FakeProvider


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with fake_provider.running() as found:
        yield found


async def fetched(url: str, exchange: Exchange | None = None, how: ClientAuth = "auto") -> Tokens:
    one = ClientCredentials(
        exchange or Exchange(timeout=5),
        token_url=url,
        client="c",
        secret="planted",
        client_auth=how,
    )
    return await asyncio.to_thread(one.renew)


async def test_what_a_netrc_says_is_not_sent(fake: FakeProvider, tmp_path: Path) -> None:
    (tmp_path / "home" / ".netrc").write_text("machine 127.0.0.1 login eve password planted\n")
    await asyncio.to_thread(Exchange().get, f"{fake.issuer}/jwks")
    assert "Authorization" not in fake.headers[0]


async def test_a_narrower_scope_is_taken(fake: FakeProvider) -> None:
    assert (await fetched(f"{fake.issuer}/token")).scope == "something narrower"


async def test_a_server_that_knows_the_form_alone(fake: FakeProvider) -> None:
    fake.tokens = [{"error": "invalid_client", "status": 401}]
    assert (await fetched(f"{fake.issuer}/token")).access
    first, second = (fields for _, fields in fake.requests)
    assert "client_secret" not in first
    assert (second["client_id"], second["client_secret"]) == ("c", "planted")


async def test_an_empty_refusal_is_a_wrong_secret(fake: FakeProvider) -> None:
    async def empty(_: web.Request) -> web.Response:
        return web.Response(status=403)

    fake.answers["/token"] = empty
    with pytest.raises(ExchangeRefused) as caught:
        await fetched(f"{fake.issuer}/token", how="basic")
    assert caught.value.error == "invalid_client"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ({"error": "invalid_scope", "error_description": "a\x1b[2Jb\nc"}, ExchangeRefused, "ab c"),
        ({"error": "temporarily_unavailable"}, ExchangeFailed, "in trouble"),
        ({"status": 429}, ExchangeFailed, "429"),
        ({"status": 200}, ExchangeFailed, "no token"),
        ({"status": 200, "access_token": "planted", "token_type": "mac"}, ExchangeRefused, "kind"),
        ({"status": 404}, ExchangeFailed, "nothing at /token"),
    ],
)
async def test_refusals(
    fake: FakeProvider, said: dict[str, object], kind: type[Exception], words: str
) -> None:
    fake.tokens = [said]
    with pytest.raises(kind, match=words) as caught:
        await fetched(f"{fake.issuer}/token")
    assert "planted" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


async def test_a_secret_follows_no_redirect(fake: FakeProvider) -> None:
    async with fake_provider.running() as other:

        async def elsewhere(_: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(f"{other.issuer}/token")

        fake.answers["/token"] = elsewhere
        with pytest.raises(ExchangeFailed, match="no credential follows"):
            await fetched(f"{fake.issuer}/token")
        assert not other.requests


async def test_plain_http_is_for_who_is_allowed(fake: FakeProvider) -> None:
    with pytest.raises(ConfigError, match="no https"):
        await fetched(f"{fake.issuer}/token", Exchange(allowed=lambda _: False))
    with pytest.raises(ConfigError, match="no https"):
        await fetched("http://login.example.com/token")
    assert not fake.requests


@pytest.mark.parametrize("knows_us", [False, True])
async def test_its_certificate(fake: FakeProvider, tmp_path: Path, knows_us: bool) -> None:
    pki = Pki(tmp_path / "pki")
    pki.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.pem("server"), pki.key("server"))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.serve)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    files = TlsFiles(ca=pki.ca if knows_us else None)
    exchange = Exchange(context=lambda: also_systems(files))
    try:
        if knows_us:
            assert (await fetched(f"https://127.0.0.1:{server.port}/token", exchange)).access
        else:
            with pytest.raises(ExchangeFailed, match=r"cannot be trusted: .*certificate"):
                await fetched(f"https://127.0.0.1:{server.port}/token", exchange)
            assert not fake.requests
    finally:
        await server.close()
