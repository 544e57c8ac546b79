"""The pipes that shells' later presses come through (shell-hooks/README.md, "Pipes").

A press by the socket costs bash and fish a process, several milliseconds; one by a pair of FIFOs
costs them nothing. We hold both as long as we live, so that a shell that opens them never waits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from cmdai_shell.daemon.deadman import Deadman, is_available
from cmdai_shell.daemon.pair import NAME, Pair, shell_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmdai_shell.core import Clock
    from cmdai_shell.daemon import wire
    from cmdai_shell.daemon.desk import Desk

log = logging.getLogger(__name__)

ASK, ANSWER, TRAP = ".ask", ".answer", ".trap"
"""The two FIFOs, and bash's note of what its trap for Ctrl-C was."""
_FILE = re.compile(rf"{NAME.pattern}\.(?:ask|answer|trap)")
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
MOST = 100
"""Pairs at a time; the shell that has not pressed for longest goes back to the socket."""
BEAT = 2.0
DEATH = 10.0
"""Seconds without a beat after which a daemon that holds pipes for fish is killed."""
IDLE = 600.0
"""Seconds without a press after which fish goes back to the socket, and the beat can stop."""


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
        self._pairs: dict[str, Pair] = {}
        """By name, the one used last at the end."""
        self._heart: asyncio.Task[None] | None = None
        for name in os.listdir(folder):
            if _FILE.fullmatch(name):
                self._wake(name)
                self._unlink(name)

    def make(self, record: wire.Record) -> bool:
        """A pair for the shell that asks for one; False when it has to go on by the socket.

        Linux alone: elsewhere a FIFO does not tell when its other end is closed.
        """
        if not shell_of(record.pipes) or sys.platform != "linux":
            return False
        self.drop(record.pipes)
        for name in [name for name in self._pairs if not _lives(shell_of(name))]:
            self.drop(name)
        while len(self._pairs) >= MOST:
            self.drop(next(iter(self._pairs)))
        try:
            if record.patience:
                self._keep_alive()
            ask, answer = self._open(record.pipes)
        except OSError as error:  # no descriptors, no room, no timers
            log.warning("no pipes", extra={"fields": {"error": error.strerror}})
            self._clear(record.pipes)
            return False
        self._pairs[record.pipes] = Pair(self, record, ask, answer, self._clock())
        return True

    def close(self) -> None:
        """All of them; what is in flight is cancelled."""
        for name in list(self._pairs):
            self.drop(name)
        if self._heart:
            self._heart.cancel()

    def begin(self, pair: Pair, record: wire.Record) -> asyncio.Task[None] | None:
        """Answer the record; None when this daemon takes no more, and the pair is gone."""
        if not self._may_accept():
            pair.refuse()
            self.drop(pair.name)
            return None
        self._pairs[pair.name] = self._pairs.pop(pair.name)
        pair.last_used = self._clock()
        return self._group.create_task(pair.answer(self._desk, self._clock, record))

    def drop(self, name: str) -> None:
        """The shell goes on by the socket; one that waits sees the end of the file."""
        if pair := self._pairs.pop(name, None):
            self._clear(name)
            pair.close()

    def in_flight(self) -> set[asyncio.Task[None]]:
        return {pair.task for pair in self._pairs.values() if pair.task}

    # --- shells that cannot time their reading

    def _keep_alive(self) -> None:
        """Raises OSError when there are no timers."""
        if not is_available():
            raise OSError(0, "no timers that kill")
        if self._heart is None or self._heart.done():
            self._heart = self._group.create_task(self._beating(Deadman(DEATH)))

    async def _beating(self, deadman: Deadman) -> None:
        """While such a shell may open its pipes: should this loop hang, the kernel ends us."""
        try:
            while True:
                deadman.promise()
                await asyncio.sleep(BEAT)
                waiting = [pair for pair in self._pairs.values() if pair.is_patient]
                for pair in waiting:
                    if not pair.task and self._clock() - pair.last_used > IDLE:
                        self.drop(pair.name)
                if not waiting:
                    return
        finally:
            deadman.close()

    # --- files

    def _open(self, name: str) -> tuple[int, int]:
        """(reading end of what is asked, writing end of the answers). Raises OSError."""
        self._clear(name)
        for suffix in (ASK, ANSWER):
            os.mkfifo(name + suffix, 0o600, dir_fd=self._folder)
        # Opened for both, a FIFO neither waits for the other side nor ends with it (fifo(7)).
        ask = os.open(name + ASK, os.O_RDWR | _FLAGS, dir_fd=self._folder)
        try:
            both = os.open(name + ANSWER, os.O_RDWR | _FLAGS, dir_fd=self._folder)
            try:
                return ask, os.open(name + ANSWER, os.O_WRONLY | _FLAGS, dir_fd=self._folder)
            finally:
                os.close(both)
        except OSError:
            os.close(ask)
            raise

    def _wake(self, name: str) -> None:
        """A shell may wait in an opening for the daemon that made this FIFO and was killed."""
        with suppress(OSError):
            fd = os.open(name, os.O_RDWR | _FLAGS, dir_fd=self._folder)
            os.close(fd)

    def _clear(self, name: str) -> None:
        for suffix in (ASK, ANSWER, TRAP):
            self._unlink(name + suffix)

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            found = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            if stat.S_ISFIFO(found.st_mode) or stat.S_ISREG(found.st_mode):
                os.unlink(name, dir_fd=self._folder)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
