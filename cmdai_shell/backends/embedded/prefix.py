"""Evaluated prompt prefixes on disk: what costs seconds to calculate costs milliseconds to read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KEEP = 6
"""Files. Three shells, each asking and explaining; one is 5 to 20 MB."""
_PART_AGE_S = 600
_MAGIC = b"cmdai-prefix-1\n"


def key(*facts: str, tokens: Sequence[int]) -> str:
    """A file name from everything that the calculated state depends on."""
    text = "\0".join([*facts, ",".join(map(str, tokens))])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class PrefixStore:
    """A folder of states, the least recently used thrown away first.

    It is a cache and never an obstacle: what cannot be read is missing, what cannot be written is
    calculated again next time.
    """

    def __init__(self, folder: Path, keep: int = KEEP) -> None:
        self._folder = folder
        self._keep = keep

    def read(self, name: str) -> bytes | None:
        """The state, or None when there is none or it is damaged (then it is removed)."""
        file = self._file(name)
        try:
            data = file.read_bytes()
        except OSError:
            return None
        start = len(_MAGIC) + hashlib.sha256().digest_size
        digest, state = data[len(_MAGIC) : start], data[start:]
        with contextlib.suppress(OSError):
            if data.startswith(_MAGIC) and hashlib.sha256(state).digest() == digest:
                os.utime(file)
                return state
            file.unlink()
        return None

    def write(self, name: str, state: bytes) -> None:
        """Whole or not at all, readable by the user alone."""
        temporary = ""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")  # mode 0600
            with os.fdopen(handle, "wb") as out:
                out.write(_MAGIC + hashlib.sha256(state).digest())
                out.write(state)
            Path(temporary).replace(self._file(name))
            self._sweep()
        except OSError:  # disk full, folder read-only
            if temporary:
                Path(temporary).unlink(missing_ok=True)

    def _sweep(self) -> None:
        files = sorted(self._folder.glob("*.prefix"), key=_mtime, reverse=True)
        for file in files[self._keep :]:
            file.unlink(missing_ok=True)
        for part in self._folder.glob("*.part"):  # of a worker that was killed while it wrote
            if time.time() - _mtime(part) > _PART_AGE_S:
                part.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.prefix"


def _mtime(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
