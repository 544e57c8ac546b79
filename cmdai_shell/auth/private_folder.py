"""Files that nobody but us may read or have written. Everything here may block."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cmdai_shell.config import owned
from cmdai_shell.config.owned import LARGEST, PATIENCE_S
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK = ".lock"


class PrivateFolder:
    """A 0700 folder of 0600 files. Every method raises ConfigError, with what to type, where folder
    or file is a symbolic link, another user's, or (a file) open to others."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"PrivateFolder({str(self.path)!r})"

    def read(self, name: str) -> bytes | None:
        """None where there is no file."""
        path = self.path / name
        with owned.folder(self.path, _closed, make=False) as folder:
            data = None if folder is None else owned.read(folder, path, _check)
        if data is not None and len(data) > LARGEST:
            raise ConfigError(f"{path} is too large to be ours", owned.away(path))
        return data

    def write(self, name: str, data: bytes) -> None:
        """In one step, and on the disk when it returns; on ConfigError the old file is untouched.
        For who holds the folder (``held``)."""
        with owned.folder(self.path, _closed, make=True) as folder:
            if folder is not None:
                owned.write(folder, self.path / name, data)

    def remove(self, name: str) -> None:
        """For who holds the folder."""
        with (
            owned.folder(self.path, _closed, make=False) as folder,
            suppress(FileNotFoundError),
        ):
            if folder is not None:
                os.unlink(name, dir_fd=folder)

    @contextmanager
    def held(self, name: str = _LOCK, patience: float = PATIENCE_S) -> Iterator[None]:
        """Nobody else holds that ``name`` meanwhile, in this process or another; one that dies lets
        go. Raises TimeoutError after ``patience`` seconds."""
        with owned.folder(self.path, _closed, make=True) as folder:
            if folder is not None:
                with owned.locked(folder, self.path / name, _check, patience):
                    yield


def _closed(fd: int, path: Path) -> None:
    """The folder to all others."""
    found = os.fstat(fd)
    owned.check_owner(found, path)
    if stat.S_IMODE(found.st_mode) != 0o700:
        os.fchmod(fd, 0o700)


def _check(fd: int, path: Path) -> None:
    found = os.fstat(fd)
    owned.check_owner(found, path)
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is no file", owned.away(path))
    if found.st_mode & 0o077:
        raise ConfigError(
            f"others can read or write {path} (mode {stat.S_IMODE(found.st_mode):o}): "
            "what is in it is no secret any more",
            f"rm {path}, then log in again",
        )
