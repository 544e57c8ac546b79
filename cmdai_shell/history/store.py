"""The file. Opened for each piece of work: it may be forgotten, moved or damaged at any time.

A rollback journal, not a write-ahead log: no press waits for a reading (``memory`` answers), and
what is forgotten is then in no other file. Everything here may block: it is called in a thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast, get_args

from cmdai_shell.core import Shell
from cmdai_shell.history.entry import Entry, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

log = logging.getLogger(__name__)

VERSION = 1
"""Of the table; goes up with every change of it."""
PATIENCE = 5.0
"""Seconds to wait for another process that writes."""

_FOLDER, _NAME = "history", "history.sqlite"
_TABLE = """
create table entry (
    id integer primary key,
    time real not null,
    shell text not null,
    words text not null,
    suggested text not null,
    outcome text not null,
    ran text not null,
    status integer,
    backend text not null,
    cwd text not null,
    unique (shell, words, suggested)
)"""
_KEEP = (
    "insert into entry (time, shell, words, suggested, outcome, ran, status, backend, cwd) "
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "on conflict (shell, words, suggested) do update set time = excluded.time, "
    "outcome = excluded.outcome, ran = excluded.ran, status = excluded.status, "
    "backend = excluded.backend, cwd = excluded.cwd"
)
_ALL = (
    "select id, time, shell, words, suggested, outcome, ran, status, backend, cwd "
    "from entry order by time, id"
)
_TRIM = (
    "delete from entry where id in "
    "(select id from entry order by time desc, id desc limit -1 offset ?)"
)

T = TypeVar("T")


class Store:
    """The history below a data folder. A file that cannot be understood is set aside and a new one
    begun. Raises OSError and sqlite3.Error where the folder cannot be used at all."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / _FOLDER
        self.path = self.folder / _NAME

    def entries(self) -> list[Entry]:
        """All of them, the oldest first."""
        if not self.path.exists():
            return []
        return list(_understood(self._do(lambda base: base.execute(_ALL).fetchall())))

    def keep(self, entries: Iterable[Entry], most: int) -> None:
        """Add or replace; of more than ``most`` in all the oldest go."""
        rows = [_row(entry) for entry in entries]

        def work(base: sqlite3.Connection) -> None:
            base.execute("begin immediate")
            base.executemany(_KEEP, rows)
            base.execute(_TRIM, (most,))
            base.execute("commit")

        self._do(work)

    def forget(self, ids: Iterable[int]) -> None:
        """Delete, so that nothing of them is left in the file."""
        rows = [(number,) for number in ids]
        if self.path.exists():
            self._do(lambda base: _erase(base, "delete from entry where id = ?", rows))

    def clear(self) -> None:
        """Delete everything, what was set aside too."""
        if self.path.exists():
            self._do(lambda base: _erase(base, "delete from entry", [()]))
        for path in self.aside():
            path.unlink(missing_ok=True)

    def aside(self) -> list[Path]:
        """Files that could not be understood."""
        return sorted(self.folder.glob(f"{_NAME}.*"))

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._opened() as base:
                return work(base)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._set_aside("damaged")
        except _NewerError as error:
            self._set_aside(f"version-{error}")
        with self._opened() as base:
            return work(base)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self._make()
        base = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        base.text_factory = lambda raw: raw.decode("utf-8", "replace")
        with contextlib.closing(base):
            base.execute("pragma secure_delete = on")
            _prepare(base)
            yield base

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self.path, flags, 0o600)  # before SQLite does, by the umask
        try:
            os.fchmod(handle, 0o600)
        finally:
            os.close(handle)

    def _set_aside(self, why: str) -> None:
        """The person may know what to do with it; we begin anew."""
        names = (f"{self.path}.{why}{f'-{n}' if n > 1 else ''}" for n in count(1))
        name = next(name for name in names if not Path(name).exists())
        with contextlib.suppress(FileNotFoundError):  # another process was quicker
            self.path.rename(name)
        Path(f"{self.path}-journal").unlink(missing_ok=True)  # it would be taken for the new one's
        log.warning("history set aside", extra={"fields": {"why": why}})


class _NewerError(Exception):
    """Made by a later version of ours."""


def _prepare(base: sqlite3.Connection) -> None:
    ((version,),) = base.execute("pragma user_version")
    if version > VERSION:
        raise _NewerError(version)
    if version == VERSION:
        return
    base.execute("begin immediate")
    if base.execute("pragma user_version").fetchone() == (0,):  # nobody was quicker
        base.execute(_TABLE)
        base.execute(f"pragma user_version = {VERSION}")
    base.execute("commit")


def _erase(base: sqlite3.Connection, statement: str, rows: Sequence[tuple[int, ...]]) -> None:
    base.execute("begin immediate")
    base.executemany(statement, rows)
    base.execute("commit")
    base.execute("vacuum")  # what is left in free pages by versions of SQLite that did not wipe


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """The file's own fault, not that of a full disk or of another process: no database, broken
    pages, or not the tables that its version promises."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.time,
        entry.shell,
        entry.words,
        entry.suggested,
        entry.outcome,
        entry.ran,
        entry.status,
        entry.backend,
        entry.cwd,
    )


def _understood(rows: Iterable[tuple[object, ...]]) -> Iterator[Entry]:
    """Rows that are what we write: anybody who may write the file may have written others."""
    for row in rows:
        number, time, shell, words, suggested, outcome, ran, status, backend, cwd = row
        texts = (words, suggested, ran, backend, cwd)
        numbers = isinstance(time, float) and (status is None or isinstance(status, int))
        if not numbers or not all(isinstance(text, str) for text in texts):
            continue
        if shell in get_args(Shell) and outcome in get_args(Outcome):
            yield Entry(
                id=cast("int", number),
                time=cast("float", time),
                shell=cast("Shell", shell),
                words=cast("str", words),
                suggested=cast("str", suggested),
                outcome=cast("Outcome", outcome),
                ran=cast("str", ran),
                status=cast("int | None", status),
                backend=cast("str", backend),
                cwd=cast("str", cwd),
            )
