"""The record socket: one connection is one keypress."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from cmdai_shell.daemon import peer, wire
from cmdai_shell.daemon.pair import WRITE_TIMEOUT, shell_of
from cmdai_shell.daemon.pipes import Pipes
from cmdai_shell.daemon.pump import pump
from cmdai_shell.daemon.reply import Reply
from cmdai_shell.daemon.shortage import Shortage
from cmdai_shell.errors import DaemonUnavailable, WireError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cmdai_shell.core import Clock
    from cmdai_shell.daemon.desk import Desk

log = logging.getLogger(__name__)

READ_TIMEOUT = 5.0
"""Seconds a client may take to send its record; a hook needs a millisecond."""
GRACE = 0.8
"""Seconds that requests in flight get to finish when the daemon stops."""


class _Gone(Exception):
    """The client closed the connection."""


class HookServer:
    """Accepts until told to stop; every connection is a task of one group, and so is every press
    that comes by a pipe. ``folder`` is the runtime folder's descriptor."""

    def __init__(
        self, desk: Desk, *, folder: int, clock: Clock, may_accept: Callable[[], bool]
    ) -> None:
        self._desk = desk
        self._folder = folder
        self._clock = clock
        self._may_accept = may_accept
        """Asked before each press: no means it waits in the socket's queue for our successor."""
        self._open: set[asyncio.Task[None]] = set()
        self._shortage = Shortage(clock)

    async def serve(self, listener: socket.socket, stopping: asyncio.Event) -> None:
        """Answer until ``stopping``; then finish what is in flight within GRACE, or fail it."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        async with asyncio.TaskGroup() as group:
            self._pipes = Pipes(
                self._folder, self._desk, group, clock=self._clock, may_accept=self._may_accept
            )
            loop.add_reader(listener, self._accept, listener, group)
            try:
                await stopping.wait()
            finally:
                loop.remove_reader(listener)
            if in_flight := self._open | self._pipes.in_flight():
                await asyncio.wait(in_flight, timeout=GRACE)
            self._pipes.close()
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
            if not self._shortage.notes(error):
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
        press = _Connection(reader, writer)
        try:
            await self._answer(press)
        except asyncio.CancelledError:  # the daemon ends: say so, and let the press be repeated
            stopped = DaemonUnavailable("the daemon was stopped", "press again to start it")
            writer.write(wire.encode(stopped, width=80))
        except (ConnectionError, TimeoutError):
            pass
        except Exception:  # one press fails, not the daemon
            log.exception("a connection failed")
        finally:
            writer.close()

    async def _answer(self, press: _Connection) -> None:
        """Read, work, reply. Raises ConnectionError or TimeoutError when the client is no more."""
        try:
            record = await press.read()
        except WireError as error:
            await press.write(wire.encode(error, width=80))
            return
        if record is None:
            return
        if record.pipes and self._pipes.make(record):
            await press.write(b"K%d\n" % os.getpid())
        reply = Reply(press.write, self._desk, record, shell_of(record.pipes))
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(press.watch(reply))
                await pump(self._desk.answer(record.request), reply.send, self._clock)
                watch.cancel()
        except* (_Gone, ConnectionError, TimeoutError):
            pass  # the desk has noted that it was cancelled


class _Connection:
    """The bytes of one press."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> wire.Record | None:
        """The record; None for a client that only knocked. Raises WireError."""
        intake = wire.Intake()
        record = None
        is_greeted = False
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                while record is None:
                    data = await self._reader.read(1 << 16)
                    if not data:
                        return None
                    record = intake.feed(data)
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
        return record

    async def write(self, lines: bytes) -> None:
        self._writer.write(lines)
        async with asyncio.timeout(WRITE_TIMEOUT):
            await self._writer.drain()

    async def watch(self, reply: Reply) -> None:
        """Raises _Gone or ConnectionError when the client has closed.

        socat and some relays close their sending half once the record is sent, which reads the
        same as a closed connection; writing tells them apart, on every system.
        """
        while await self._reader.read(1 << 16):
            pass
        while not reply.is_answered:
            if self._writer.is_closing():
                raise _Gone
            await self.write(reply.last_notice)
            await asyncio.sleep(0.2)
