"""Where the pages are, and their text: man directories, compressed files, links of both kinds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from cmdai_shell.manual.pages import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SECTIONS = ("1", "8")
"""Programs, and those of the administrator."""
_FOREIGN = re.compile(r"\d(?:p|posix)\Z")
"""Sections of standards: what they say of a program is not what this one does."""
_FILE = re.compile(r"(?P<stem>.+)\.(?P<section>[18]\w*)(?:\.(?P<packed>gz|bz2|xz|lzma|Z|zst))?\Z")
_LINK = re.compile(r"\A\s*[.']\s*so\s+(\S+)\s*\Z")
_MOST_LINKS = 4
_USUAL = (
    "/usr/local/share/man",
    "/usr/local/man",
    "/usr/share/man",
    "/opt/homebrew/share/man",
    "/opt/local/share/man",
)


class Entry(NamedTuple):
    """A page's file. ``folder`` is the man directory that it is in."""

    stem: str
    section: str
    path: Path
    folder: Path


def folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The man path, first come first served: ``$MANPATH``, what ``manpath`` (man-db) or ``man -w``
    (BSD) says, else the usual places. Only folders that exist."""
    told = environ.get("MANPATH", "")
    if "" in told.split(":"):
        told = ""  # unset, or the system's own to be put in somewhere
    for command in () if told else (("manpath", "-q"), ("man", "-w")):
        with suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=5,
                check=True,
                env=dict(environ),
            ).stdout.decode(errors="replace")
        if told.strip():
            break
    named = told.strip().split(":") if told.strip() else [*_near(environ), *_USUAL]
    found = dict.fromkeys(Path(name).resolve() for name in named if name)
    return tuple(path for path in found if str(path).isprintable() and path.is_dir())


def _near(environ: Mapping[str, str]) -> Iterator[str]:
    """``x/share/man`` of every ``x/bin`` on PATH."""
    for folder in environ.get("PATH", "").split(":"):
        if folder.endswith("/bin"):
            yield f"{folder.removesuffix('/bin')}/share/man"


def entries(man_path: Sequence[Path]) -> list[Entry]:
    """Every page of a program, the one that ``man`` would show before others of its name."""
    found: list[Entry] = []
    for folder in man_path:
        for section in SECTIONS:
            with suppress(OSError):
                names = sorted(os.listdir(folder / f"man{section}"))  # noqa: PTH208  names suffice
                for name in names:
                    match = _FILE.fullmatch(name)
                    if match and name.isprintable() and not _FOREIGN.match(match["section"]):
                        path = folder / f"man{section}" / name
                        found.append(Entry(match["stem"], match["section"], path, folder))
    return sorted(found, key=lambda entry: (len(entry.section) > 1, entry.section[0]))


def stamp(man_path: Sequence[Path]) -> str:
    """What changes when a page comes, goes or is replaced in any of the folders."""
    parts = []
    for folder in man_path:
        for section in SECTIONS:
            with suppress(OSError):
                found = (folder / f"man{section}").stat()
                parts.append(f"{folder}/{section}:{found.st_mtime_ns}")
    return "\n".join(parts)


def target(entry: Entry) -> Entry:
    """Where a page's symbolic links and ``.so`` lines lead to; itself if they lead to nothing."""
    for _ in range(_MOST_LINKS):
        real = Path(os.path.realpath(entry.path))
        entry = entry._replace(path=real)
        if not (named := _so(real)):
            break
        elsewhere = _located(entry.folder, named)
        if elsewhere is None:
            break
        entry = entry._replace(path=elsewhere)
    return entry


def text(path: Path) -> str:
    """The text of a page's file, its beginning if it is longer than ``LONGEST`` bytes; empty where
    it cannot be read. Never raises."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe has no end
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return ""
            with _unpacked(path, file) as pages:
                raw = pages.read(LONGEST)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, ImportError):
        return ""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unpacked(path: Path, file: IO[bytes]) -> IO[bytes] | gzip.GzipFile:
    match path.suffix:
        case ".gz":
            return gzip.open(file)
        case ".bz2":
            return bz2.open(file)
        case ".xz" | ".lzma":
            return lzma.open(file)
        case ".zst":
            from compression import zstd  # type: ignore[import-not-found]  # Python 3.14

            opened: IO[bytes] = zstd.open(file)
            return opened
        case ".Z":
            raise ValueError("no reader for compress(1)")
        case _:
            return file


def _so(path: Path) -> str:
    """The name in a page that is nothing but ``.so man1/other.1``."""
    with suppress(OSError):
        if path.stat().st_size > 300:
            return ""
    lines = [line for line in text(path).splitlines() if not line.startswith(('.\\"', "'\\\""))]
    found = _LINK.match("\n".join(lines))
    return found[1] if found else ""


def _located(folder: Path, named: str) -> Path | None:
    """A ``.so`` name is below the man directory; nothing outside it is read."""
    bare = folder / named
    for suffix in ("", ".gz", ".bz2", ".xz", ".zst"):
        path = Path(os.path.realpath(f"{bare}{suffix}"))
        if path.is_relative_to(folder) and path.is_file():
            return path
    return None
