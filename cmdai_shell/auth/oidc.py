"""A person's login at an OpenID provider: by browser (authorization code with PKCE on a loopback
port) or with a code on another screen; renewed by the refresh token; revoked at logout.

What goes to a server afterwards is the access token. The id_token says who logged in, is checked
when it comes, and is not kept.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from oauthlib.oauth2 import DeviceClient, WebApplicationClient

from cmdai_shell.auth import device, id_token, loopback
from cmdai_shell.auth.blocking import aside
from cmdai_shell.auth.discovery_document import Documents
from cmdai_shell.auth.exchange import Exchange, ExchangeFailed, ExchangeRefused, basic, shown
from cmdai_shell.auth.oauth2 import asked, granted, refreshed
from cmdai_shell.errors import CmdaiError, ConfigError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.auth.device import DeviceCode, Sleep
    from cmdai_shell.auth.discovery_document import Document
    from cmdai_shell.auth.tokens import Tokens
    from cmdai_shell.core import Clock

T = TypeVar("T")

BROWSER_S = 300.0
"""That a person has in the browser."""
_SLACK_S = 5.0
_TEXT_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcClient:
    """How we are known to the identity provider. ``secret`` is empty for a public client, which
    PKCE protects. ``scope``: beyond openid, offline_access, email and profile."""

    issuer: str
    client: str
    secret: str = ""
    scope: str = ""
    redirect_uri: str = "http://localhost:8888/callback"

    def __repr__(self) -> str:
        return f"OidcClient({self.issuer!r}, {self.client!r})"


class Oidc:
    """``renew`` and ``revoke`` block, for a TokenKeeper; the logins are for the event loop."""

    def __init__(
        self,
        exchange: Exchange,
        client: OidcClient,
        *,
        wall: Clock = time.time,
        clock: Clock = time.monotonic,
    ) -> None:
        exchange.check(client.issuer)
        self._exchange = exchange
        self.settings = client
        self._documents = Documents(exchange, client.issuer, clock)
        self._keys = id_token.Keys(exchange, clock)
        self._wall = wall
        self._clock = clock

    @property
    def origin(self) -> str:
        return self.settings.issuer

    @property
    def client(self) -> str:
        return self.settings.client

    async def login_by_browser(
        self, open_browser: Callable[[str], object], timeout: float = BROWSER_S
    ) -> Tokens:
        """``open_browser`` gets the address, when a port listens for the answer already. Raises
        ExchangeFailed, ExchangeRefused, ConfigError."""
        document = await self._aside(self._documents.get)
        if not document.authorization_endpoint:
            raise ConfigError(f"{shown(self.origin)} knows no login by browser", "use a code")
        state, nonce, verifier = (secrets.token_urlsafe(_TEXT_BYTES) for _ in range(3))
        async with loopback.listening(self.settings.redirect_uri, state) as callback:
            open_browser(self._address(document, callback.uri, state, nonce, verifier))
            try:
                async with asyncio.timeout(timeout):
                    answer = await callback.answer()
            except TimeoutError:
                raise ExchangeRefused(
                    f"nobody logged in within {timeout:.0f} s",
                    "without a browser here, log in with a code",
                ) from None
        code = self._code(answer, document)
        uri = callback.uri
        return await self._aside(lambda: self._by_code(document, code, uri, nonce, verifier))

    async def login_by_device(
        self, show: Callable[[DeviceCode], object], sleep: Sleep = asyncio.sleep
    ) -> Tokens:
        """``show`` gets what the person has to enter, and where. Raises as the other one."""
        document = await self._aside(self._documents.get)
        if not document.device_authorization_endpoint:
            raise ConfigError(f"{shown(self.origin)} knows no login with a code", "use a browser")
        code = await self._aside(lambda: self._device_code(document))
        show(code)

        async def poll() -> Mapping[str, Any]:
            return await self._aside(lambda: self._by_device(document, code))

        answer = await device.wait(code, poll, sleep=sleep, clock=self._clock)
        return await self._aside(lambda: self._tokens(document, answer, nonce=None))

    def renew(self, tokens: Tokens | None) -> Tokens:
        """Raises ExchangeFailed, ExchangeRefused, ConfigError."""
        if tokens is None:
            raise ExchangeRefused("nobody is logged in", "", "login_required")
        url = self._documents.get().token_endpoint
        return refreshed(
            self._exchange, tokens, token_url=url, secret=self.settings.secret, wall=self._wall
        )

    def revoke(self, tokens: Tokens) -> str:
        """Ends the login at the identity provider (RFC 7009); empty, or why it could not be
        done."""
        token = tokens.refresh or tokens.access
        if not token:
            return ""
        try:
            url = self._documents.get().revocation_endpoint
            if not url:
                return f"{shown(self.origin)} cannot end a login before its time"
            hint = "refresh_token" if tokens.refresh else "access_token"
            self._post(url, {"token": token, "token_type_hint": hint}, may_be_empty=True)
        except CmdaiError as error:
            return error.message
        return ""

    def _address(self, document: Document, uri: str, state: str, nonce: str, verifier: str) -> str:
        challenge = WebApplicationClient(self.client).create_code_challenge(verifier, "S256")
        scope = self._scope(document)
        fields = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": uri,
            "scope": scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            # without it a provider need not give out a refresh token (OpenID Connect Core, 11)
            **({"prompt": "consent"} if "offline_access" in scope.split() else {}),
        }
        url = document.authorization_endpoint
        return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(fields)}"

    def _scope(self, document: Document) -> str:
        """Some providers refuse what they do not know."""
        known = document.scopes_supported
        wanted = ("offline_access", "email", "profile")
        usual = [it for it in wanted if it in known or (not known and it == "offline_access")]
        return " ".join(dict.fromkeys(("openid", *usual, *self.settings.scope.split())))

    def _code(self, answer: Mapping[str, str], document: Document) -> str:
        """Of a mix-up of two providers the ``iss`` tells (RFC 9207)."""
        says_iss = document.authorization_response_iss_parameter_supported
        if answer.get("iss", "" if says_iss else self.origin) != self.origin:
            raise ExchangeRefused("the browser came back from another identity provider")
        if error := answer.get("error"):
            words = visible(answer.get("error_description") or error).replace("\n", " ")[:200]
            if error == "access_denied":
                words = "the login was refused in the browser"
            raise ExchangeRefused(words, "", visible(error)[:60])
        if not answer.get("code"):
            raise ExchangeRefused("the browser came back without a code")
        return answer["code"]

    def _by_code(
        self, document: Document, code: str, uri: str, nonce: str, verifier: str
    ) -> Tokens:
        client = WebApplicationClient(self.client)
        with self._exchange.session(client, redirect_uri=uri) as session:
            answer = asked(
                document.token_endpoint,
                lambda: session.fetch_token(
                    document.token_endpoint,
                    code=code,
                    code_verifier=verifier,
                    **self._client_fields(),
                ),
            )
        return self._tokens(document, answer, nonce=nonce)

    def _device_code(self, document: Document) -> DeviceCode:
        fields = {"scope": self._scope(document)}
        return device.parse(self._post(document.device_authorization_endpoint, fields))

    def _by_device(self, document: Document, code: DeviceCode) -> Mapping[str, Any]:
        with self._exchange.session(DeviceClient(self.client)) as session:
            return asked(
                document.token_endpoint,
                lambda: session.fetch_token(
                    document.token_endpoint,
                    device_code=code.device_code,
                    **self._client_fields(),
                ),
            )

    def _client_fields(self) -> dict[str, Any]:
        if self.settings.secret:
            auth = basic(self.client, self.settings.secret)
            return {"auth": auth, "include_client_id": False}
        return {"include_client_id": True}

    def _post(self, url: str, fields: dict[str, str], *, may_be_empty: bool = False) -> bytes:
        secret = self.settings.secret
        auth = basic(self.client, secret) if secret else None
        more = {} if secret else {"client_id": self.client}
        return self._exchange.post(url, {**fields, **more}, auth, may_be_empty=may_be_empty)

    def _tokens(
        self, document: Document, answer: Mapping[str, Any], *, nonce: str | None
    ) -> Tokens:
        """What was given out, once the id_token is found good."""
        now = self._wall()
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ExchangeRefused(
                "the identity provider gave no id_token", "allow the scope openid for the client"
            )
        claims = id_token.verified(
            token, lambda again: self._keys.get(document.jwks_uri, again=again)
        )
        id_token.check(claims, issuer=self.origin, client=self.client, nonce=nonce, now=now)
        made = granted(answer, origin=self.origin, client=self.client, now=now)
        if not made.access:
            raise ExchangeFailed("the identity provider gave no access token")
        return msgspec.structs.replace(made, who=id_token.who(claims))

    async def _aside(self, work: Callable[[], T]) -> T:
        try:
            return await aside(2 * self._exchange.timeout + _SLACK_S, work)
        except TimeoutError:
            raise ExchangeFailed(
                f"the identity provider {shown(self.origin)} does not answer in time"
            ) from None
