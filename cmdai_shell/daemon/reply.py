"""One reply on its way to a hook, by whatever it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.core import Notice, Partial
from cmdai_shell.daemon import terminal, wire
from cmdai_shell.errors import CmdaiError, WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmdai_shell.core import Update
    from cmdai_shell.daemon.desk import Desk


class Reply:
    """Updates to lines, in the width and for the terminal that the record names."""

    def __init__(
        self, write: Callable[[bytes], Awaitable[None]], desk: Desk, record: wire.Record
    ) -> None:
        self._write = write
        self._desk = desk
        self._width = record.request.width
        self._tty = record.tty
        self.last_notice = wire.encode(Notice(text=""), width=self._width)
        """Lines that may be sent again without changing anything."""
        self.is_answered = False

    async def send(self, update: Update | CmdaiError) -> None:
        """Raises what ``write`` raises."""
        try:
            lines = wire.encode(update, width=self._width, maker=self._desk.maker)
        except WireError as error:
            lines = wire.encode(error, width=self._width)
        if isinstance(update, Notice):
            self.last_notice = lines
        elif not isinstance(update, Partial):
            self.is_answered = True
            lines = self._typed() + lines
        await self._write(lines)

    async def look(self) -> None:
        """Say whether somebody typed, before the answer is there; a blank line where that cannot be
        known, which is a sign of life. Raises what ``write`` raises."""
        await self._write(self._typed() or b"\n")

    def _typed(self) -> bytes:
        count = terminal.waiting(self._tty) if self._tty else None
        return b"" if count is None else b"I%d\n" % count
