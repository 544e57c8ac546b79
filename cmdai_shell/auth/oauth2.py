"""Grants of OAuth 2.0 (RFC 6749) that need nobody at a browser. Everything here blocks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error

from cmdai_shell.auth import token_answer
from cmdai_shell.auth.exchange import Exchange, ExchangeFailed, ExchangeRefused, basic
from cmdai_shell.auth.tokens import Tokens
from cmdai_shell.errors import CmdaiError
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.core import Clock

ClientAuth = Literal["auto", "basic", "post"]
"""Where a client's secret goes: into the header, or the form; auto: the form if the header is
refused, which servers do that know only that."""


def granted(
    answer: Mapping[str, Any], *, origin: str, client: str, now: float, before: str = ""
) -> Tokens:
    """``answer``: as ``token_answer.usable`` has it, and oauthlib after it. ``before``: the refresh
    token that was used; it stays where none takes its place."""
    seconds = answer.get("expires_in")
    scope = answer.get("scope")
    return Tokens(
        origin=origin,
        client=client,
        obtained=now,
        access=str(answer.get("access_token") or ""),
        expires=now + seconds if seconds else 0.0,
        refresh=str(answer.get("refresh_token") or before),
        scope=scope if isinstance(scope, str) else " ".join(map(str, scope or ())),
    )


def asked(host: str, grant: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Raises ExchangeFailed, ExchangeRefused."""
    try:
        answer = grant()
    except OAuth2Error as error:
        raise _no_token(host, error.error) from None
    except CmdaiError:
        raise
    except Exception as error:  # a library's, of an answer that nobody foresaw
        raise _no_token(host, type(error).__name__) from None
    if not _is_known(answer):
        raise ExchangeRefused(
            f"the identity provider {host} gives out tokens of a kind that is not known here"
        )
    return answer


def _no_token(host: str, why: str) -> ExchangeFailed:
    return ExchangeFailed(f"the identity provider {host} gave no token ({one_line(why, 60)})")


def _is_known(answer: Mapping[str, Any]) -> bool:
    return str(answer.get("token_type", "bearer")).lower() == "bearer"


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
    the new one has to be stored before anything else is done. So it is returned whatever else is
    wrong, without an access token then. Raises ExchangeFailed, ExchangeRefused."""
    now = wall()
    fields = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
    if not secret:
        fields["client_id"] = tokens.client
    auth = basic(tokens.client, secret) if secret else None
    answer = token_answer.usable(token_answer.read(exchange.post(token_url, fields, auth)))
    if "access_token" not in answer and "refresh_token" not in answer:
        raise _no_token(token_url, answer.get("error", "missing_token"))
    if not _is_known(answer):
        answer.pop("access_token", None)
    made = granted(
        answer, origin=tokens.origin, client=tokens.client, now=now, before=tokens.refresh
    )
    return msgspec.structs.replace(made, who=tokens.who, scope=made.scope or tokens.scope)
