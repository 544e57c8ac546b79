"""The record socket: one connection is one keypress."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from cmdai_shell.core import Notice, Partial, SuggestRequest
from cmdai_shell.daemon import peer, wire
from cmdai_shell.daemon.pump import pump
from cmdai_shell.errors import CmdaiError, DaemonUnavailable, WireError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cmdai_shell.core import Clock, Update
    from cmdai_shell.daemon.desk import Desk

log = logging.getLogger(__name__)

READ_TIMEOUT = 5.0
"""Seconds a client may take to send its record; a hook needs a millisecond."""
WRITE_TIMEOUT = 10.0
"""Seconds a reply may wait for a client that does not read (a stopped shell)."""
GRACE = 0.8
"""Seconds that requests in flight get to finish when the daemon stops."""


class _Gone(Exception):
    """The client closed the connection."""


class HookServer:
    """Accepts until told to stop; every connection is a task of one group."""

    def __init__(self, desk: Desk, *, clock: Clock, may_accept: Callable[[], bool]) -> None:
        self._desk = desk
        self._clock = clock
        self._may_accept = may_accept
        """Asked before each accept: no means the connection stays queued for our successor."""
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket, stopping: asyncio.Event) -> None:
        """Answer until ``stopping``; then finish what is in flight within GRACE, or fail it."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        async with asyncio.TaskGroup() as group:
            loop.add_reader(listener, self._accept, listener, group)
            try:
                await stopping.wait()
            finally:
                loop.remove_reader(listener)
            if self._open:
                await asyncio.wait(self._open, timeout=GRACE)
            for connection in self._open:
                connection.cancel()

    def _accept(self, listener: socket.socket, group: asyncio.TaskGroup) -> None:
        if not self._may_accept():
            return
        loop = asyncio.get_running_loop()
        try:
            client, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # out of descriptors: those in flight free some
            log.warning("accept failed", extra={"fields": {"error": error.strerror}})
            loop.remove_reader(listener)
            loop.call_later(0.5, loop.add_reader, listener, self._accept, listener, group)
            return
        if not peer.is_us(client):
            log.warning("refused another user's connection")
            client.close()
            return
        task = group.create_task(self._converse(client))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _converse(self, client: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=client, limit=wire.LIMIT)
        except OSError:
            client.close()  # it has gone
            return
        try:
            await _Press(reader, writer, self._desk, self._clock).answer()
        except asyncio.CancelledError:  # the daemon ends: say so, and let the press be repeated
            stopped = DaemonUnavailable("the daemon was stopped", "press again to start it")
            writer.write(wire.encode(stopped, width=80))
        except (ConnectionError, TimeoutError):
            pass
        except Exception:  # one press fails, not the daemon
            log.exception("a connection failed")
        finally:
            writer.close()


class _Press:
    """One request and its reply."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        desk: Desk,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._desk = desk
        self._clock = clock
        self._width = 80
        self._message = wire.encode(Notice(text=""), width=80)
        """The last M line, repeated to find out whether a half-closed client still reads."""
        self._is_answered = False

    async def answer(self) -> None:
        """Read, work, reply. Raises ConnectionError or TimeoutError when the client is no more."""
        try:
            request = await self._read()
        except WireError as error:
            await self._send(error)
            return
        if request is None:
            return
        self._width = request.width
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch())
                await pump(self._desk.answer(request), self._send, self._clock)
                watch.cancel()
        except* (_Gone, ConnectionError, TimeoutError):
            pass  # the desk has noted that it was cancelled

    async def _read(self) -> SuggestRequest | None:
        """The request; None for a client that only knocked. Raises WireError."""
        intake = wire.Intake()
        request = None
        is_greeted = False
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                while request is None:
                    data = await self._reader.read(1 << 16)
                    if not data:
                        return None
                    request = intake.feed(data)
                    if intake.wants_continue and not is_greeted:
                        is_greeted = True
                        self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        except TimeoutError:
            raise WireError("the hook did not finish its request", "press again") from None
        finally:
            if intake.is_http:
                self._writer.write(
                    b"HTTP/1.0 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                    b"Connection: close\r\n\r\n"
                )
        return request

    async def _send(self, update: Update | CmdaiError) -> None:
        try:
            lines = wire.encode(update, width=self._width, maker=self._desk.maker)
        except WireError as error:
            lines = wire.encode(error, width=self._width)
        if isinstance(update, Notice):
            self._message = lines
        self._is_answered = not isinstance(update, Notice | Partial)
        await self._write(lines)

    async def _write(self, lines: bytes) -> None:
        self._writer.write(lines)
        async with asyncio.timeout(WRITE_TIMEOUT):
            await self._writer.drain()

    async def _watch(self) -> None:
        """Raises _Gone or ConnectionError when the client has closed.

        socat and some relays close their sending half once the record is sent, which reads the
        same as a closed connection; writing tells them apart, on every system.
        """
        while await self._reader.read(1 << 16):
            pass
        while not self._is_answered:
            if self._writer.is_closing():
                raise _Gone
            await self._write(self._message)
            await asyncio.sleep(0.2)
