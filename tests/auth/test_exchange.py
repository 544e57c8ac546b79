"""Who is asked, and how much is believed of what comes back."""

from __future__ import annotations

import asyncio
import ssl
import time
from math import inf as INF
from math import nan as NAN
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdai_shell.auth.exchange import Exchange, ExchangeFailed, ExchangeRefused
from cmdai_shell.auth.oauth2 import ClientCredentials, refreshed
from cmdai_shell.auth.tls import TlsFiles, also_systems
from cmdai_shell.auth.tokens import Tokens, read
from cmdai_shell.errors import ConfigError
from tests.auth import fake_provider
from tests.auth.pki import Pki

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cmdai_shell.auth.oauth2 import ClientAuth
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


async def test_a_provider_whose_name_nobody_knows() -> None:
    with pytest.raises(ExchangeFailed, match="its name cannot be resolved") as caught:
        await asyncio.to_thread(Exchange(timeout=5).get, "https://id.invalid/jwks")
    assert caught.value.hint == "curl -v https://id.invalid/jwks"


async def test_a_narrower_scope_is_taken(fake: FakeProvider) -> None:
    assert (await fetched(f"{fake.issuer}/token")).scope == "something narrower"


ODD: list[dict[str, Any]] = [
    *(
        {"expires_in": odd}
        for odd in ("3600.0", "soon", NAN, INF, 1e300, [1], True, None, "9" * 20)
    ),
    *({"scope": odd} for odd in (5, ["a", 5], {"a": 1}, "\ud800", None)),
    {"id_token": 5, "expires_at": "never", "error_description": 5, "error_uri": []},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
async def test_an_answer_with_values_of_other_types(
    fake: FakeProvider, odd: dict[str, Any]
) -> None:
    """Also of a number that no integer is read from (more digits than Python takes)."""
    usual = {"access_token": "planted", "refresh_token": "r2", "token_type": "bearer"}
    fake.tokens = [{**usual, **odd, "status": 200}] * 2
    url = f"{fake.issuer}/token"
    found = await fetched(url)
    assert found.access == "planted"
    assert found.expires in (0.0, pytest.approx(time.time() + 3_600, abs=60))
    before = Tokens(origin=url, client="c", obtained=0.0, refresh="r1", who="alice")
    after = await asyncio.to_thread(refreshed, Exchange(), before, token_url=url)
    assert (after.access, after.refresh, after.who) == ("planted", "r2", "alice")
    assert read(after.written(), origin=url, client="c") == after, "it can be kept"


@pytest.mark.parametrize(
    "odd",
    [
        {"access_token": {"planted": 1}},
        {"access_token": "plan\nted"},
        {"access_token": "a" * 70_000},
        {"access_token": None},
        {"token_type": ["mac"]},
        {"token_type": "mac"},
    ],
    ids=lambda odd: str(odd)[:30],
)
async def test_without_a_token_that_can_be_sent(fake: FakeProvider, odd: dict[str, Any]) -> None:
    usual = {"access_token": "planted", "refresh_token": "r2", "token_type": "bearer"}
    fake.tokens = [{**usual, **odd, "status": 200}] * 2
    url = f"{fake.issuer}/token"
    with pytest.raises((ExchangeFailed, ExchangeRefused)) as caught:
        await fetched(url)
    assert "planted" not in str(caught.value)
    before = Tokens(origin=url, client="c", obtained=0.0, refresh="r1")
    after = await asyncio.to_thread(refreshed, Exchange(), before, token_url=url)
    assert (after.access, after.refresh) == ("", "r2"), "the next one is not lost"


@pytest.mark.parametrize(
    "body", ['{"access_token": "planted", "expires_in": ' + "9" * 5_000 + "}", "[" * 90_000]
)
async def test_what_the_reader_of_json_stumbles_over(fake: FakeProvider, body: str) -> None:
    async def said(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    fake.answers["/token"] = said
    if body.startswith("{"):
        assert (await fetched(f"{fake.issuer}/token")).access == "planted"
    else:
        with pytest.raises(ExchangeFailed, match="did not answer in JSON"):
            await fetched(f"{fake.issuer}/token")


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
