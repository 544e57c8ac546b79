"""From an environment's file to a server that asks who we are: real TLS on loopback, a server of
the OpenAI dialect that computes, each scheme to the end."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from cmdai_shell.auth import pins
from cmdai_shell.backends import places
from cmdai_shell.config.environment import Environment
from tests.auth.pki import Pki
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cmdai_shell.core import Handshake


class House:
    """The server; ``seen`` are the paths and Authorization headers of all that reached it."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self.url = ""
        self.seen: list[tuple[str, str]] = []

    @asynccontextmanager
    async def serving(self, *, asks_client: bool = False) -> AsyncIterator[House]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pki.pem("server"), self.pki.key("server"))
        if asks_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.pki.ca)

        @web.middleware
        async def note(request: web.Request, handler: Any) -> web.StreamResponse:
            self.seen.append((request.path, request.headers.get("Authorization", "")))
            found: web.StreamResponse = await handler(request)
            return found

        app = FakeOpenAI().app()
        app.middlewares.append(note)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def handshake(self, **keys: Any) -> Handshake:
        made = Environment(id="lab", endpoints=(self.url,), tls_ca_path=str(self.pki.ca), **keys)
        (server,) = places.servers(made, environ={"KEY": "secret-key"})
        try:
            return await server.handshake(5.0)
        finally:
            await server.aclose()


@pytest.fixture
def house(tmp_path: Path) -> House:
    pki = Pki(tmp_path / "pki")
    pki.issue("server")
    pki.issue("client", "alice@example.org")
    return House(pki)


def certificate(house: House, name: str = "client") -> dict[str, str]:
    return {
        "auth_type": "mtls",
        "tls_cert_path": str(house.pki.pem(name)),
        "tls_key_path": str(house.pki.key(name)),
    }


async def test_an_authority_of_our_own(house: House):
    async with house.serving():
        assert (await house.handshake()).state == "ok"


async def test_a_client_certificate(house: House):
    async with house.serving(asks_client=True):
        assert (await house.handshake(**certificate(house))).state == "ok"


async def test_without_one_nothing_of_a_request_is_heard(house: House):
    async with house.serving(asks_client=True):
        found = await house.handshake()
        assert found.state in ("tls", "unreachable")
        assert house.seen == []


async def test_a_key_over_tls(house: House):
    async with house.serving():
        found = await house.handshake(auth_type="api_key", api_key_env="KEY")
        assert found.state == "ok"
        assert "Bearer secret-key" in {key for _, key in house.seen}


async def test_the_right_pin_and_a_wrong_one(house: House):
    async with house.serving():
        right = pins.written(pins.of_key(house.pki.der("server")))
        assert (await house.handshake(cert_pinning_sha256=right)).state == "ok"
        house.seen.clear()
        found = await house.handshake(cert_pinning_sha256="sha256/" + "A" * 43 + "=")
        assert found.state == "tls"
        assert "pinned" in found.detail
        assert house.seen == []


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"auth_type": "mtls"}, "needs a certificate"),
        ({"auth_type": "oidc", "oidc_issuer": "https://id.example.org"}, "oidc_client_id_env"),
        (
            {
                "auth_type": "oauth2",
                "oauth_token_url": "https://id.example.org/token",
                "oauth_client_id_env": "NOT_THERE",
            },
            "$NOT_THERE is not set",
        ),
    ],
)
async def test_what_is_missing_is_a_login_problem_that_names_it(
    house: House, keys: dict[str, Any], says: str
):
    """And no reason for the others not to answer: the configuration as a whole is good."""
    async with house.serving():
        found = await house.handshake(**keys)
        assert found.state == "login"
        assert says in found.detail
