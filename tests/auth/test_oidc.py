"""What no real provider does: each a clear line, and nobody is logged in by it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
import urllib.request
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import web
from joserfc import jws, jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from cmdai_shell.auth.exchange import Exchange, ExchangeFailed, ExchangeRefused
from cmdai_shell.auth.oidc import Oidc, OidcClient
from cmdai_shell.errors import CmdaiError, ConfigError
from tests.auth import fake_provider
from tests.auth.fake_provider import CLIENT, KEY, OTHER, FakeProvider, part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cmdai_shell.auth.tokens import Tokens


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with fake_provider.running() as found:
        yield found


def oidc(fake: FakeProvider, timeout: float = 5.0, **more: Any) -> Oidc:
    settings = OidcClient(
        issuer=fake.issuer, client=CLIENT, redirect_uri="http://127.0.0.1:0/back", **more
    )
    return Oidc(Exchange(timeout=timeout), settings)


async def at_once(_: float) -> None:
    pass


async def by_code(one: Oidc) -> Tokens:
    return await one.login_by_device(lambda _: None, sleep=at_once)


def unsigned(claims: dict[str, Any]) -> str:
    head = json.dumps({"alg": "none", "kid": "one"})
    return f"{part(head.encode())}.{part(json.dumps(claims).encode())}."


def by_other(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "two"}, claims, OTHER)


def forged(claims: dict[str, Any]) -> str:
    good = jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY)
    head, _, signature = good.split(".")
    return f"{head}.{part(json.dumps({**claims, 'sub': 'eve'}).encode())}.{signature}"


class In(int):
    """So many seconds from when the test runs: minutes after its parameters are made."""


def nested(_: dict[str, Any]) -> str:
    """Well signed, and deeper than a reader of JSON goes."""
    return jws.serialize_compact({"alg": "RS256", "kid": "one"}, b"[" * 20_000, KEY)


def dated(claims: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    return {k: now + v if isinstance(v, In) else v for k, v in claims.items()}


async def test_a_good_one(fake: FakeProvider) -> None:
    tokens = await by_code(oidc(fake))
    assert tokens.access == "planted-access-1"
    assert tokens.refresh == "planted-refresh-1"
    assert tokens.who == "alice"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "someone-else"}, "another client"),
        ({"aud": []}, "another client"),
        ({"aud": None}, "another client"),
        ({"aud": [CLIENT, "other"]}, "another client"),
        ({"aud": [CLIENT, "other"], "azp": "other"}, "another client"),
        ({"azp": "other"}, "another client"),
        ({"exp": In(-300)}, "expired"),
        ({"iat": In(300), "exp": In(600)}, "future"),
        ({"nbf": In(300)}, "not hold yet"),
        ({"exp": None}, "from when until when"),
        ({"exp": "tomorrow"}, "cannot be read|from when until when"),
        ({"iat": None}, "from when until when"),
        ({"sub": None}, "who logged in"),
        ({"sub": ""}, "who logged in"),
    ],
)
async def test_wrong_claims(fake: FakeProvider, claims: dict[str, Any], words: str) -> None:
    fake.claims = dated(claims)
    with pytest.raises(ExchangeRefused, match=words) as caught:
        await by_code(oidc(fake))
    assert "id_token" in caught.value.message
    if "exp" in claims and words in ("expired", "future"):
        assert "date" in caught.value.hint


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": In(-30)},
        {"iat": In(30)},
        {"aud": [CLIENT, "other"], "azp": CLIENT},
        {"aud": [CLIENT]},
        {"email": "a\x1b[31m@x", "sub": "y"},
    ],
)
async def test_clocks_that_differ_a_little(fake: FakeProvider, claims: dict[str, Any]) -> None:
    fake.claims = dated(claims)
    tokens = await by_code(oidc(fake))
    assert tokens.access
    assert "\x1b" not in tokens.who


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        (unsigned, "signed by none"),
        (fake_provider.symmetric, "signed by HS256"),
        (forged, "signature is wrong"),
        (by_other, "does not list"),
        (lambda _: "a.b.c", "cannot be read"),
        (lambda _: "", "cannot be read"),
        (lambda _: "x" * 70_000, "too long"),
        (lambda _: "ü.ü.ü", "cannot be read"),
        (nested, "cannot be read"),
    ],
    ids=["none", "HS256", "forged", "unknown kid", "junk", "empty", "huge", "not ascii", "nested"],
)
async def test_wrong_signatures(
    fake: FakeProvider, sign: Callable[[dict[str, Any]], str], words: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        fake.sign = sign
        with pytest.raises(ExchangeRefused, match=words):
            await by_code(oidc(fake))


async def test_a_key_under_the_kid_of_another(fake: FakeProvider) -> None:
    fake.sign = lambda claims: jwt.encode({"alg": "ES256", "kid": "one"}, claims, OTHER)
    with pytest.raises(ExchangeRefused):
        await by_code(oidc(fake))


async def test_new_keys_are_asked_for_once_in_a_while(fake: FakeProvider) -> None:
    now = 1_000.0
    settings = OidcClient(issuer=fake.issuer, client=CLIENT)
    one = Oidc(Exchange(), settings, clock=lambda: now)

    def asked() -> int:
        return [path for path, _ in fake.requests].count("/jwks")

    await by_code(one)
    await by_code(one)
    assert asked() == 1
    fake.sign = by_other
    for _ in range(3):
        with pytest.raises(ExchangeRefused, match="does not list"):
            await by_code(one)
    assert asked() == 1  # they were asked for just now
    now += 301
    for _ in range(3):
        with pytest.raises(ExchangeRefused, match="does not list"):
            await by_code(one)
    assert asked() == 2
    fake.keys = [KEY, OTHER]
    now += 301
    assert (await by_code(one)).access
    assert asked() == 3


async def test_an_edwards_curve_and_keys_that_are_none(fake: FakeProvider) -> None:
    curve = OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"})

    async def keys(_: web.Request) -> web.Response:
        good = curve.as_dict(private=False)
        odd = [
            {"kty": "oct", "k": "c2VjcmV0", "kid": "o"},
            {"kty": "RSA", "kid": "r"},
            {"kty": "?"},
        ]
        return web.json_response({"keys": [*odd, good]})

    def sign(claims: dict[str, Any]) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            header = {"alg": "EdDSA", "kid": "ed"}
            return jwt.encode(header, claims, curve, algorithms=["EdDSA"])

    fake.answers["/jwks"] = keys
    fake.sign = sign
    assert (await by_code(oidc(fake))).access


# --- the browser


async def browse(
    fake: FakeProvider, change: dict[str, str | None], one: Oidc | None = None
) -> Tokens:
    """A browser that comes back at once with the usual answer, changed."""
    pages: list[str] = []
    loop = asyncio.get_running_loop()

    def visit(url: str) -> None:
        asked = {key: value[0] for key, value in parse_qs(urlsplit(url).query).items()}
        assert asked["tenant"] == "1"
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["code_challenge"]) == 43
        assert asked["redirect_uri"].startswith("http://127.0.0.1:")
        if fake.nonce != "old":
            fake.nonce = asked["nonce"]
        usual = {"code": "planted-code", "state": asked["state"], "iss": fake.issuer}
        fields = {key: value for key, value in {**usual, **change}.items() if value is not None}

        def come_back() -> None:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{asked['redirect_uri']}?{urlencode(fields)}", timeout=10) as page:
                pages.append(page.read().decode())

        loop.run_in_executor(None, come_back)

    return await (one or oidc(fake)).login_by_browser(visit, timeout=10)


async def test_a_browser(fake: FakeProvider) -> None:
    assert (await browse(fake, {})).access == "planted-access-1"
    _path, fields = next(it for it in fake.requests if it[0] == "/token")
    assert fields["code"] == "planted-code"
    assert len(fields["code_verifier"]) >= 43
    assert fields["client_id"] == CLIENT
    assert "client_secret" not in fields


async def test_a_client_with_a_secret(fake: FakeProvider) -> None:
    await browse(fake, {}, oidc(fake, secret="p:l/anted"))
    at = [path for path, _ in fake.requests].index("/token")
    sent = base64.b64decode(fake.headers[at]["Authorization"].partition(" ")[2]).decode()
    assert sent == f"{CLIENT}:p%3Al%2Fanted"
    assert "client_secret" not in fake.requests[at][1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"iss": "https://evil.example"}, "another identity provider"),
        ({"code": None}, "without a code"),
        ({"code": None, "error": "access_denied"}, "refused in the browser"),
        ({"code": None, "error": "server_error", "error_description": "b\x1b]0;x\x07ad"}, "^bad$"),
    ],
)
async def test_a_browser_with_a_wrong_answer(
    fake: FakeProvider, change: dict[str, str | None], words: str
) -> None:
    with pytest.raises(ExchangeRefused, match=words):
        await browse(fake, change)
    assert "/token" not in [path for path, _ in fake.requests]


async def test_an_answer_without_the_promised_issuer(fake: FakeProvider) -> None:
    fake.document = {"authorization_response_iss_parameter_supported": True}
    with pytest.raises(ExchangeRefused, match="another identity provider"):
        await browse(fake, {"iss": None})
    fake.document = {}
    assert (await browse(fake, {"iss": None})).access


async def test_an_id_token_of_another_login(fake: FakeProvider) -> None:
    fake.nonce = "old"
    with pytest.raises(ExchangeRefused, match="another login"):
        await browse(fake, {})


# --- the discovery document


@pytest.mark.parametrize(
    ("document", "kind", "words"),
    [
        ({"issuer": "https://evil.example"}, ConfigError, "another issuer: https://evil"),
        ({"issuer": None}, ExchangeFailed, "no OpenID discovery document"),
        ({"token_endpoint": "http://evil.example/token"}, ConfigError, "no https"),
        ({"jwks_uri": "ftp://evil.example/"}, ConfigError, "no https"),
        ({"device_authorization_endpoint": ""}, ConfigError, "no login with a code"),
        ({"token_endpoint": 7}, ExchangeFailed, "no OpenID discovery document"),
    ],
)
async def test_documents(
    fake: FakeProvider, document: dict[str, Any], kind: type[CmdaiError], words: str
) -> None:
    fake.document = document
    with pytest.raises(kind, match=words):
        await by_code(oidc(fake))
    assert "/token" not in [path for path, _ in fake.requests]


def test_an_issuer_over_plain_http() -> None:
    with pytest.raises(ConfigError, match="no https"):
        Oidc(Exchange(), OidcClient(issuer="http://login.example.com", client="x"))


# --- a provider in trouble


async def page(_: web.Request) -> web.Response:
    return web.Response(text="<html>Log in to the hotel's network", content_type="text/html")


async def elsewhere(_: web.Request) -> web.Response:
    raise web.HTTPTemporaryRedirect("https://evil.example/token?code=planted")


async def broken(_: web.Request) -> web.Response:
    return web.Response(status=503, text="planted")


async def listed(_: web.Request) -> web.Response:
    return web.json_response([1])


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/device", "/jwks"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (page, "did not answer in JSON"),
        (elsewhere, "redirects to https://evil.example/token: no credential follows"),
        (broken, "in trouble"),
        (listed, "did not answer in JSON"),
        (fake_provider.never, "in time"),
        (fake_provider.drip, "in time"),
        (fake_provider.flood, "sends too much"),
    ],
)
async def test_a_provider_in_trouble(
    fake: FakeProvider, path: str, answer: Any, words: str
) -> None:
    fake.answers[path] = answer
    start = time.monotonic()
    with pytest.raises(ExchangeFailed, match=words) as caught:
        await by_code(oidc(fake, timeout=0.6))
    assert "planted" not in str(caught.value)
    assert time.monotonic() - start < 10


async def test_a_provider_that_is_down(fake: FakeProvider) -> None:
    one = oidc(fake)
    object.__setattr__(one.settings, "issuer", "http://127.0.0.1:1")
    one._documents.issuer = "http://127.0.0.1:1"
    with pytest.raises(ExchangeFailed, match="cannot be reached: the connection was refused") as it:
        await by_code(one)
    assert it.value.hint == "curl -v http://127.0.0.1:1/.well-known/openid-configuration"


async def test_what_is_no_provider_at_all(fake: FakeProvider) -> None:
    """An inference server with a key, say."""

    async def key_please(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "Invalid API Key"}}, status=401)

    fake.answers["/.well-known/openid-configuration"] = key_please
    words = r"no OpenID configuration at http://\S+ \(HTTP 401\)"
    with pytest.raises(ExchangeFailed, match=words) as caught:
        await by_code(oidc(fake))
    assert "oidc_issuer" in caught.value.hint


# --- the code on another screen


async def test_slow_down_and_a_provider_that_is_away_for_a_moment(fake: FakeProvider) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    fake.tokens = [
        {"error": "authorization_pending"},
        {"error": "slow_down"},
        {"error": "slow_down"},
        {"error": "authorization_pending"},
        {"error": "x", "status": 502},
        {"error": "authorization_pending"},
    ]
    tokens = await oidc(fake).login_by_device(lambda _: None, sleep=sleep)
    assert waits == [1, 1, 6, 11, 11, 22, 22]
    assert tokens.access
    assert fake.given == 1


async def test_a_provider_that_stays_away_while_we_ask(fake: FakeProvider) -> None:
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    fake.answers["/token"] = page
    one = Oidc(Exchange(), OidcClient(issuer=fake.issuer, client=CLIENT), clock=lambda: now)
    with pytest.raises(ExchangeFailed, match="did not answer in JSON"):
        await one.login_by_device(lambda _: None, sleep=sleep)
    assert [path for path, _ in fake.requests].count("/token") == 5


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("access_denied", "refused in the browser"),
        ("expired_token", "has expired"),
        ("invalid_grant", "invalid_grant"),
    ],
)
async def test_codes_that_come_to_nothing(fake: FakeProvider, error: str, words: str) -> None:
    fake.tokens = [{"error": error}, {"error": "authorization_pending"}]
    with pytest.raises(ExchangeRefused, match=words) as caught:
        await by_code(oidc(fake))
    assert caught.value.error == error
    assert len(fake.tokens) == 1


async def test_what_is_shown_moves_no_cursor(fake: FakeProvider) -> None:
    seen = []
    await oidc(fake).login_by_device(seen.append, sleep=at_once)
    assert seen[0].user_code == "ABCD"


async def test_no_secret_is_in_the_log(
    fake: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        tokens = await browse(fake, {})
        one = oidc(fake)
        renewed = await asyncio.to_thread(one.renew, tokens)
    assert renewed.refresh == "planted-refresh-2"
    shown = caplog.text + repr((tokens, renewed, one.settings, one))
    assert "planted" not in shown.replace(
        "planted-code", ""
    )  # aiohttp's own access log, of the fake
