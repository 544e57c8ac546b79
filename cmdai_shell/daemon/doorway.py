"""HTTP at a port of this machine, where anybody of this machine may knock: few come in at a time,
and who asks nothing does not stay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from cmdai_shell.daemon.shortage import Shortage

if TYPE_CHECKING:
    import socket

MOST = 16
"""Connections. A browser opens six."""
HEAD_S = 5.0
"""For the head of a request, from the connection or the last answer on."""
LOOKS = 12
"""So often that time again for who pauses in reading its answer, unless its place is wanted."""
PAUSE_S = 0.5

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def opened(
    app: web.Application, *listeners: socket.socket, **options: Any
) -> AsyncIterator[None]:
    """``app`` is served there meanwhile; closes ``listeners``. ``options``: of web.AppRunner."""
    door = _Doorway(listeners)
    app.middlewares.insert(0, door.noted)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, **options)
    await runner.setup()
    try:
        async with asyncio.TaskGroup() as group:
            door.open(group, cast("Callable[[], asyncio.Protocol]", runner.server))
            try:
                yield
            finally:
                door.close()
    finally:
        with suppress(asyncio.TimeoutError):
            await runner.cleanup()


class _Doorway:
    """Where there is no room, who has waited longest without a word gives way to who comes: a
    crowd that only stands there keeps nobody out."""

    def __init__(self, listeners: Sequence[socket.socket]) -> None:
        self._listeners = listeners
        self._loop = asyncio.get_running_loop()
        self._silent: dict[asyncio.Transport, asyncio.TimerHandle] = {}
        """Those that have asked nothing yet, or nothing more; the first one the longest."""
        self._asking: set[asyncio.Transport] = set()
        self._shortage = Shortage(time.monotonic)

    def open(self, group: asyncio.TaskGroup, server: Callable[[], asyncio.Protocol]) -> None:
        self._group, self._server = group, server
        for listener in self._listeners:
            listener.setblocking(False)
            self._listen(listener)

    def close(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        for handle in self._silent.values():
            handle.cancel()

    def _listen(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if not self._shortage.notes(error):
                raise
            self._loop.remove_reader(listener)
            self._loop.call_later(PAUSE_S, self._listen, listener)
            return
        self._forget_the_closed()
        if len(self._silent) + len(self._asking) >= MOST:
            if not self._silent:
                client.close()
                return
            self._shut(next(iter(self._silent)))
        self._group.create_task(self._let_in(client))

    async def _let_in(self, client: socket.socket) -> None:
        client.setblocking(False)
        try:
            transport, _ = await self._loop.connect_accepted_socket(self._server, client)
        except OSError:
            client.close()
            return
        if transport not in self._asking:
            self._waits(transport)

    @web.middleware
    async def noted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Where a request's head is whole."""
        transport = request.transport
        if transport is None:
            return await handler(request)
        if handle := self._silent.pop(transport, None):
            handle.cancel()
        self._asking.add(transport)
        try:
            return await handler(request)
        finally:
            self._asking.discard(transport)
            self._waits(transport)

    def _waits(self, transport: asyncio.Transport) -> None:
        if handle := self._silent.pop(transport, None):
            handle.cancel()
        if not transport.is_closing():
            self._silent[transport] = self._loop.call_later(HEAD_S, self._late, transport)

    def _late(self, transport: asyncio.Transport, looks: int = 0) -> None:
        """It has asked nothing more. At most one unread answer is kept for each place."""
        if looks < LOOKS and transport.get_write_buffer_size():
            again = self._loop.call_later(HEAD_S, self._late, transport, looks + 1)
            self._silent[transport] = again
        else:
            self._shut(transport)

    def _shut(self, transport: asyncio.Transport) -> None:
        if handle := self._silent.pop(transport, None):
            handle.cancel()
        if transport.get_write_buffer_size():
            transport.abort()  # it does not read what it has asked for
        else:
            transport.close()

    def _forget_the_closed(self) -> None:
        for transport in [each for each in self._silent if each.is_closing()]:
            self._silent.pop(transport).cancel()
