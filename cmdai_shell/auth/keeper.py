"""The tokens of one environment: read, renewed in time, and by one process at a time.

A renewal is begun in a thread of its own, which stores what it got before anybody uses it. A press
that is cancelled, or does not want to wait, does not stop it, and the program ends after it: a
refresh token that is given out and not stored would be a login lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

import msgspec

from cmdai_shell.auth import tokens as kept_tokens
from cmdai_shell.auth.blocking import aside, begin
from cmdai_shell.auth.exchange import ExchangeFailed, ExchangeRefused
from cmdai_shell.auth.keychain import CredentialsUnavailable
from cmdai_shell.errors import BackendDenied, CmdaiError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from cmdai_shell.auth.store import CredentialStore
    from cmdai_shell.auth.tokens import Tokens
    from cmdai_shell.core import Clock

Renew: TypeAlias = "Callable[[Tokens | None], Tokens]"
"""Blocks. Raises ExchangeFailed, ExchangeRefused, ConfigError."""

TIMEOUT_S = 15.0
"""That a request waits for a renewal, which itself may go on."""
LOCK_S = 30.0
"""For another process that renews."""
FORCED_S = 60.0
"""A server that refuses one new token after the other is not believed more often."""
_JUST_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 2.0, 60.0
_ENDED = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})

log = logging.getLogger(__name__)


class LoginNeeded(CmdaiError):
    """Only a person can go on."""

    code = "login-needed"


def lock_of(environment: str) -> str:
    """The file of the store's folder that is held by who changes its tokens."""
    return f"{quote(environment, safe='')}.lock"


