"""One request and its answer as it comes: ``HttpClient.open`` makes them."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp

from cmdai_shell.backends import faults, replies
from cmdai_shell.backends.streams import Event, EventReader, LineReader, TooLong
from cmdai_shell.errors import BackendError, BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Mapping

    from cmdai_shell.core import Clock

_GATEWAYS = ("x-litellm-", "x-olla-")
"""Beginnings of headers that routers add: LiteLLM's proxy, Olla."""
MOST_BODY = 4 << 20
"""Bytes of an answer that comes whole: a list of models or a page of metrics is far below."""
MOST_STREAM = 16 << 20
_CHUNK = 1 << 16
_REFUSAL_S = 0.5
"""What an error says is worth so much waiting: its status is known."""
_FRESH_S = 2.0
"""Who works for longer on a request and closes then has another reason than our certificate."""
_DRAIN_S = 0.1
"""What comes after the end is worth a connection that can be used again, and no more."""

_Piece = TypeVar("_Piece")


@dataclass(slots=True, kw_only=True)
class Call:
    """A request on its way."""

    server: str
    method: str
    url: str
    data: bytes | None
    headers: Mapping[str, str]
    clock: Clock
    deadline: float
    has_prompt: bool = False
    """Its body is what a person asked."""
    cure: str = ""
    """What to type if it is refused for want of a right login."""
    is_reused: bool = False
    """It went out on a connection that was kept from an earlier one."""
    dialled: float = 0.0
    """When it began to make a connection of its own, its server's name being known."""
    was_looked_at: bool = False
    """While that took long, our own event loop was alive, and saw that it did not stand."""

    def look(self, dialled: float, within: float) -> None:
        """Half of the time for it is over. Whoever comes too late for ``within`` was not alive."""
        is_this_one = dialled == self.dialled
        self.was_looked_at |= is_this_one and self.clock() - dialled < within

    @property
    def hint(self) -> str:
        return faults.test_hint(self.server)

    def left(self) -> asyncio.Timeout:
        """Until the deadline. Around one wait only: a timeout that is open while a generator is
        suspended would cancel whoever runs then."""
        return asyncio.timeout(max(0.0, self.deadline - self.clock()))

    def failure(self, error: Exception, *, heard: bool = False) -> BackendUnavailable:
        is_fresh = not self.is_reused and self.clock() - self.dialled < _FRESH_S
        is_tls_fresh = is_fresh and self.url.startswith("https:")
        return faults.unavailable(error, server=self.server, heard=heard, is_tls_fresh=is_tls_fresh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer. ``seconds``: from the request to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    server: str

    def json(self) -> Any:
        """Raises BackendUnavailable (garbage)."""
        return parsed(self.body, server=self.server)


class Answer:
    """A response whose headers are here and whose body comes."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        call: Call,
        *,
        wall: Clock,
        secrets: Collection[str] = (),
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.is_whole = False
        """The end was reached."""
        self.size = 0
        self._response = response
        self._call = call
        self._wall = wall
        self.secrets = secrets
        """What must not be shown of what it says."""

    @property
    def says_its_end(self) -> bool:
        """By a length or in chunks (RFC 9112 6.3); else a connection that breaks looks like the
        end. Only where the protocol itself has no last word does that matter."""
        return "Content-Length" in self.headers or "Transfer-Encoding" in self.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises BackendUnavailable (reset, stall, garbage for what is too long)."""
        while chunk := await self._next():
            yield chunk

    async def read(self, most: int = MOST_BODY) -> bytes:
        body = bytearray()
        while chunk := await self._next(most):
            body += chunk
        return bytes(body)

    async def events(self) -> AsyncIterator[Event]:
        """Server-sent events. Raises BackendUnavailable."""
        reader = EventReader()
        while chunk := await self._next():
            for event in self._cut(reader.feed(chunk)):
                yield event
        for event in reader.end():
            yield event

    async def lines(self) -> AsyncIterator[str]:
        """Lines that are not empty (NDJSON). Raises BackendUnavailable."""
        reader = LineReader()
        while chunk := await self._next():
            for line in self._cut(reader.feed(chunk)):
                if line:
                    yield line
        for line in reader.end():
            yield line

    async def _next(self, most: int = MOST_STREAM) -> bytes:
        try:
            async with self._call.left():
                chunk = await self._response.content.read(_CHUNK)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise self._call.failure(error, heard=True) from error
        self.size += len(chunk)
        if self.size > most:
            raise self.garbage(f"sent more than {most >> 20} MB")
        self.is_whole = not chunk
        return chunk

    def _cut(self, pieces: Iterator[_Piece]) -> Iterator[_Piece]:
        try:
            yield from pieces
        except TooLong as error:
            raise self.garbage(f"sent {error}") from None

    def garbage(self, what: str) -> BackendUnavailable:
        return BackendUnavailable(f"{self._call.server} {what}", self._call.hint, "garbage")

    def broken(self) -> BackendUnavailable:
        """It ended, and what came is not all."""
        words = f"{self._call.server} broke off in mid-answer"
        return BackendUnavailable(words, self._call.hint, "reset")

    def complaint(self, body: bytes | str) -> replies.Complaint:
        return replies.complaint(body, self.secrets)

    def refused(self, said: replies.Complaint, status: int = 0) -> BackendError:
        """What the server says is wrong, as the error of that status (0: of its own)."""
        return replies.refusal(
            status or self.status,
            said,
            self.headers,
            server=self._call.server,
            hint=self._call.hint,
            cure=self._call.cure,
            now=self._wall(),
        )

    async def refusal(self) -> BackendError:
        """The status and what the body says of it, as far as that can be read."""
        self.hurry(_REFUSAL_S)
        body = b""
        with suppress(BackendUnavailable):
            body = await self.read()
        return self.refused(self.complaint(body))

    async def drain(self) -> None:
        """Nothing that counts comes any more; read to the end, its connection is free again."""
        self.hurry(_DRAIN_S)
        with suppress(BackendUnavailable):
            await self.read()

    def hurry(self, seconds: float) -> None:
        """At most so long from now, or from when that was first said."""
        self._call.deadline = min(self._call.deadline, self._call.clock() + seconds)


def is_gateways(headers: Mapping[str, str]) -> bool:
    """Somebody passed on what others said: what it says of queues is not one engine's."""
    return any(name.lower().startswith(_GATEWAYS) for name in headers)


def parsed(text: bytes | str, *, server: str) -> Any:
    """JSON from a server. Raises BackendUnavailable (garbage), which does not repeat it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BackendUnavailable(
            f"{server} sent what is no JSON", faults.test_hint(server), "garbage"
        ) from None
