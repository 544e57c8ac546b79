"""The API server over HTTP: JSON in, bounded; whatever goes wrong is a ``Fault``."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from cmdai_shell import __version__
from cmdai_shell.discovery.cluster.shapes import items, mapping, text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from cmdai_shell.core import Clock
    from cmdai_shell.discovery.cluster.login import Login, Logins

Cause = Literal["lost", "login", "rights", "absent", "gone"]

CONNECT_S, ANSWER_S = 5.0, 20.0
WATCH_S = 240
"""After so long the API server ends a watch, and we begin it again where it ended."""
SILENT_S = WATCH_S + 20.0
"""A watch that lasts longer hangs on a connection that is none any more."""
LIMIT = 250
"""Objects asked for at once."""
MOST_PAGES = 40
MOST_BYTES = 32 << 20
"""Of one answer. An object is some 2 kB, and 1.5 MB at most."""
LONGEST_LINE = 2 << 20
RENEW_S = 10.0
"""A login that is younger than this and refused is refused."""

_LOST = (aiohttp.ClientError, OSError, ValueError, HttpProcessingError)
"""The last two are of lines that are too long, by aiohttp's version."""
_CAUSES: dict[int, Cause] = {401: "login", 403: "rights", 404: "absent", 410: "gone"}


class Fault(Exception):
    """``lost``: no answer, or one that another try may change (``status`` 0: none at all)."""

    def __init__(self, cause: Cause, detail: str, status: int = 0) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail
        self.status = status
        self.login = 0
        """The number of the login that was used."""


class Api:
    """Connections with one login, which ``renew`` makes anew. Close it."""

    def __init__(self, logins: Logins, *, clock: Clock = time.monotonic) -> None:
        self._logins = logins
        self._clock = clock
        self._current: tuple[Login, aiohttp.ClientSession] | None = None
        self._old: aiohttp.ClientSession | None = None
        self._made_at = 0.0
        self._number = 0
        self._lock = asyncio.Lock()

    async def open(self) -> Login:
        """Raises DiscoveryError."""
        return (await self._opened())[0]

    async def renew(self, number: int) -> bool:
        """Another login than that one; False if it is new itself. Raises DiscoveryError."""
        async with self._lock:
            if number != self._number:
                return True
            if self._clock() - self._made_at < RENEW_S:
                return False
            await self._renew(anew=True)
            return True

    async def aclose(self) -> None:
        for session in (self._old, self._current[1] if self._current else None):
            if session:
                await session.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        async with self._asked("GET", path, query or {}) as response:
            return await _document(response)

    async def post(self, path: str, body: object) -> dict[str, Any]:
        async with self._asked("POST", path, {}, msgspec.json.encode(body)) as response:
            return await _document(response)

    async def all(self, path: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
        """Every object, page by page, and the version that a watch goes on from."""
        found: list[dict[str, Any]] = []
        asked = {**query, "limit": str(LIMIT)}
        for _ in range(MOST_PAGES):
            page = await self.get(path, asked)
            found += [mapping(one) for one in items(page.get("items"), MOST_BYTES)]
            about = mapping(page.get("metadata"))
            further = about.get("continue")
            if not further or not isinstance(further, str):
                return found, text(about.get("resourceVersion"))
            asked["continue"] = further
        raise Fault("lost", f"{path}: more than {MOST_PAGES * LIMIT} objects")

    async def watch(
        self, path: str, query: Mapping[str, str], version: str
    ) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """(type, object) of each event, until the API server ends it; the first, of type OPEN, says
        that it is being watched."""
        asked = {
            **query,
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }
        async with self._asked("GET", path, asked, silence=SILENT_S) as response:
            yield "OPEN", {}
            async for line in response.content:
                event = _decoded(line)
                kind, told = text(event.get("type")), mapping(event.get("object"))
                if kind == "ERROR":
                    raise _refusal(told.get("code"), told, path)
                yield kind, told

    async def _opened(self) -> tuple[Login, aiohttp.ClientSession]:
        async with self._lock:
            return self._current or await self._renew(anew=False)

    async def _renew(self, *, anew: bool) -> tuple[Login, aiohttp.ClientSession]:
        login, made_at = await self._logins.get(anew=anew)
        if self._current:
            before, self._old = self._old, self._current[1]  # somebody may be reading from it
            if before:
                await before.close()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=login.tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,  # kubectl goes through HTTPS_PROXY, too
            read_bufsize=LONGEST_LINE // 2,
            headers={"User-Agent": f"cmdai-shell/{__version__}", "Accept": "application/json"},
        )
        self._current = login, session
        self._number += 1
        self._made_at = made_at
        return self._current

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None = None,
        silence: float = ANSWER_S,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        login, session = await self._opened()
        number = self._number
        authorization = login.authorization()
        headers = {"Authorization": authorization} if authorization else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with session.request(
                method,
                login.host + path,
                params=query,
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=login.proxy or None,
                server_hostname=login.server_name or None,
                timeout=aiohttp.ClientTimeout(
                    total=None if silence > ANSWER_S else ANSWER_S,
                    connect=CONNECT_S,
                    sock_read=silence,
                ),
            ) as response:
                if not 200 <= response.status < 300:
                    told = await _document(response, any_form=True)
                    raise _refusal(response.status, told, path)
                try:
                    yield response
                finally:
                    _hang_up(response)
        except Fault as fault:
            fault.login = number
            raise
        except aiohttp.ClientConnectorCertificateError as error:
            refusal = Fault("login", f"its certificate: {error.certificate_error}"[:200])
            refusal.login = number
            raise refusal from None
        except _LOST as error:
            raise Fault("lost", _told(error)) from None


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """An answer that is not read to its end: TLS's farewell would outlive the event loop."""
    connection = response.connection
    if connection and connection.transport:
        connection.transport.abort()


async def _document(response: aiohttp.ClientResponse, *, any_form: bool = False) -> dict[str, Any]:
    whole = bytearray()
    async for piece in response.content.iter_chunked(1 << 16):
        whole += piece
        if len(whole) > MOST_BYTES:
            raise Fault("lost", f"an answer of more than {MOST_BYTES >> 20} MB", response.status)
    try:
        return _decoded(bytes(whole))
    except Fault:
        if any_form:
            return {"message": bytes(whole[:500]).decode("utf-8", "replace")}
        raise


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return mapping(msgspec.json.decode(line))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Fault("lost", "an answer that is not JSON") from None


def _refusal(status: object, told: Mapping[str, Any], path: str) -> Fault:
    number = status if isinstance(status, int) else 0
    message = told.get("message")
    detail = message[:2_000] if isinstance(message, str) and message else f"{path}: {number}"
    return Fault(_CAUSES.get(number, "lost"), detail, number)


def _told(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, aiohttp.ClientConnectorError):
        return text(error.os_error.strerror or str(error.os_error))
    return text(str(error)) or type(error).__name__
