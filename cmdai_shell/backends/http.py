"""HTTP to one server: what every adapter of a remote server speaks through.

One ``HttpClient`` is one backend identity: its connections, credentials, TLS context and pin are
nobody else's. It has our own short connect timeout, a deadline for the whole of each exchange,
bounds on all that is read, and no redirects, proxies, cookies or compression. Failures come out as
``errors.BackendError``: of the connection by ``faults``, of a status by ``replies``.
Closing a stream closes its connection, by which every server here stops computing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import time
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from cmdai_shell import __version__
from cmdai_shell.auth.authenticator import Authenticator, NoLogin
from cmdai_shell.backends import faults
from cmdai_shell.backends.exchange import Answer, Call, Reply, is_gateways
from cmdai_shell.backends.resolver import Resolver
from cmdai_shell.config.environments import is_near
from cmdai_shell.errors import BackendError, BackendRejected
from cmdai_shell.observe import traces

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping

    from cmdai_shell.core import Clock

KEEPALIVE_S = 4.0
"""Less than the 5 s after which uvicorn, and so vLLM, closes an idle connection."""
CONNECT_NEAR_S, CONNECT_FAR_S = 0.25, 1.0
CONNECT_TLS_S = 0.5
"""More for https: aiohttp counts the TLS handshake into the connect time."""
_HAPPY_EYEBALLS_S = 0.25
"""RFC 8305's delay before a name's next address is tried beside the first."""
_STALE_S = 0.05
_STALE_TRIES = 8
_LATE_TRIES = 3
"""A machine that is so busy that we sleep through three connections has other troubles."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an adapter needs beyond the ``Endpoint``."""

    auth: Authenticator = field(default_factory=NoLogin)
    clock: Clock = time.monotonic
    wall: Clock = time.time
    """Unix time, for servers that say a date."""
    random: random.Random = field(default_factory=random.Random)
    is_large: bool | None = None
    """Whether the model can follow a large model's prompt; None: judge by its name."""
    max_connections: int = 32
    """To this server at once. Servers queue better than we do: a request that waits here for its
    turn would look like a server that does not answer."""
    health_path: str = ""
    """What a look has to find, beyond a server that computes; empty: nothing. Its status is"""
    health_status: int = 200
    connect_timeout: float | None = None
    """Seconds; None: by where the address is."""
    gate: Callable[[], Awaitable[None]] | None = None
    """Before each request; raises BackendError where none may be sent now."""
    reach: Callable[[str], bool] | None = None
    """Whether a connection may go to that address, if the URL has a name: what it stands for can
    change from one moment to the next. None: to any."""


