"""The pipes that a shell's later presses come through (shell-hooks/README.md, "Pipes").

A press by the socket costs bash and fish a process, several milliseconds; one by a pair of FIFOs
costs them nothing. We hold both as long as we live, so that a shell that opens them never waits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from cmdai_shell.daemon import deadman, wire
from cmdai_shell.daemon.pump import pump
from cmdai_shell.daemon.reply import Reply
from cmdai_shell.errors import DaemonUnavailable, WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmdai_shell.core import Clock
    from cmdai_shell.daemon.desk import Desk

log = logging.getLogger(__name__)

NAME = re.compile(r"([1-9]\d{0,9})-\d{1,20}")
"""The shell's process id, and a number that keeps shells of two containers apart."""
ASK, ANSWER = ".ask", ".answer"
_ALL = (ASK, ANSWER, ".trap")  # the last is bash's own
MOST = 100
"""Pairs at a time; the shell that has not pressed for longest goes back to the socket."""
LOOK = 0.1
"""Seconds between two looks at the terminal for a shell that cannot look itself."""
WRITE_TIMEOUT = 10.0
"""Seconds a reply may wait for a shell that does not read (a stopped one)."""


class Pipes:
    """Every shell's pair, in the runtime folder (an open descriptor)."""

    def __init__(
        self,
        folder: int,
        desk: Desk,
        group: asyncio.TaskGroup,
        *,
        clock: Clock,
        may_accept: Callable[[], bool],
    ) -> None:
        self._folder = folder
        self._desk = desk
        self._group = group
        self._clock = clock
        self._may_accept = may_accept
        self._pairs: dict[str, _Pair] = {}
        """By name, the one used last at the end."""
        for name in os.listdir(folder):
            if name.endswith(_ALL):
                self._unlink(name)

    def make(self, record: wire.Record) -> bool:
        """A pair for the shell that asks for one; False when it has to go on by the socket."""
        found = NAME.fullmatch(record.pipes)
        if not found or (record.patience and not deadman.is_available()):
            return False
        self._drop(record.pipes)
        for name in [name for name in self._pairs if not _lives(int(name.partition("-")[0]))]:
            self._drop(name)
        while len(self._pairs) >= MOST:
            self._drop(next(iter(self._pairs)))
        try:
            ask, answer = self._open(record.pipes)
            self._pairs[record.pipes] = _Pair(self, record, ask, answer)
        except OSError as error:  # no descriptors, no room, a file system without FIFOs
            log.warning("no pipes", extra={"fields": {"error": error.strerror}})
            self._clear(record.pipes)
            return False
        return True

    def close(self) -> None:
        """All of them; what is in flight is cancelled."""
        for name in list(self._pairs):
            self._drop(name)

    def begin(self, name: str, pair: _Pair, record: wire.Record) -> asyncio.Task[None] | None:
        """Answer the record; None when this daemon takes no more, and the pair is gone."""
        if not self._may_accept():
            pair.refuse()
            self._drop(name)
            return None
        self._pairs[name] = self._pairs.pop(name)
        return self._group.create_task(pair.answer(self._desk, self._clock, record))

    def in_flight(self) -> set[asyncio.Task[None]]:
        return {pair.task for pair in self._pairs.values() if pair.task}

    def _open(self, name: str) -> tuple[int, int]:
        """(reading end of what is asked, writing end of the answers). Raises OSError."""
        flags = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        self._clear(name)
        for suffix in (ASK, ANSWER):
            os.mkfifo(name + suffix, 0o600, dir_fd=self._folder)
        # Opened for both, a FIFO neither waits for the other side nor ends with it (fifo(7)).
        ask = os.open(name + ASK, os.O_RDWR | flags, dir_fd=self._folder)
        try:
            both = os.open(name + ANSWER, os.O_RDWR | flags, dir_fd=self._folder)
            try:
                return ask, os.open(name + ANSWER, os.O_WRONLY | flags, dir_fd=self._folder)
            finally:
                os.close(both)
        except OSError:
            os.close(ask)
            raise

    def _drop(self, name: str) -> None:
        if pair := self._pairs.pop(name, None):
            self._clear(name)
            pair.close()

    def _clear(self, name: str) -> None:
        for suffix in _ALL:
            self._unlink(name + suffix)

    def _unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)


class _Pair:
    """One shell's two FIFOs: at most one press at a time, the newest."""

    def __init__(self, pipes: Pipes, record: wire.Record, ask: int, answer: int) -> None:
        self._pipes = pipes
        self._name = record.pipes
        self._ask, self._answer = ask, answer
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._waiting: wire.Record | None = None
        self._deadman = deadman.Deadman(record.patience) if record.patience else None
        self._opening = b""
        self._closed = False
        self.task: asyncio.Task[None] | None = None
        self._loop.add_reader(ask, self._read)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._ask)
        self._loop.remove_reader(self._answer)
        os.close(self._ask)
        if self.task:
            self.task.cancel()  # it still has to say that it was
        else:
            self._end()

    def _end(self) -> None:
        os.close(self._answer)
        if self._deadman:
            self._deadman.close()

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
        except WireError:  # of another version, or half a one: the hook goes by the socket
            return
        if self.task:
            self.task.cancel()
        else:
            self._begin()

    def _begin(self) -> None:
        record, self._waiting = self._waiting, None
        if record is None:
            return
        self.task = self._pipes.begin(self._name, self, record)
        if self.task:
            self.task.add_done_callback(self._ended)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self.task = None
        if self._closed:
            self._end()
        else:
            self._begin()

    def refuse(self) -> None:
        """Send the press that asks to the socket, where our successor will find it."""
        with suppress(OSError):
            os.write(self._answer, b"K0\n")

    async def answer(self, desk: Desk, clock: Clock, record: wire.Record) -> None:
        """The whole reply; less when the shell closes its end, or the daemon its own."""
        self._opening = b"@%d\n" % record.turn
        reply = Reply(self._write, desk, record)
        self._promise()
        self._loop.add_reader(self._answer, self._left)
        try:
            await _pumped(desk, record, reply, clock)
        except asyncio.CancelledError:
            if self._closed and not reply.is_answered:
                self._stopped()
            raise
        except Exception:  # one press fails, not the daemon
            log.exception("a press failed")
        finally:
            if not self._closed:
                self._loop.remove_reader(self._answer)
            if self._deadman:
                self._deadman.kept()

    def _stopped(self) -> None:
        stopped = DaemonUnavailable("the daemon was stopped", "press again to start it")
        with suppress(OSError):
            os.write(self._answer, self._opening + wire.encode(stopped, width=80))

    def _promise(self) -> None:
        if self._deadman:
            self._deadman.promise()

    def _left(self) -> None:
        """A writing end has something to be read only when nobody reads the other (poll(2))."""
        self._loop.remove_reader(self._answer)
        if self.task:
            self.task.cancel()

    async def _write(self, lines: bytes) -> None:
        """Raises ConnectionError or TimeoutError when the shell is no more."""
        left, self._opening = memoryview(self._opening + lines), b""
        async with asyncio.timeout(WRITE_TIMEOUT):
            while left:
                try:
                    left = left[os.write(self._answer, left) :]
                except BlockingIOError:
                    await self._room()
        self._promise()

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


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
