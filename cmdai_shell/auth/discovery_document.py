"""What an OpenID provider says of itself (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from cmdai_shell.auth.exchange import Exchange, ExchangeFailed, shown
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from cmdai_shell.core import Clock

KEPT_S = 3_600.0
PATH = "/.well-known/openid-configuration"

_Url = Annotated[str, Meta(max_length=2_000)]
_Words = Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=200)]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    issuer: _Url
    token_endpoint: _Url
    jwks_uri: _Url
    authorization_endpoint: _Url = ""
    device_authorization_endpoint: _Url = ""
    revocation_endpoint: _Url = ""
    scopes_supported: _Words = ()
    code_challenge_methods_supported: _Words = ()
    token_endpoint_auth_methods_supported: _Words = ()
    id_token_signing_alg_values_supported: _Words = ()
    authorization_response_iss_parameter_supported: bool = False

    def urls(self) -> tuple[str, ...]:
        """All to which something is sent."""
        given = (
            self.token_endpoint,
            self.jwks_uri,
            self.authorization_endpoint,
            self.device_authorization_endpoint,
            self.revocation_endpoint,
        )
        return tuple(url for url in given if url)


def parse(data: bytes, issuer: str) -> Document:
    """Raises ExchangeFailed, and ConfigError if it is another issuer's, or leads from
    https to http, whatever may be allowed to a host."""
    try:
        found = msgspec.json.decode(data, type=Document)
    except msgspec.MsgspecError:
        raise ExchangeFailed(
            f"what {shown(issuer)} says of itself is no OpenID discovery document",
            "see oidc_issuer in the environment",
        ) from None
    if found.issuer != issuer:
        raise ConfigError(
            f"{shown(issuer)} says that it is another issuer: {shown(found.issuer)}",
            f'oidc_issuer = "{shown(found.issuer)}", if you trust that one',
        )
    if issuer.lower().startswith("https:"):
        for url in found.urls():
            if not url.lower().startswith("https:"):
                raise ConfigError(f"{shown(issuer)} wants secrets over plain http: {shown(url)}")
    return found


class Documents:
    """Of one issuer; got again after an hour. Blocks."""

    def __init__(self, exchange: Exchange, issuer: str, clock: Clock = time.monotonic) -> None:
        self._exchange = exchange
        self.issuer = issuer
        self._clock = clock
        self._found: Document | None = None
        self._until = 0.0

    def get(self) -> Document:
        """Raises ExchangeFailed, ConfigError."""
        if self._found is None or self._clock() >= self._until:
            found = parse(self._exchange.get(self.issuer.removesuffix("/") + PATH), self.issuer)
            for url in found.urls():
                self._exchange.check(url)
            self._found, self._until = found, self._clock() + KEPT_S
        return self._found
