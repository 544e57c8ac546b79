"""Files that nobody but us may read or have written. Everything here may block."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 5.0
"""For another process that writes."""
LARGEST = 4 << 20
"""Bytes that are read of a file; what is longer is not ours."""
_LOCK = ".lock"
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO would hold us up


class PrivateFolder:
    """A 0700 folder of 0600 files. Every method raises ConfigError, with what to type, where folder
    or file is a symbolic link, another user's, or open to others. The folder is opened once for
    each call and no later step trusts its path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"PrivateFolder({str(self.path)!r})"

    def read(self, name: str) -> bytes | None:
        """None where there is no file."""
        with self._opened(make=False) as folder:
            if folder is None:
                return None
            try:
                fd = self._open(folder, name, os.O_RDONLY)
            except FileNotFoundError:
                return None
            with os.fdopen(fd, "rb") as file:
                data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ConfigError(f"{self.path / name} is too large to be ours", _away(self.path, name))
        return data

    def write(self, name: str, data: bytes) -> None:
        """In one step, and on the disk when it returns; on ConfigError the old file is untouched.
        For who holds the folder (``held``)."""
        fresh = f".{name}.new"
        with self._opened(make=True) as folder:
            try:
                with suppress(FileNotFoundError):  # a crash left it
                    os.unlink(fresh, dir_fd=folder)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS
                with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=folder), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
                if folder is not None:
                    os.fsync(folder)
            except OSError as error:
                what = f"cannot write {self.path / name}: {_why(error)}; nothing was changed"
                raise ConfigError(what) from None

    def remove(self, name: str) -> None:
        """For who holds the folder."""
        with self._opened(make=False) as folder, suppress(FileNotFoundError):
            if folder is not None:
                os.unlink(name, dir_fd=folder)

    @contextmanager
    def held(self, name: str = _LOCK, patience: float = PATIENCE_S) -> Iterator[None]:
        """Nobody else holds that ``name`` meanwhile, in this process or another; one that dies lets
        go. Raises TimeoutError after ``patience`` seconds."""
        with self._opened(make=True) as folder:
            fd = self._open(folder, name, os.O_RDWR | os.O_CREAT)
        try:
            until = time.monotonic() + patience
            while not _taken(fd):
                if time.monotonic() >= until:
                    raise TimeoutError(f"{self.path / name} has been held for {patience:.0f} s")
                time.sleep(0.02)
            yield
        finally:
            os.close(fd)

    @contextmanager
    def _opened(self, *, make: bool) -> Iterator[int | None]:
        """None where there is no folder."""
        fd = self._open_folder(make=make)
        try:
            if fd is not None:
                _check_owner(fd, self.path)
                if stat.S_IMODE(os.fstat(fd).st_mode) != 0o700:
                    os.fchmod(fd, 0o700)
            yield fd
        finally:
            if fd is not None:
                os.close(fd)

    def _open_folder(self, *, make: bool) -> int | None:
        try:
            if make:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with suppress(FileExistsError):
                    self.path.mkdir(mode=0o700)
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
        except FileNotFoundError:
            if make:
                raise ConfigError(f"cannot make {self.path}") from None
            return None
        except OSError as error:
            raise self._unusable("", error) from None

    def _open(self, folder: int | None, name: str, flags: int) -> int:
        """Raises FileNotFoundError too."""
        try:
            fd = os.open(name, flags | _FLAGS, 0o600, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(name, error) from None
        try:
            _check_file(fd, self.path / name)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _unusable(self, name: str, error: OSError) -> ConfigError:
        path = self.path / name if name else self.path
        what = "it is a symbolic link" if path.is_symlink() else _why(error)
        return ConfigError(f"{path} cannot be used: {what}", _away(self.path, name))


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _check_owner(fd: int, path: Path) -> None:
    found = os.fstat(fd)
    if found.st_uid != os.getuid():
        hint = f"if what is in it is yours: sudo chown {os.getuid()} {path}"
        raise ConfigError(f"{path} belongs to another user ({found.st_uid})", hint)


def _check_file(fd: int, path: Path) -> None:
    _check_owner(fd, path)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is no file", _away(path.parent, path.name))
    if found.st_mode & 0o077:
        raise ConfigError(
            f"others can read or write {path} (mode {stat.S_IMODE(found.st_mode):o}): "
            "what is in it is no secret any more",
            f"rm {path}, then log in again",
        )


def _away(folder: Path, name: str) -> str:
    path = folder / name if name else folder
    return f"mv {path} {path}.old"


def _why(error: OSError) -> str:
    return (error.strerror or "failed").lower()
