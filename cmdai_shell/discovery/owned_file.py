"""A file that nobody but us may have written, changed by one process at a time and in one step.

Blocks for as long as another process writes: it is called in a thread.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING

from cmdai_shell.config import owned
from cmdai_shell.config.owned import LARGEST
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = owned.PATIENCE_S


class OwnedFile:
    """A 0600 file in a 0700 folder of its own. Every method raises ConfigError, with what to type,
    where folder or file is a symbolic link, another user's, or open to others to write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes | None:
        """At most ``LARGEST`` bytes and one; None where there is no file."""
        with owned.folder(self.path.parent, _check, make=False) as folder:
            return None if folder is None else owned.read(folder, self.path, _check, LARGEST)

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Nobody else writes meanwhile. The folder is made if absent."""
        lock = self.path.with_name(_lock(self.path))
        with owned.folder(self.path.parent, _check, make=True) as folder, ExitStack() as stack:
            assert folder is not None  # noqa: S101
            os.fchmod(folder, 0o700)
            try:
                stack.enter_context(owned.locked(folder, lock, _check, PATIENCE))
            except TimeoutError:
                what = f"another process has been writing {self.path} for {PATIENCE:.0f} s"
                raise ConfigError(what, f"end it: fuser {lock}") from None
            yield Held(folder, self.path)

    def aside(self) -> list[Path]:
        """What was set aside."""
        return sorted(
            path
            for path in self.path.parent.glob(f"{self.path.name}.*")
            if path.name != _lock(self.path)
        )


class Held:
    """The file while we alone may change it."""

    def __init__(self, folder: int, path: Path) -> None:
        self._folder = folder
        self._path = path

    def read(self) -> bytes | None:
        return owned.read(self._folder, self._path, _check, LARGEST)

    def write(self, data: bytes) -> None:
        """On the disk when it returns. Raises ConfigError, the old file untouched."""
        owned.write(self._folder, self._path, data)

    def set_aside(self, why: str) -> Path:
        """Out of the way, under a name that ends with ``why``; the person may want it again."""
        names = (f"{self._path.name}.{why}{f'-{n}' if n > 1 else ''}" for n in count(1))
        target = next(
            path for name in names if not os.path.lexists(path := self._path.with_name(name))
        )
        folder = self._folder
        os.rename(self._path.name, target.name, src_dir_fd=folder, dst_dir_fd=folder)
        return target


def _lock(path: Path) -> str:
    return f"{path.name}.lock"


def _check(fd: int, path: Path) -> None:
    found = os.fstat(fd)
    is_folder = stat.S_ISDIR(found.st_mode)
    if not (is_folder or stat.S_ISREG(found.st_mode)):
        raise ConfigError(f"{path} is no file", owned.away(path))
    owned.check_owner(found, path)
    if found.st_mode & 0o022:
        what = f"others can write to {path} (mode {stat.S_IMODE(found.st_mode):o})"
        mode = "700" if is_folder else "600"
        raise ConfigError(what, f"look what is in it, then: chmod {mode} {path}")