class HttpClient:
    """Asks the server at ``url``; ``name`` is what it is called in messages and hints."""

    def __init__(self, url: str, *, name: str, settings: Settings) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.settings = settings
        self.last_connect = 0.0
        """Seconds that the last new connection took; 0 before the first."""
        self.via_gateway = False
        """The last answer to a POST came through one."""
        self._clock = settings.clock
        self._is_tls = urlsplit(url).scheme == "https"
        near = is_near(urlsplit(url).hostname or "")
        self._connect_timeout = settings.connect_timeout or (
            (CONNECT_NEAR_S if near else CONNECT_FAR_S) + CONNECT_TLS_S * self._is_tls
        )
        self._default_tls: ssl.SSLContext | None = None
        self._session: aiohttp.ClientSession | None = None
        self._open: set[aiohttp.ClientResponse] = set()
        """Whose bodies are being read."""
        self._idle: deque[float] = deque()
        """Until when each open, unused connection will be kept."""

    def __repr__(self) -> str:
        return f"HttpClient({self.name!r})"

    @property
    def hint(self) -> str:
        return faults.test_hint(self.name)

    @property
    def is_warm(self) -> bool:
        """A connection stands open that the next request can use."""
        now = self._clock()
        while self._idle and self._idle[0] <= now:
            self._idle.popleft()
        return bool(self._idle)

    async def get(
        self, path: str, timeout: float, *, is_anonymous: bool = False, any_status: bool = False
    ) -> Reply:
        """``is_anonymous``: without credentials. Raises BackendError; with ``any_status`` only if
        there is no answer at all."""
        return await self.request(
            "GET", path, timeout, is_anonymous=is_anonymous, any_status=any_status
        )

    async def post(
        self, path: str, body: object, timeout: float, *, any_status: bool = False
    ) -> Reply:
        """``body`` is sent as JSON, bytes as they are. Raises BackendError."""
        return await self.request("POST", path, timeout, body=body, any_status=any_status)

    async def request(
        self,
        method: str,
        path: str,
        timeout: float,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        is_anonymous: bool = False,
        any_status: bool = False,
    ) -> Reply:
        start = self._clock()
        async with self.open(
            method,
            path,
            timeout,
            body=body,
            headers=headers,
            is_anonymous=is_anonymous,
            any_status=any_status,
        ) as answer:
            whole = await answer.read()
        return Reply(
            status=answer.status,
            headers=answer.headers,
            body=whole,
            seconds=self._clock() - start,
            server=self.name,
        )

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        timeout: float,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        is_anonymous: bool = False,
        any_status: bool = False,
        has_prompt: bool = False,
    ) -> AsyncGenerator[Answer]:
        """An answer as it comes. ``timeout`` is for all of it, to its end. Raises BackendError for
        any status but 2xx, unless ``any_status``. ``path`` begins with a slash, or is a whole URL
        of the same host. ``has_prompt``: the body is what a person asked."""
        start = self._clock()
        sent = {**traces.headers(), **(headers or {})}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None and not isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/json")
        call = Call(
            server=self.name,
            method=method,
            url=self._target(path),
            data=data,
            headers=sent,
            clock=self._clock,
            deadline=start + timeout,
            has_prompt=has_prompt,
            cure=self.settings.auth.cure or faults.key_hint(self.name, self.url),
        )
        response, secrets = await self._ask(call, is_anonymous=is_anonymous)
        if method == "POST":
            self.via_gateway = is_gateways(response.headers)
        answer = Answer(response, call, wall=self.settings.wall, secrets=secrets)
        self._open.add(response)
        try:
            if not any_status and not 200 <= response.status < 300:
                raise await answer.refusal()
            yield answer
        finally:
            # At its end the connection is free for the next request; before, this closes it.
            self._open.discard(response)
            response.close()
            self._note(call, response, answer, start)

    async def warm(self, path: str, timeout: float) -> None:
        """Leave an open connection behind, by a GET that costs the server nothing."""
        if not self.is_warm:
            with suppress(BackendError):
                await self.get(path, timeout, is_anonymous=True, any_status=True)

    async def aclose(self) -> None:
        """What is still being read fails at once: aiohttp would let it wait for ever."""
        session, self._session = self._session, None
        self._idle.clear()
        for response in self._open:
            response.content.set_exception(aiohttp.ClientPayloadError("closed by us"))
        if session is not None:
            await session.close()

    def _target(self, path: str) -> str:
        if not path.startswith(("http://", "https://")):
            return self.url + path
        if urlsplit(path).hostname != urlsplit(self.url).hostname:
            raise BackendRejected(f"{self.name}: {path} is another host")
        return path

    async def _ask(
        self, call: Call, *, is_anonymous: bool
    ) -> tuple[aiohttp.ClientResponse, Collection[str]]:
        """Until the headers are there; once more with new credentials if the old have ended."""
        if self.settings.gate:
            await self.settings.gate()
        auth = self.settings.auth
        credentials = {} if is_anonymous else dict(await auth.headers(call))
        response = await self._send(call, credentials)
        if response.status == 401 and credentials and await auth.invalidate():
            response.close()
            credentials = dict(await auth.headers(call))
            response = await self._send(call, credentials)
        return response, _secrets(credentials)

    async def _send(self, call: Call, credentials: Mapping[str, str]) -> aiohttp.ClientResponse:
        """A kept connection may have been closed by the server just now: then nothing was heard on
        it, that is no failure, and the next one is tried until one is fresh. It shows within a
        round trip: of a server that closes later it is not known whether it has worked."""
        tries = 0
        while True:
            tries += 1
            call.is_reused = call.was_looked_at = False
            begun = self._clock()
            try:
                async with call.left():
                    return await self._session_here().request(
                        call.method,
                        call.url,
                        data=call.data,
                        headers={**call.headers, **credentials},
                        allow_redirects=False,
                        ssl=self._tls(),
                        trace_request_ctx=call,
                    )
            except faults.STALE as error:
                is_prompt = self._clock() - begun < _STALE_S + self.last_connect
                if call.is_reused and is_prompt and tries < _STALE_TRIES:
                    continue
                raise call.failure(error) from error
            except aiohttp.ConnectionTimeoutError as error:
                # If it was we who were too busy to see the connection stand, so that the timer came
                # first, that says nothing of the server.
                if call.was_looked_at or tries >= _LATE_TRIES:
                    raise call.failure(error) from error
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise call.failure(error) from error

    def _tls(self) -> ssl.SSLContext | bool:
        """aiohttp takes a pin alone as leave to check nothing else: with one, we always say what
        is to be checked."""
        context = self.settings.auth.ssl()
        if context is None and self._is_tls and self.settings.auth.pin():
            if self._default_tls is None:
                self._default_tls = ssl.create_default_context()
            return self._default_tls
        return True if context is None else context

    def _session_here(self) -> aiohttp.ClientSession:
        """Made on first use: it belongs to the event loop that runs then."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                limit_per_host=self.settings.max_connections,
                keepalive_timeout=KEEPALIVE_S,
                happy_eyeballs_delay=_HAPPY_EYEBALLS_S,
                resolver=Resolver(only_near=not self._is_tls, reach=self.settings.reach),
                ssl=self.settings.auth.pin() or True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout),
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "User-Agent": f"cmdai-shell/{__version__}",
                    "Accept-Encoding": "identity",
                },
                trace_configs=[self._traces()],
            )
        return self._session

    def _traces(self) -> aiohttp.TraceConfig:
        async def reused(_: object, context: Any, __: object) -> None:
            context.trace_request_ctx.is_reused = True
            if self._idle:
                self._idle.popleft()

        async def dialled(_: object, context: Any, __: object) -> None:
            call = context.trace_request_ctx
            call.dialled = self._clock()
            half = 0.5 * self._connect_timeout
            asyncio.get_running_loop().call_later(half, call.look, call.dialled, 1.8 * half)

        async def connected(_: object, context: Any, __: object) -> None:
            self.last_connect = self._clock() - context.trace_request_ctx.dialled

        async def written(_: object, context: Any, __: object) -> None:
            if context.trace_request_ctx.has_prompt:
                traces.prompt_written()

        found = aiohttp.TraceConfig()
        found.on_connection_reuseconn.append(reused)
        found.on_connection_create_start.append(dialled)
        found.on_dns_resolvehost_end.append(dialled)
        found.on_connection_create_end.append(connected)
        found.on_request_chunk_sent.append(written)
        return found

    def _note(
        self, call: Call, response: aiohttp.ClientResponse, answer: Answer, start: float
    ) -> None:
        says = response.headers.get("Connection", "").lower()
        is_old = response.version is not None and response.version < (1, 1)
        if answer.is_whole and says != "close" and not is_old and self._session:
            self._idle.append(self._clock() + KEEPALIVE_S)
        fields = {
            "server": self.name,
            "method": call.method,
            "status": response.status,
            "bytes": answer.size,
            "whole": answer.is_whole,
            "reused": call.is_reused,
            "seconds": round(self._clock() - start, 4),
        }
        log.debug("exchange", extra={"fields": fields})


def _secrets(headers: Mapping[str, str]) -> Collection[str]:
    """What must not come back in a message. Something very short would redact half of a text."""
    return {value.rpartition(" ")[2] for value in headers.values() if len(value) > 7}
