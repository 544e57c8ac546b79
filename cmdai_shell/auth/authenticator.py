"""How a request says who asks: what every adapter needs of a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import aiohttp


class Request(Protocol):
    """What is about to be sent, for who signs it."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def data(self) -> bytes | None: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Authenticator(Protocol):
    """Credentials of one backend identity; its client keeps them with its connections alone."""

    @property
    def cure(self) -> str:
        """What to do about a server that refuses what ``headers`` gives; empty: it gives none."""

    async def headers(self, request: Request | None = None) -> Mapping[str, str]:
        """What this request carries; None: whether there is anything for it to carry. Raises
        BackendDenied with what to type when there is none."""

    async def invalidate(self) -> bool:
        """The server refused (401) what ``headers`` gave. True: ask again, they may be new."""

    def ssl(self) -> ssl.SSLContext | None:
        """For https: own authorities, a client certificate. None: the system's authorities."""

    def pin(self) -> aiohttp.Fingerprint | None:
        """Checked when a connection is made, before any byte of a request."""


class NoLogin:
    """A server that asks nobody who they are."""

    @property
    def cure(self) -> str:
        return ""

    async def headers(self, _: Request | None = None) -> Mapping[str, str]:
        return {}

    async def invalidate(self) -> bool:
        return False

    def ssl(self) -> ssl.SSLContext | None:
        return None

    def pin(self) -> aiohttp.Fingerprint | None:
        return None
