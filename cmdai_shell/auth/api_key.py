"""An API key: from the store, an environment variable, or a command."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cmdai_shell.auth.blocking import aside
from cmdai_shell.auth.carrying import Allowed, only_this_machine, require
from cmdai_shell.auth.command import TIMEOUT_S, output, words
from cmdai_shell.auth.tls import OverTls
from cmdai_shell.errors import BackendDenied, CmdaiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmdai_shell.auth.authenticator import Request
    from cmdai_shell.auth.store import CredentialStore
    from cmdai_shell.auth.tls import Tls
    from cmdai_shell.core import Clock

_RESTART = "cmdai-shell daemon restart"
KEPT_S = 300.0
"""A key that took time to get is not got again so long."""


class KeySource(Protocol):
    title: str
    """Where it is from, for a person."""
    cure: str
    """What to type for another one."""

    async def get(self) -> str:
        """Raises BackendDenied with what to type."""

    def forget(self) -> bool:
        """True: the next one may be another."""


def unset(variable: str, *, by_daemon: bool = False) -> tuple[str, str]:
    """That it is not set, in words, and what to type. A daemon has the variables of whoever started
    it: the person who reads this may well have set it since."""
    if by_daemon:
        return f"the daemon was started without ${variable}", f"{_RESTART}, where it is set"
    return f"${variable} is not set", _export(variable)


def _export(variable: str) -> str:
    return f"export {variable}=..., then {_RESTART}"


class FromVariable:
    """Read anew for each request."""

    def __init__(
        self,
        variable: str,
        environ: Mapping[str, str] = os.environ,
        *,
        by_daemon: bool = False,
    ) -> None:
        self.title = f"${variable}"
        self.cure = f"{_RESTART}, where {self.title} is right" if by_daemon else _export(variable)
        self._variable = variable
        self._environ = environ
        self._by_daemon = by_daemon

    async def get(self) -> str:
        key = self._environ.get(self._variable, "").strip()
        if not key:
            what, cure = unset(self._variable, by_daemon=self._by_daemon)
            raise BackendDenied(
                what if self._by_daemon else f"the API key is missing: {what}", cure
            )
        return key

    def forget(self) -> bool:
        return False


class _Kept:
    """Got by one at a time, and kept for ``KEPT_S``."""

    def __init__(self, title: str, cure: str, clock: Clock) -> None:
        self.title = title
        self.cure = cure
        self._clock = clock
        self._key = ""
        self._until = 0.0
        self._one = asyncio.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.title!r})"

    async def get(self) -> str:
        async with self._one:
            if not self._key or self._clock() >= self._until:
                self._key = (await self._fetch()).strip()
                self._until = self._clock() + KEPT_S
            return self._key

    def forget(self) -> bool:
        had, self._key = bool(self._key), ""
        return had

    async def _fetch(self) -> str:
        raise NotImplementedError


class FromStore(_Kept):
    def __init__(
        self, store: CredentialStore, environment: str, clock: Clock = time.monotonic
    ) -> None:
        login = f"cmdai-shell auth login --environment {environment}"
        super().__init__("the credential store", login, clock)
        self._store = store
        self._environment = environment

    async def _fetch(self) -> str:
        try:
            found = await self._store.get(self._environment, "api-key")
        except CmdaiError as error:
            raise BackendDenied(error.message, error.hint) from None
        if not found:
            raise BackendDenied(f"no API key is stored for {self._environment}", self.cure)
        return found


class FromCommand(_Kept):
    """Run without a shell, and never by two presses at once."""

    def __init__(
        self,
        command: str | Sequence[str],
        clock: Clock = time.monotonic,
        timeout: float = TIMEOUT_S,
    ) -> None:
        """Raises ConfigError for what is no command."""
        self._command = words(command)
        super().__init__(
            f"the command {Path(self._command[0]).name}",
            "run what api_key_command says: does it print the right key?",
            clock,
        )
        self._timeout = timeout

    async def _fetch(self) -> str:
        try:
            return await aside(
                2 * self._timeout, lambda: output(self._command, timeout=self._timeout)
            )
        except TimeoutError:
            raise BackendDenied(f"{self.title} does not end", "run it yourself") from None


class ApiKey(OverTls):
    """``header`` empty: ``Authorization: Bearer``; any other one carries the bare key.

    ``url`` is the server's; over plain http the key goes to ``allowed`` hosts alone."""

    def __init__(
        self,
        source: KeySource,
        *,
        url: str,
        header: str = "",
        allowed: Allowed = only_this_machine,
        tls: Tls | None = None,
    ) -> None:
        super().__init__(tls)
        self._source = source
        self._url = url
        self._header = header
        self._allowed = allowed

    def __repr__(self) -> str:
        return f"ApiKey({self._source.title!r}, {self._header!r})"

    @property
    def cure(self) -> str:
        return self._source.cure

    async def headers(self, _: Request | None = None) -> Mapping[str, str]:
        require(self._url, self._allowed)
        await self.tls.refresh()
        key = await self._source.get()
        if not (key.isascii() and key.isprintable()):
            raise BackendDenied(f"what is in {self._source.title} cannot be an API key")
        if self._header.lower() in ("", "authorization"):
            return {"Authorization": f"Bearer {key}"}
        return {self._header: key}

    async def invalidate(self) -> bool:
        return self._source.forget()
