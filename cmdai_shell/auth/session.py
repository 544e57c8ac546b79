"""A login that lasts: what a server's requests carry, and what ``auth status`` says of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cmdai_shell.auth.carrying import Allowed, only_this_machine, require
from cmdai_shell.auth.keychain import CredentialsUnavailable
from cmdai_shell.auth.tls import OverTls
from cmdai_shell.auth.tokens import in_words
from cmdai_shell.errors import BackendDenied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.auth.authenticator import Request
    from cmdai_shell.auth.keeper import TokenKeeper
    from cmdai_shell.auth.store import CredentialStore
    from cmdai_shell.auth.tls import Tls
    from cmdai_shell.auth.tokens import Tokens
    from cmdai_shell.core import Clock

LoginState = Literal["in", "out", "ended", "locked", "missing"]
"""Out and ended: somebody has to log in. Locked: the keychain is. Missing: what was to be set."""


class OAuth(OverTls):
    """A bearer token for the server at ``url``, renewed in time."""

    def __init__(
        self,
        keeper: TokenKeeper,
        *,
        url: str,
        allowed: Allowed = only_this_machine,
        tls: Tls | None = None,
    ) -> None:
        super().__init__(tls)
        self._keeper = keeper
        self._url = url
        self._allowed = allowed

    def __repr__(self) -> str:
        return f"OAuth({self._keeper.environment!r})"

    @property
    def cure(self) -> str:
        return f"cmdai-shell auth login --environment {self._keeper.environment}"

    async def headers(self, _: Request | None = None) -> Mapping[str, str]:
        require(self._url, self._allowed)
        await self.tls.refresh()
        token = await self._keeper.access()
        if not (token.isascii() and token.isprintable()):
            raise BackendDenied("what the identity provider gave out cannot be a token")
        return {"Authorization": f"Bearer {token}"}

    async def invalidate(self) -> bool:
        return await self._keeper.invalidate()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginStatus:
    environment: str
    state: LoginState
    words: str
    """One line for a person."""
    hint: str = ""
    who: str = ""
    expires: float = 0.0
    """Of the access token, Unix time; 0: not said."""
    is_renewable: bool = False
    where: str = ""


async def status(
    keeper: TokenKeeper, store: CredentialStore | None, wall: Clock = time.time
) -> LoginStatus:
    """Asks nobody but the store."""
    environment = keeper.environment
    login = f"cmdai-shell auth login --environment {environment}"
    where = await store.where() if store else "in memory only"
    try:
        tokens = await keeper.known()
    except CredentialsUnavailable as error:
        return LoginStatus(
            environment=environment,
            state="locked",
            words=error.message,
            hint=error.hint,
            where=where,
        )
    state, words = _described(tokens, wall(), needs_login=store is not None)
    return LoginStatus(
        environment=environment,
        state=state,
        words=words,
        hint="" if state == "in" else login,
        who=tokens.who if tokens else "",
        expires=tokens.expires if tokens else 0.0,
        is_renewable=bool(tokens and tokens.refresh),
        where=where,
    )


def _described(tokens: Tokens | None, now: float, *, needs_login: bool) -> tuple[LoginState, str]:
    if not needs_login:
        return "in", "the program's own credentials: nobody has to log in"
    if tokens is None:
        return "out", "nobody is logged in"
    if tokens.ended:
        return "ended", tokens.ended
    who = f"logged in as {tokens.who}" if tokens.who else "logged in"
    left = in_words(tokens.expires - now)
    if tokens.is_valid(now):
        return "in", lasting(who, tokens.expires, now, is_renewed=bool(tokens.refresh))
    if tokens.refresh:
        return "in", f"{who}; the token ended {left} ago and is renewed at the next request"
    return "ended", f"the login ended {left} ago"


def lasting(words: str, expires: float, now: float, *, is_renewed: bool) -> str:
    """``words``, and until when that is so. ``expires`` 0: it was not said."""
    until = f", for {in_words(expires - now)} more" if expires else ""
    return f"{words}{until}{', then renewed by itself' * is_renewed}"