class TokenKeeper:
    """``store`` None: nobody has to log in (client credentials), and nothing is kept on disk."""

    def __init__(
        self,
        environment: str,
        renew: Renew,
        *,
        origin: str,
        client: str,
        store: CredentialStore | None,
        ahead: float = 300.0,
        wall: Clock = time.time,
        clock: Clock = time.monotonic,
        timeout: float = TIMEOUT_S,
    ) -> None:
        self.environment = environment
        self._renew = renew
        self._origin = origin
        self._client = client
        self._store = store
        self._ahead = ahead
        self._wall = wall
        self._clock = clock
        self._timeout = timeout
        self._tokens: Tokens | None = None
        self._unsaved: Tokens | None = None
        self._rejected = ""
        self._forced = -FORCED_S
        self._running: Future[Tokens] | None = None
        self._failure: CmdaiError | None = None
        self._wait = 0.0
        self._retry_at = 0.0

    def __repr__(self) -> str:
        return f"TokenKeeper({self.environment!r})"

    async def access(self) -> str:
        """A token to send. Raises BackendDenied with what to type."""
        if not self._is_good(self._tokens) and self._store:
            await self._look()
        tokens = self._tokens
        if tokens and self._is_good(tokens):
            is_due = not tokens.is_fresh(self._wall(), self._ahead)
            if (is_due or self._unsaved) and self._may_try():
                self._begin()
            return tokens.access
        return (await self._renewed()).access

    async def invalidate(self) -> bool:
        """The server refused what ``access`` gave: it is renewed once, whenever it ends."""
        tokens = self._tokens
        if tokens is None:
            return True
        if self._wall() - tokens.obtained < _JUST_S:
            return True  # it is newer than the one that was refused
        if self._clock() - self._forced < FORCED_S:
            return False
        self._forced = self._clock()
        self._rejected = tokens.access
        return True

    async def rotate(self) -> None:
        """New tokens now, however long the old ones would live. Raises BackendDenied."""
        if self._store:
            await self._look()
        self._rejected = self._tokens.access if self._tokens else ""
        self._retry_at = 0.0
        await self._renewed()

    def forget(self) -> None:
        """What is stored has changed: it is read again."""
        self._tokens = self._failure = None
        self._retry_at = self._wait = 0.0

    async def known(self) -> Tokens | None:
        """Without asking anybody but the store. Raises CredentialsUnavailable."""
        if self._store:
            with suppress(TimeoutError):
                return await aside(self._timeout, self._stored)
        return self._tokens

    async def put(self, tokens: Tokens) -> None:
        """After a login. Waits for a renewal that runs. Raises CmdaiError."""
        await aside(LOCK_S + self._timeout, lambda: self._put(tokens))
        self.forget()
        self._tokens, self._rejected = tokens, ""

    def _is_good(self, tokens: Tokens | None) -> bool:
        return bool(tokens and tokens.is_valid(self._wall()) and tokens.access != self._rejected)

    def _may_try(self) -> bool:
        return self._failure is None or self._clock() >= self._retry_at

    async def _look(self) -> None:
        """Another process may have tokens for us already: that is known at once."""
        with suppress(TimeoutError, CmdaiError):
            self._tokens = await aside(self._timeout, self._stored) or self._tokens

    async def _renewed(self) -> Tokens:
        try:
            if not self._may_try() and self._failure:
                raise self._failure
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(self._begin())
        except TimeoutError:
            raise BackendDenied(
                "the identity provider does not answer in time", "cmdai-shell doctor"
            ) from None
        except LoginNeeded as error:
            raise BackendDenied(error.message, error.hint) from None
        except CmdaiError as error:
            hint = error.hint or f"cmdai-shell auth status --environment {self.environment}"
            raise BackendDenied(error.message, hint) from None

    def _begin(self) -> Future[Tokens]:
        if self._running is None or self._running.done():
            self._running = begin(self._work, is_precious=self._store is not None)
        return self._running

    def _work(self) -> Tokens:
        try:
            found = self._under_lock()
        except CmdaiError as error:
            self._failed(error, error.code)
            raise
        except Exception as error:  # of a library or of the disk: who waits knows ours alone
            name = type(error).__name__
            failure = ExchangeFailed(f"the login at {self._origin} cannot be renewed ({name})")
            self._failed(failure, name)
            raise failure from None
        self._failure, self._wait = None, 0.0
        self._tokens = found
        if found.access == self._rejected:  # a chain that insists knows no better one
            self._rejected = ""
        return found

    def _failed(self, failure: CmdaiError, why: str) -> None:
        self._failure = failure
        if isinstance(failure, ExchangeFailed | ExchangeRefused):
            self._wait = min(max(2 * self._wait, _FIRST_WAIT_S), _LONGEST_WAIT_S)
            self._retry_at = self._clock() + self._wait
        log.info("a token was not renewed", extra={"fields": {"why": why}})

    def _under_lock(self) -> Tokens:
        store = self._store
        if store is None:
            return self._renew(None)
        try:
            with store.folder.held(lock_of(self.environment), LOCK_S):
                return self._renew_stored(store)
        except TimeoutError:
            raise ExchangeFailed(
                f"another process has been renewing the login for {LOCK_S:.0f} s"
            ) from None

    def _renew_stored(self, store: CredentialStore) -> Tokens:
        kept = self._stored()
        if kept and kept.is_fresh(self._wall(), self._ahead) and kept.access != self._rejected:
            if kept is self._unsaved:
                self._save(kept)
            return kept  # another process was first
        if kept is None or kept.ended or not kept.refresh:
            raise self._login_needed(kept)
        store.check()
        try:
            fresh = self._renew(kept)
        except ExchangeRefused as error:
            if error.error not in _ENDED:
                raise
            ended = msgspec.structs.replace(
                kept, access="", refresh="", ended="the identity provider has ended the login"
            )
            self._save(ended)
            raise self._login_needed(ended) from None
        self._save(fresh)
        if not fresh.access:
            raise ExchangeFailed(f"{self._origin} renewed the login without an access token")
        return fresh

    def _login_needed(self, kept: Tokens | None) -> LoginNeeded:
        why = "nobody is logged in" if kept is None else kept.ended or "the login has ended"
        return LoginNeeded(
            f"{why} at {self._origin}",
            f"cmdai-shell auth login --environment {self.environment}",
        )

    def _stored(self) -> Tokens | None:
        """What is in the store, or what could not be put there yet."""
        store = self._store
        if store is None:
            return None
        text = store.read(self.environment, "tokens")
        found = kept_tokens.read(text, origin=self._origin, client=self._client)
        unsaved = self._unsaved
        if unsaved and (found is None or found.obtained < unsaved.obtained):
            return unsaved
        return found

    def _save(self, tokens: Tokens) -> None:
        """One that cannot be stored is used all the same, and stored with the next."""
        assert self._store is not None  # noqa: S101
        try:
            self._store.write(self.environment, "tokens", tokens.written())
            self._unsaved = None
        except Exception as error:  # whatever it is, the login is not to be lost
            self._unsaved = tokens
            why = error.message if isinstance(error, CmdaiError) else type(error).__name__
            log.warning("tokens cannot be stored", extra={"fields": {"why": why}})

    def _put(self, tokens: Tokens) -> None:
        store = self._store
        if store is None:
            raise ConfigError(f"{self.environment} needs no login")
        try:
            with store.folder.held(lock_of(self.environment), LOCK_S):
                store.write(self.environment, "tokens", tokens.written())
        except TimeoutError:
            raise CredentialsUnavailable(
                f"another process has been renewing the login for {LOCK_S:.0f} s"
            ) from None
