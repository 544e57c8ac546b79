"""An OpenID provider that does what no real one will: wrong claims, wrong keys, wrong answers."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

CLIENT = "cmdai-cli"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
OTHER = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})


@dataclass
class FakeProvider:
    issuer: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    """What its discovery document says beside the usual."""
    claims: dict[str, Any] = field(default_factory=dict)
    """What the id_token says beside the usual; None leaves one out."""
    sign: Callable[[dict[str, Any]], str] | None = None
    keys: list[Any] = field(default_factory=lambda: [KEY])
    nonce: str = ""
    answers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(
        default_factory=dict
    )
    """By path, in the place of the usual one."""
    tokens: list[dict[str, Any]] = field(default_factory=list)
    """What the token endpoint says, one after the other, before the usual: with "status"."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lifetime: float = 60.0
    given: int = 0

    def id_token(self) -> str:
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "alice",
            "iat": now,
            "exp": now + 60,
            **({"nonce": self.nonce} if self.nonce else {}),
        }
        claims = {k: v for k, v in {**usual, **self.claims}.items() if v is not None}
        if self.sign:
            return self.sign(claims)
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        fields = {k: str(v) for k, v in (await request.post()).items()}
        self.requests.append((request.path, fields))
        self.headers.append(dict(request.headers))
        if request.path in self.answers:
            return await self.answers[request.path](request)
        match request.path:
            case "/.well-known/openid-configuration":
                return web.json_response(self._document())
            case "/jwks":
                return web.json_response(
                    {"keys": [key.as_dict(private=False) for key in self.keys]}
                )
            case "/device":
                return web.json_response(
                    {
                        "device_code": "planted-device-code",
                        "user_code": "AB\x1b[31mCD",
                        "verification_uri": f"{self.issuer}/enter",
                        "interval": "1",
                        "expires_in": 60,
                    }
                )
            case "/token":
                return self._token()
        return web.Response(status=404, text="nothing")

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "device_authorization_endpoint": f"{self.issuer}/device",
            "something": {"else": [1]},
            **self.document,
        }

    def _token(self) -> web.Response:
        if self.tokens:
            said = dict(self.tokens.pop(0))
            return web.json_response(said, status=said.pop("status", 400))
        self.given += 1
        return web.json_response(
            {
                "access_token": f"planted-access-{self.given}",
                "refresh_token": f"planted-refresh-{self.given}",
                "token_type": "Bearer",
                "expires_in": self.lifetime,
                "scope": "something narrower",
                "id_token": self.id_token(),
            }
        )


@asynccontextmanager
async def running() -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.serve)
    server = TestServer(app)
    await server.start_server()
    fake.issuer = f"http://127.0.0.1:{server.port}"
    try:
        yield fake
    finally:
        await server.close()


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def symmetric(claims: dict[str, Any]) -> str:
    """Signed by HS256, with the public key as its secret: as an attacker can."""
    header = {"alg": "HS256", "kid": "one"}
    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    secret = KEY.as_pem(private=False)
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), 'sha256'))}"


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def drip(request: web.Request) -> web.StreamResponse:
    """A byte each 50 ms: no single read takes long."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(600):
        await answer.write(b" ")
        await asyncio.sleep(0.05)
    return answer


async def flood(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(1_000):
        await answer.write(b" " * 65_536)
    return answer
