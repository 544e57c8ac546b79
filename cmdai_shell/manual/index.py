"""``core.Manual`` of this machine: the index, looked up by name."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from cmdai_shell.manual import store

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.core import Page

_KEPT = 64
"""Pages that are kept in memory, those used last; none has more than some 100 kB."""
_UNKNOWN = object()


class Index:
    """Reads the file at ``path``, and notices when another has taken its place. Where there is
    none, or none that can be read, no page is known."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._base: sqlite3.Connection | None = None
        self._stamp: tuple[int, int] | None = None
        self._pages: OrderedDict[str, Page | None] = OrderedDict()

    def page(self, name: str) -> Page | None:
        """The page of that name. Never raises; some 0.1 ms the first time, then microseconds."""
        self._follow()
        known = self._pages.get(name, _UNKNOWN)
        if known is _UNKNOWN:
            self._pages[name] = self._read(name)
            if len(self._pages) > _KEPT:
                self._pages.popitem(last=False)
        self._pages.move_to_end(name)
        return self._pages[name]

    def close(self) -> None:
        if self._base:
            self._base.close()
        self._base, self._stamp = None, None
        self._pages.clear()

    def _follow(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            self.close()
            return
        if (found.st_ino, found.st_mtime_ns) != self._stamp:
            self.close()
            with suppress(sqlite3.Error):
                self._base = store.opened(self._path)
            self._stamp = (found.st_ino, found.st_mtime_ns)

    def _read(self, name: str) -> Page | None:
        if self._base is None:
            return None
        try:
            row = self._base.execute(
                "select body from name join page on page.id = name.page where name = ?", (name,)
            ).fetchone()
            return store.unpacked(row[0]) if row else None
        except (sqlite3.Error, msgspec.MsgspecError, TypeError):
            return None
