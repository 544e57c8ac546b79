"""Grants of OAuth 2.0 (RFC 6749) that need nobody at a browser. Everything here blocks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error, WebApplicationClient

from cmdai_shell.auth.exchange import Exchange, ExchangeFailed, ExchangeRefused, basic
from cmdai_shell.auth.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.core import Clock

ClientAuth = Literal["auto", "basic", "post"]
"""Where a client's secret goes: into the header, or the form; auto: the form if the header is
refused, which servers do that know only that."""


def granted(
    answer: Mapping[str, Any], *, origin: str, client: str, now: float, before: str = ""
) -> Tokens:
    """``before``: the refresh token that was used; it stays where none takes its place."""
    seconds = answer.get("expires_in")
    scope = answer.get("scope")
    return Tokens(
        origin=origin,
        client=client,
        obtained=now,
        access=str(answer.get("access_token") or ""),
        expires=now + max(float(seconds), 0.0) if isinstance(seconds, int | float) else 0.0,
        refresh=str(answer.get("refresh_token") or before),
        scope=scope if isinstance(scope, str) else " ".join(map(str, scope or ())),
    )


def asked(host: str, grant: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Raises ExchangeFailed, ExchangeRefused."""
    try:
        answer = grant()
    except OAuth2Error as error:
        raise ExchangeFailed(
            f"the identity provider {host} gave no token ({error.error})"
        ) from None
    if str(answer.get("token_type", "bearer")).lower() not in ("bearer", ""):
        raise ExchangeRefused(
            f"the identity provider {host} gives out tokens of a kind that is not known here"
        )
    return answer


class ClientCredentials:
    """A program's own login. ``renew`` is what a TokenKeeper calls. ``secret`` empty: the client's
    certificate, which the exchange's TLS context has, says who asks (RFC 8705)."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        token_url: str,
        client: str,
        secret: str,
        scope: str = "",
        client_auth: ClientAuth = "auto",
        wall: Clock = time.time,
    ) -> None:
        self._exchange = exchange
        self.origin = token_url
        self.client = client
        self._secret = secret
        self._scope = scope
        self._client_auth = client_auth
        self._wall = wall

    def __repr__(self) -> str:
        return f"ClientCredentials({self.origin!r}, {self.client!r})"

    def renew(self, _: Tokens | None = None) -> Tokens:
        if self._client_auth != "auto" or not self._secret:
            return self._fetch(self._client_auth if self._secret else "post")
        try:
            found = self._fetch("basic")
        except ExchangeRefused as error:
            if error.error != "invalid_client":
                raise
            found = self._fetch("post")
            self._client_auth = "post"
            return found
        self._client_auth = "basic"
        return found

    def _fetch(self, how: ClientAuth) -> Tokens:
        with self._exchange.session(BackendApplicationClient(self.client)) as session:
            answer = asked(
                self.origin,
                lambda: session.fetch_token(
                    self.origin,
                    auth=basic(self.client, self._secret) if how == "basic" else None,
                    include_client_id=how == "post",
                    client_secret=self._secret or None if how == "post" else None,
                    scope=self._scope or None,
                ),
            )
        return granted(answer, origin=self.origin, client=self.client, now=self._wall())


def refreshed(
    exchange: Exchange, tokens: Tokens, *, token_url: str, secret: str = "", wall: Clock = time.time
) -> Tokens:
    """By the refresh token. A server that rotates them has ended the old one when this returns:
    the new one has to be stored before anything else is done."""
    now = wall()
    with exchange.session(WebApplicationClient(tokens.client)) as session:
        answer = asked(
            token_url,
            lambda: session.refresh_token(
                token_url,
                refresh_token=tokens.refresh,
                auth=basic(tokens.client, secret) if secret else None,
                **({} if secret else {"client_id": tokens.client}),
            ),
        )
    made = granted(
        answer, origin=tokens.origin, client=tokens.client, now=now, before=tokens.refresh
    )
    return Tokens(
        **{
            **{name: getattr(made, name) for name in made.__struct_fields__},
            "who": tokens.who,
            "scope": made.scope or tokens.scope,
        }
    )
