"""``python -I -m cmdai_shell.manual.build FILE``: read every page, write the index.

A child process of the daemon's, at the lowest priority. It ends at once where nothing has changed
since the last time, or another one is at work.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell import __version__
from cmdai_shell.manual import pages, read, store, tools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cmdai_shell.core import Page
    from cmdai_shell.manual.read import Entry

USAGE = "usage: python -I -m cmdai_shell.manual.build FILE"
_IDLE = 3 << 13
"""IOPRIO_CLASS_IDLE (ioprio_set(2))."""
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_PROCESS = 1


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write(USAGE + "\n")
        return 2
    path = Path(arguments[0])
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(f"{path}.lock", "w", opener=_private) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0
        yield_to_others()
        man_path = read.folders(os.environ)
        found = tools.here(os.environ.get("PATH", os.defpath))
        if store.meta(path).get("stamp") != fingerprint(man_path, found):
            build(path, man_path, found)
    return 0


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def fingerprint(man_path: Sequence[Path], found: Mapping[str, Path]) -> str:
    """What an index was built from, and by whom."""
    return f"{__version__} {store.FORMAT}\n{read.stamp(man_path)}\n{tools.stamp(found)}"


def build(
    path: Path,
    man_path: Sequence[Path],
    found: Mapping[str, Path],
    clock: Callable[[], float] = time.time,
) -> Mapping[str, str]:
    """Write the index of these man directories and tools to ``path``; returns what it notes of
    itself.

    Raises OSError and sqlite3.Error when it cannot be written; the old one then stays.
    """
    stamp = fingerprint(
        man_path, found
    )  # before the pages: what changes meanwhile is read next time
    writer = store.Writer(path)
    try:
        gathered = _Gathered()
        names = _gather(gathered, writer, read.entries(man_path))
        for name, page in tools.helps(found, names, os.environ.get("PATH", os.defpath)):
            gathered.add(writer, page)
            writer.name([(name, gathered.pages)], anew=True)
        meta = {
            "stamp": stamp,
            "built": f"{clock():.0f}",
            "pages": str(gathered.pages),
            "options": str(gathered.options),
        }
        writer.finish(meta)
    except BaseException:
        writer.abandon()
        raise
    return meta


class _Gathered:
    """Counts, and the files that have been read."""

    def __init__(self) -> None:
        self.pages = 0
        self.options = 0
        self.numbers: dict[Path, int] = {}

    def add(self, writer: store.Writer, page: Page) -> int:
        self.pages += 1
        self.options += len(page.options)
        writer.add(self.pages, page)
        return self.pages


def _gather(gathered: _Gathered, writer: store.Writer, found: Sequence[Entry]) -> set[str]:
    """The names. Each file is read once, however many lead to it. A name belongs to the first page
    that has it as its file's name, and only then to one that mentions it."""
    also: dict[str, int] = {}
    named: set[str] = set()
    for entry in found:
        real = read.target(entry)
        number = gathered.numbers.get(real.path)
        if number is None:
            page = _page(real)
            if page is None:
                continue
            number = gathered.numbers[real.path] = gathered.add(writer, page)
            for name in pages.aliases(page):
                also.setdefault(name, number)
        writer.name([(entry.stem, number)])
        named.add(entry.stem)
    writer.name(also.items())
    return named | also.keys()


def _page(entry: Entry) -> Page | None:
    text = read.text(entry.path)
    page = pages.page(text, entry.stem) if text else None
    return page if page and (page.summary or page.options) else None


def yield_to_others() -> None:
    """Only time that nobody else wants, of the processor and of the disk."""
    with suppress(OSError):
        os.nice(19)
    if number := _IOPRIO_SET.get(os.uname().machine if sys.platform == "linux" else ""):
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).syscall(number, _PROCESS, 0, _IDLE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
