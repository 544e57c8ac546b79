"""A file that nobody but us may have written, changed by one process at a time and in one step.

Blocks for as long as another process writes: it is called in a thread.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
LARGEST = 4 << 20
"""Bytes that are read of a file; what is longer is not ours."""


class OwnedFile:
    """A 0600 file in a 0700 folder of its own. Every method raises ConfigError, with what to type,
    where folder or file is a symbolic link, another user's, or open to others to write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes | None:
        """At most ``LARGEST`` bytes and one; None where there is no file."""
        with _opened(self.path.parent) as folder:
            return None if folder is None else _read(folder, self.path)

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Nobody else writes meanwhile. The folder is made if absent."""
        with _opened(self.path.parent, make=True) as folder:
            assert folder is not None  # noqa: S101
            with _locked(folder, self.path):
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
        return _read(self._folder, self._path)

    def write(self, data: bytes) -> None:
        """On the disk when it returns. Raises ConfigError, the old file untouched."""
        prefix = f".{self._path.name}-"
        temporary = f"{prefix}{secrets.token_hex(8)}"
        folder = self._folder
        try:
            for name in os.listdir(folder):  # noqa: PTH208  of a descriptor
                if name.startswith(prefix):  # a crash left it: nobody else writes now
                    os.unlink(name, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=folder), "wb") as file:
                os.fchmod(file.fileno(), 0o600)  # the umask may have taken more
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, self._path.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        except OSError as error:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            what = f"cannot write {self._path}: {_why(error)}; nothing was changed"
            raise ConfigError(what) from None

    def set_aside(self, why: str) -> Path:
        """Out of the way, under a name that ends with ``why``; the person may want it again."""
        names = (f"{self._path.name}.{why}{f'-{n}' if n > 1 else ''}" for n in count(1))
        target = next(
            path for name in names if not os.path.lexists(path := self._path.with_name(name))
        )
        folder = self._folder
        os.rename(self._path.name, target.name, src_dir_fd=folder, dst_dir_fd=folder)
        return target


@contextmanager
def _opened(path: Path, *, make: bool = False) -> Iterator[int | None]:
    """A descriptor of the folder, so that no later step trusts its path; None if there is none."""
    fd = _open_folder(path, make=make)
    try:
        if fd is not None:
            _check(fd, path, "700")
            if make:
                os.fchmod(fd, 0o700)
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _open_folder(path: Path, *, make: bool) -> int | None:
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if make:
            raise ConfigError(f"cannot make {path}", _elsewhere(path)) from None
        return None
    except OSError as error:
        raise _unusable(path, error) from None


def _open_file(folder: int, path: Path, flags: int) -> int:
    """Raises FileNotFoundError too."""
    more = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO would hold us up
    try:
        fd = os.open(path.name, flags | more, 0o600, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        _check(fd, path, "600")
    except BaseException:
        os.close(fd)
        raise
    return fd


def _read(folder: int, path: Path) -> bytes | None:
    try:
        fd = _open_file(folder, path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        return file.read(LARGEST + 1)


@contextmanager
def _locked(folder: int, path: Path) -> Iterator[None]:
    fd = _open_file(folder, path.with_name(_lock(path)), os.O_RDWR | os.O_CREAT)
    try:
        os.fchmod(fd, 0o600)
        until = time.monotonic() + PATIENCE
        while not _take(fd):
            if time.monotonic() >= until:
                what = f"another process has been writing {path} for {PATIENCE:.0f} s"
                raise ConfigError(what, f"end it: fuser {path.with_name(_lock(path))}")
            time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def _take(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(path: Path) -> str:
    return f"{path.name}.lock"


def _check(fd: int, path: Path, mode: str) -> None:
    found = os.fstat(fd)
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise ConfigError(f"{path} is no file", _elsewhere(path))
    if found.st_uid != os.getuid():
        hint = f"if what is in it is yours: sudo chown {os.getuid()} {path}"
        raise ConfigError(f"{path} belongs to another user ({found.st_uid})", hint)
    if found.st_mode & 0o022:
        what = f"others can write to {path} (mode {stat.S_IMODE(found.st_mode):o})"
        raise ConfigError(what, f"look what is in it, then: chmod {mode} {path}")


def _unusable(path: Path, error: OSError) -> ConfigError:
    what = "it is a symbolic link" if path.is_symlink() else _why(error)
    return ConfigError(f"{path} cannot be used: {what}", _elsewhere(path))


def _elsewhere(path: Path) -> str:
    return f"mv {path} {path}.old"


def _why(error: OSError) -> str:
    return (error.strerror or "failed").lower()
