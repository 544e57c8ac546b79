"""How a request says who asks: what every adapter needs of a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

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
