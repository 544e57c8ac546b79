"""What is in a folder, told so that two folders can be compared: one short text for each path."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LEFT_OUT = frozenset({".calls", ".cache", ".bash_history", ".zsh_history", ".local"})
"""Below HOME: what programs and the bench itself leave there, and nobody asked for."""
_MOST = 64 << 20
"""Bytes of an archive that are unpacked."""
_CHUNK = 1 << 20


@dataclass
class Snapshot:
    """``entries``: path below the folder -> type, mode, and contents as a digest, a target or a
    listing. ``stamps`` tell which files cannot have changed since. ``repositories`` are the git
    folders, which are not looked into: git has to describe them. The rest is filled in by the
    sandbox: see ``Place``."""

    entries: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)
    repositories: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)


def take(root: Path, known: Snapshot | None = None, copied_ns: int = 0) -> Snapshot:
    """Look at everything below ``root``. Files of ``known`` that have kept size and time, and were
    not written since the copy was made (``copied_ns``), are not read again."""
    seen = Snapshot()
    _walk(root, "", seen, known or Snapshot(), copied_ns)
    return seen


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Path -> what is there now, or nothing for what is gone."""
    paths = before.keys() | after.keys()
    different = sorted(path for path in paths if before.get(path) != after.get(path))
    return {path: after.get(path, "") for path in different}


def _walk(folder: Path, prefix: str, seen: Snapshot, known: Snapshot, copied_ns: int) -> None:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        seen.entries[prefix + "?"] = "unreadable"
        return
    for entry in entries:
        path = prefix + entry.name
        if path in LEFT_OUT:
            continue
        info = entry.stat(follow_symlinks=False)
        mode = f"{stat.S_IMODE(info.st_mode):o}"
        if entry.is_symlink():
            seen.entries[path] = f"link {(folder / entry.name).readlink()}"
        elif entry.is_dir(follow_symlinks=False):
            old = known.entries.get(path, "")
            if old.startswith("git ") and _is_untouched(entry.path, copied_ns):
                seen.entries |= {
                    one: what
                    for one, what in known.entries.items()
                    if one == path or one.startswith(f"{path}/")
                }
            elif _is_repository(entry.path):
                inside = [f"{path}/{name}" for name in _repositories_in(entry.path)]
                seen.repositories += [path, *inside]
                seen.entries |= dict.fromkeys([path, *inside], "git")
            else:
                seen.entries[path] = f"folder {mode}"
                _walk(folder / entry.name, path + "/", seen, known, copied_ns)
        elif entry.is_file(follow_symlinks=False):
            stamp = seen.stamps[path] = (info.st_size, info.st_mtime_ns)
            old = known.entries.get(path, "")
            if old and known.stamps.get(path) == stamp and info.st_ctime_ns <= copied_ns:
                seen.entries[path] = old
            else:
                seen.entries[path] = f"file {mode} {_contents(folder / entry.name, info.st_size)}"
        else:
            seen.entries[path] = f"special {stat.S_IFMT(info.st_mode):o}"


def _repositories_in(path: str) -> list[str]:
    """An origin that a fixture keeps inside of the git folder."""
    with os.scandir(path) as found:
        return sorted(one.name for one in found if one.is_dir() and _is_repository(one.path))


def _is_untouched(path: str, since_ns: int) -> bool:
    """Of a folder and everything below it."""
    for folder, _, files in os.walk(path):
        for place in (folder, *(os.path.join(folder, name) for name in files)):  # noqa: PTH118
            if os.lstat(place).st_ctime_ns > since_ns:
                return False
    return True


def _is_repository(path: str) -> bool:
    return all(os.path.exists(os.path.join(path, name)) for name in ("HEAD", "objects", "refs"))  # noqa: PTH110, PTH118


def _contents(path: Path, size: int) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(6)
            if size <= _MOST and (listing := _archive(path, start)):
                return listing
            if start[:2] == b"\x1f\x8b" or start[:3] == b"BZh" or start == b"\xfd7zXZ\x00":
                return _unpacked(path, start)
            file.seek(0)
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            return f"{size} {digest.hexdigest()[:16]}"
    except OSError:
        return "unreadable"


def _archive(path: Path, start: bytes) -> str:
    """How it is packed, and a digest of what is in it; empty if it is no archive. Names and
    contents count, not the order, times, or the folders (which zip lists and tar may not)."""
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        try:
            with zipfile.ZipFile(path) as packed:
                files = [(info.filename, info.CRC) for info in packed.infolist()]
        except (zipfile.BadZipFile, OSError, ValueError):
            return ""
        return f"zip {_listing(files)}"
    try:
        with tarfile.open(path) as packed:
            files = [
                (member.name, _member(packed, member))
                for member in packed.getmembers()
                if not member.isdir()
            ]
    except (tarfile.TarError, OSError, EOFError, ValueError, lzma.LZMAError):
        return ""
    return f"tar {_packing(start)} {_listing(files)}"


def _member(packed: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"-> {member.linkname}"
    contents = packed.extractfile(member) if member.isfile() else None
    return hashlib.sha256(contents.read(_MOST)).hexdigest()[:16] if contents else "special"


def _listing(files: Iterable[tuple[str, object]]) -> str:
    rows = sorted(
        f"{name.removeprefix('./')} {what}" for name, what in files if not name.endswith("/")
    )
    return f"{len(rows)} {hashlib.sha256(repr(rows).encode()).hexdigest()[:16]}"


def _packing(start: bytes) -> str:
    kinds = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz"}
    return kinds.get(start[:2], "plain")


def _unpacked(path: Path, start: bytes) -> str:
    """A single packed file, by what is in it: how well it was packed, and when, does not count."""
    kind = _packing(start)
    opener = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}[kind]
    digest, size = hashlib.sha256(), 0
    try:
        with opener(path) as packed:
            while size < _MOST and (chunk := packed.read(_CHUNK)):
                digest.update(chunk)
                size += len(chunk)
    except (OSError, EOFError, lzma.LZMAError, io.UnsupportedOperation, ValueError):
        return f"broken {kind}"
    return f"{kind} {size} {digest.hexdigest()[:16]}"
