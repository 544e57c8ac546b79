"""What is ours on disk: opened so that no link, and nobody else, can stand in its place.

A folder is opened once, by a descriptor, and no later step trusts its path. What else is asked of
an open folder or file is the caller's ``Check``: given its descriptor and its path, it raises
ConfigError. All errors say what to type. Everything here may block.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

Check: TypeAlias = Callable[[int, Path], None]

PATIENCE_S = 5.0
"""For another process that writes."""
LARGEST = 4 << 20
"""Bytes that are read of a file; what is longer is not ours."""


@contextmanager
def folder(path: Path, check: Check, *, make: bool) -> Iterator[int | None]:
    """Its descriptor; None if there is none and it is not to be made, 0700."""
    fd = _open_folder(path, make=make)
    try:
        if fd is not None:
            check(fd, path)
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def read(fd: int, path: Path, check: Check, most: int = LARGEST) -> bytes | None:
    """At most ``most`` bytes and one; None where there is no file. ``fd``: its folder's."""
    try:
        found = _open_file(fd, path, os.O_RDONLY, check)
    except FileNotFoundError:
        return None
    with os.fdopen(found, "rb") as file:
        return file.read(most + 1)


def write(fd: int, path: Path, data: bytes) -> None:
    """In one step, 0600, and on the disk when it returns. Raises ConfigError, the old file
    untouched. For who alone may write (``locked``)."""
    prefix = f".{path.name}-"
    fresh = f"{prefix}{secrets.token_hex(8)}"
    try:
        for name in os.listdir(fd):
            if name.startswith(prefix):  # a crash left it: nobody else writes now
                os.unlink(name, dir_fd=fd)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=fd), "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # the umask may have taken more
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(fresh, path.name, src_dir_fd=fd, dst_dir_fd=fd)
        os.fsync(fd)
    except OSError as error:
        with suppress(OSError):
            os.unlink(fresh, dir_fd=fd)
        what = f"cannot write {path}: {_why(error)}; nothing was changed"
        raise ConfigError(what) from None


@contextmanager
def locked(fd: int, path: Path, check: Check, patience: float = PATIENCE_S) -> Iterator[None]:
    """Nobody else holds that file of the folder meanwhile, in this process or another; one that
    dies lets go. Raises TimeoutError after ``patience`` seconds."""
    lock = _open_file(fd, path, os.O_RDWR | os.O_CREAT, check)
    try:
        os.fchmod(lock, 0o600)
        hold(lock, path, patience)
        yield
    finally:
        os.close(lock)


def hold(fd: int, path: Path, patience: float = PATIENCE_S) -> None:
    """Nobody else holds that open file or folder until ``fd`` is closed. Raises TimeoutError after
    ``patience`` seconds, and OSError where the file system cannot."""
    until = time.monotonic() + patience
    while not _taken(fd):
        if time.monotonic() >= until:
            raise TimeoutError(f"{path} has been held for {patience:.0f} s")
        time.sleep(0.01)


def check_owner(found: os.stat_result, path: Path) -> None:
    if found.st_uid != os.getuid():
        hint = f"if what is in it is yours: sudo chown {os.getuid()} {path}"
        raise ConfigError(f"{path} belongs to another user ({found.st_uid})", hint)


def away(path: Path) -> str:
    """The command for what cannot be used."""
    return f"mv {path} {path}.old"


def _open_folder(path: Path, *, make: bool) -> int | None:
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if make:
            raise ConfigError(f"cannot make {path}", away(path)) from None
        return None
    except OSError as error:
        raise _unusable(path, error) from None


def _open_file(fd: int, path: Path, flags: int, check: Check) -> int:
    """Raises FileNotFoundError too."""
    more = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO would hold us up
    try:
        found = os.open(path.name, flags | more, 0o600, dir_fd=fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        check(found, path)
    except BaseException:
        os.close(found)
        raise
    return found


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unusable(path: Path, error: OSError) -> ConfigError:
    what = "it is a symbolic link" if path.is_symlink() else _why(error)
    return ConfigError(f"{path} cannot be used: {what}", away(path))


def _why(error: OSError) -> str:
    return (error.strerror or "failed").lower()
