"""A model file while it is being written: always a true beginning of the model, or thrown away.

Because a model is its bytes, a beginning fetched from one source is continued from any other.
"""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING, Protocol

from cmdai_shell.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoRoom(ModelUnavailable):
    """The disk is full: another source would not help."""


class Progress(Protocol):
    """Who watches a long copy."""

    def at(self, done: int, total: int) -> None:
        """``done`` of ``total`` bytes are there; called about once a megabyte, and may go back."""

    def say(self, text: str) -> None:
        """One line about what is going on."""


class Quiet:
    def at(self, done: int, total: int) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class Partial:
    """``<file>.part``, opened where it was left. Use as a context manager."""

    def __init__(self, path: Path, *, size: int, progress: Progress) -> None:
        self.path = path
        self.size = size
        self._progress = progress
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self.length = 0
        self._sha = hashlib.sha256()
        self.rewind(min(path.stat().st_size, size))

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def missing(self) -> int:
        return self.size - self.length

    def write(self, chunk: bytes) -> None:
        """Append. Raises NoRoom when the disk is full, ModelUnavailable past the model's size."""
        if len(chunk) > self.missing:
            raise ModelUnavailable("more bytes came than the model has")
        view = memoryview(chunk)
        while view:
            try:
                count = self._file.write(view)
            except OSError as error:
                raise self.no_room() if error.errno in _FULL else error from None
            self._sha.update(view[:count])
            self.length += count
            view = view[count:]
        self._progress.at(self.length, self.size)

    def rewind(self, length: int) -> None:
        """Keep the first ``length`` bytes and go on from there."""
        self._file.truncate(length)
        self._sha = hashlib.sha256()
        self.length = 0
        for chunk in chunks(self.path):
            self._sha.update(chunk)
            self.length += len(chunk)
        self._progress.at(self.length, self.size)

    def no_room(self) -> NoRoom:
        return NoRoom(
            f"the disk of {self.path.parent} is full: {megabytes(self.missing)} more are needed",
            "free some space and run the same command: it goes on from here",
        )

    def sha256(self) -> str:
        return self._sha.hexdigest()

    def seal(self, final: Path) -> None:
        """Make it the model: on disk for good, then under its name in one step."""
        os.fsync(self._file.fileno())
        self.path.replace(final)
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def digest(path: Path, progress: Progress) -> str:
    """The sha256 of a whole file."""
    sha, done, total = hashlib.sha256(), 0, path.stat().st_size
    for chunk in chunks(path):
        sha.update(chunk)
        done += len(chunk)
        progress.at(done, total)
    return sha.hexdigest()


def megabytes(count: int) -> str:
    """``1.1 GB``, ``491 MB``: in powers of ten, as sizes of downloads are given."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count, 0) / 1e6:.0f} MB"
