"""One shell's pair of FIFOs: at most one press at a time, the newest."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from cmdai_shell.daemon import wire
from cmdai_shell.daemon.pump import pump
from cmdai_shell.daemon.reply import Reply
from cmdai_shell.errors import DaemonUnavailable, WireError

if TYPE_CHECKING:
    from cmdai_shell.core import Clock
    from cmdai_shell.daemon.desk import Desk
    from cmdai_shell.daemon.pipes import Pipes

log = logging.getLogger(__name__)

NAME = re.compile(r"([1-9][0-9]{0,8})-[0-9]{1,20}")
"""The shell's process id, and a number that keeps shells of two containers apart."""
LOOK = 0.1
"""Seconds between two looks at the terminal for a shell that cannot look itself."""
WRITE_TIMEOUT = 10.0
"""Seconds a reply may wait for a shell that does not read (a stopped one)."""


def shell_of(name: str) -> int:
    """The process id in a pair's name; 0 when it is no such name."""
    found = NAME.fullmatch(name)
    return int(found[1]) if found else 0


class Pair:
    """``ask`` and ``answer`` are our ends, without waiting; they are closed with it."""

    def __init__(
        self, pipes: Pipes, record: wire.Record, ask: int, answer: int, now: float
    ) -> None:
        self.name = record.pipes
        self.shell = shell_of(record.pipes)
        self.is_patient = record.patience
        self.last_used = now
        self.task: asyncio.Task[None] | None = None
        self._pipes = pipes
        self._ask, self._answer = ask, answer
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._waiting: wire.Record | None = None
        self._opening = b""
        self._closed = False
        self._loop.add_reader(ask, self._read)

    def close(self) -> None:
        """The answer's end only when what is in flight has said that it is broken off."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._ask)
        self._loop.remove_reader(self._answer)
        os.close(self._ask)
        if self.task:
            self.task.cancel()
        else:
            os.close(self._answer)

    def refuse(self) -> None:
        """Send the press that asks to the socket, where our successor will find it."""
        with suppress(OSError):
            os.write(self._answer, b"\nK0\n")

    async def answer(self, desk: Desk, clock: Clock, record: wire.Record) -> None:
        """The whole reply; less when the shell closes its end, or the daemon its own."""
        self._opening = b"\n@%d\n" % record.turn  # what was left before may be half a line
        reply = Reply(self._write, desk, record, self.shell)
        self._loop.add_reader(self._answer, self._left)
        try:
            await _pumped(desk, record, reply, clock)
            if not reply.is_answered:  # it waits for a line, which an end of file is as good as
                self._pipes.drop(self.name)
        except asyncio.CancelledError:
            if self._closed and not reply.is_answered:
                self._stopped(reply)
            raise
        except Exception:  # one press fails, not the daemon
            log.exception("a press failed")
            self._pipes.drop(self.name)
        finally:
            if not self._closed:
                self._loop.remove_reader(self._answer)

    # --- what the shell does

    def _read(self) -> None:
        """A record may come in pieces; of several whole ones only the last is still waited for."""
        with suppress(BlockingIOError):
            self._unread += os.read(self._ask, 1 << 16)
        *whole, rest = self._unread.split(wire.END.encode())
        self._unread = rest if len(rest) <= wire.LIMIT else bytearray()
        if not whole:
            return
        try:
            self._waiting = wire.decode(bytes(whole[-1]))
        except WireError:  # of another version, or half a one
            self._pipes.drop(self.name)
            return
        if self.task:
            self.task.cancel()
        else:
            self._begin()

    def _left(self) -> None:
        """A writing end has something to be read only when nobody reads the other (poll(2))."""
        self._loop.remove_reader(self._answer)
        if self.task:
            self.task.cancel()

    # --- one press after the other

    def _begin(self) -> None:
        record, self._waiting = self._waiting, None
        if record is None:
            return
        self.task = self._pipes.begin(self, record)
        if self.task:
            self.task.add_done_callback(self._ended)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self.task = None
        if self._closed:
            os.close(self._answer)
        else:
            self._begin()

    def _stopped(self, reply: Reply) -> None:
        stopped = DaemonUnavailable("the daemon was stopped", "press again to start it")
        with suppress(OSError):
            os.write(self._answer, self._opening + reply.last_words(stopped))

    # --- writing

    async def _write(self, lines: bytes) -> None:
        """Raises ConnectionError or TimeoutError when the shell is no more."""
        left, self._opening = memoryview(self._opening + lines), b""
        async with asyncio.timeout(WRITE_TIMEOUT):
            while left:
                try:
                    left = left[os.write(self._answer, left) :]
                except BlockingIOError:
                    await self._room()

    async def _room(self) -> None:
        free = self._loop.create_future()
        self._loop.add_writer(self._answer, free.set_result, None)
        try:
            await free
        finally:
            self._loop.remove_writer(self._answer)


async def _pumped(desk: Desk, record: wire.Record, reply: Reply, clock: Clock) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            looks = group.create_task(_looks(reply)) if record.patience else None
            await pump(desk.answer(record.request), reply.send, clock)
            if looks:
                looks.cancel()
    except* (ConnectionError, TimeoutError):
        pass  # the shell has closed, or is stopped; the desk has noted it


async def _looks(reply: Reply) -> None:
    """A shell that cannot time its reading sees Ctrl-C and typed keys only when a line comes."""
    while True:
        await asyncio.sleep(LOOK)
        await reply.look()
