"""One reply on its way to a hook, by whatever it came."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cmdai_shell.core import Notice, Partial
from cmdai_shell.daemon import terminal, wire
from cmdai_shell.errors import CmdaiError, WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmdai_shell.core import Update
    from cmdai_shell.daemon.desk import Desk


class Reply:
    """Updates to lines, in the width and for the terminal that the record names. ``shell`` is the
    process id of the shell that asks; 0 where it is not known."""

    def __init__(
        self,
        write: Callable[[bytes], Awaitable[None]],
        desk: Desk,
        record: wire.Record,
        shell: int = 0,
    ) -> None:
        self._write = write
        self._writing = asyncio.Lock()
        self._desk = desk
        self._width = record.request.width
        self._tty = record.tty
        self._shell = shell
        self._is_final = False
        self.last_notice = wire.encode(Notice(text=""), width=self._width)
        """Lines that may be sent again without changing anything."""
        self.is_answered = False
        """The last of it has been sent."""

    async def send(self, update: Update | CmdaiError) -> None:
        """Raises what ``write`` raises."""
        lines = self._encoded(update)
        if isinstance(update, Notice):
            self.last_notice = lines
        self._is_final = not isinstance(update, Notice | Partial)
        async with self._writing:
            await self._write(self._typed() + lines if self._is_final else lines)
        self.is_answered = self._is_final

    async def look(self) -> None:
        """Say whether somebody typed, before the answer is there; a blank line where that cannot be
        known, which is a sign of life. Raises what ``write`` raises."""
        async with self._writing:
            if not self._is_final:
                await self._write(self._typed() or b"\n")

    def last_words(self, error: CmdaiError) -> bytes:
        """The end of a reply that is broken off."""
        return self._typed() + self._encoded(error)

    def _encoded(self, update: Update | CmdaiError) -> bytes:
        try:
            return wire.encode(update, width=self._width, maker=self._desk.maker)
        except WireError as error:
            return wire.encode(error, width=self._width)

    def _typed(self) -> bytes:
        count = terminal.waiting(self._tty, self._shell) if self._tty and self._shell else None
        return b"" if count is None else b"I%d\n" % count
