"""The index's file: one SQLite database, written once as a whole and then only read."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from cmdai_shell.core import Option, Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NAME = "manual.db"
FORMAT = "1"
"""Of the tables below and of what is read from a page; another one is built anew."""

_TABLES = """
create table meta (key text primary key, value text) without rowid;
create table name (name text primary key, page integer) without rowid;
create table page (id integer primary key, body blob);
create virtual table words using fts5(
    names, summary, options, content='', tokenize='porter unicode61', detail='none'
);
"""


Kept: TypeAlias = "tuple[tuple[str, ...], str, bool, str]"
"""An option: names, argument, whether that is optional, text."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A page as it is kept."""

    name: str
    summary: str
    options: tuple[Kept, ...]
    commands: tuple[Kept, ...]
    mentioned: tuple[str, ...]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Row)


def packed(page: Page) -> bytes:
    options, commands = _kept(page.options), _kept(page.commands)
    return _ENCODER.encode(Row(page.name, page.summary, options, commands, page.mentioned))


def unpacked(body: bytes) -> Page:
    """Raises msgspec.MsgspecError for bytes that are no page."""
    row = _DECODER.decode(body)
    return Page(
        name=row.name,
        summary=row.summary,
        options=_options(row.options),
        commands=_options(row.commands),
        mentioned=row.mentioned,
    )


def _kept(options: tuple[Option, ...]) -> tuple[Kept, ...]:
    return tuple((o.names, o.argument, o.optional_argument, o.text) for o in options)


def _options(kept: tuple[Kept, ...]) -> tuple[Option, ...]:
    return tuple(
        Option(names=names, argument=argument, optional_argument=optional, text=text)
        for names, argument, optional, text in kept
    )


class Writer:
    """Makes a new file beside the old one, and puts it in its place when ``finish`` is called:
    killed at any moment, it leaves the old one or the new one, and a remnant that the next writer
    removes. Only one writer at a time (the builder's lock)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        remove(self._partial)
        os.close(os.open(self._partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._base = sqlite3.connect(self._partial, isolation_level=None)
        # a crash loses the whole partial file in any case, and the one fsync at the end is ours
        self._base.execute("pragma journal_mode = off")
        self._base.execute("pragma synchronous = off")
        self._base.executescript(f"begin;{_TABLES}")

    def add(self, number: int, page: Page) -> None:
        self._base.execute("insert into page values (?, ?)", (number, packed(page)))
        self._base.execute(
            "insert into words(rowid, names, summary, options) values (?, ?, ?, ?)",
            (number, page.name, page.summary, " ".join(option.text for option in page.options)),
        )

    def name(self, names: Iterable[tuple[str, int]], *, anew: bool = False) -> None:
        """What is named already keeps its page, unless it is to be named ``anew``."""
        self._base.executemany(
            "insert or replace into name values (?, ?)"
            if anew
            else "insert or ignore into name values (?, ?)",
            names,
        )

    def finish(self, meta: Mapping[str, str]) -> None:
        self._base.executemany("insert into meta values (?, ?)", meta.items())
        self._base.execute("commit")
        self._base.close()
        descriptor = os.open(self._partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(self._partial, self._path)  # noqa: PTH105  the pair of os.open
        with suppress(OSError):  # the name, too, survives a crash of the machine
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def abandon(self) -> None:
        self._base.close()
        remove(self._partial)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def opened(path: Path) -> sqlite3.Connection:
    """For reading. Nobody writes into the file once it has its name, so that no lock is needed.

    Raises sqlite3.Error.
    """
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
    )


def meta(path: Path) -> dict[str, str]:
    """What the builder noted; empty where there is no index that can be read."""
    with suppress(sqlite3.Error, OSError), closing(opened(path)) as base:
        return dict(base.execute("select key, value from meta"))
    return {}
