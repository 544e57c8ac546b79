"""How a request says who asks: what every adapter needs of a login, and the plain API key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from cmdai_shell.errors import BackendDenied

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import aiohttp


class Authenticator(Protocol):
    """Credentials of one backend identity; its client keeps them with its connections alone."""

    async def headers(self) -> Mapping[str, str]:
        """What each request carries. Raises BackendDenied with what to type when there is none."""

    async def invalidate(self) -> bool:
        """The server refused (401) what ``headers`` gave. True: ask again, they may be new."""

    def ssl(self) -> ssl.SSLContext | None:
        """For https: own authorities, a client certificate. None: the system's authorities."""

    def pin(self) -> aiohttp.Fingerprint | None:
        """Checked when a connection is made, before any byte of a request."""


class NoLogin:
    """A server that asks nobody who they are."""

    async def headers(self) -> Mapping[str, str]:
        return {}

    async def invalidate(self) -> bool:
        return False

    def ssl(self) -> ssl.SSLContext | None:
        return None

    def pin(self) -> aiohttp.Fingerprint | None:
        return None


class ApiKey(NoLogin):
    """A key from an environment variable, read anew for each request; never kept, never shown.

    ``header`` empty: ``Authorization: Bearer``, as vLLM, TGI, NIM and OpenAI document it. Azure
    OpenAI documents ``api-key``, which carries the bare key, as every other header does here.
    """

    def __init__(
        self, variable: str, header: str = "", environ: Mapping[str, str] = os.environ
    ) -> None:
        self._variable = variable
        self._header = header
        self._environ = environ

    def __repr__(self) -> str:
        return f"ApiKey({self._variable!r}, {self._header!r})"

    async def headers(self) -> Mapping[str, str]:
        key = self._environ.get(self._variable, "").strip()
        if not key:
            raise BackendDenied(
                f"the API key is missing: ${self._variable} is not set",
                f"export {self._variable}=..., then cmdai-shell daemon restart",
            )
        if not (key.isascii() and key.isprintable()):
            raise BackendDenied(f"what is in ${self._variable} cannot be an API key")
        if self._header.lower() in ("", "authorization"):
            return {"Authorization": f"Bearer {key}"}
        return {self._header: key}
