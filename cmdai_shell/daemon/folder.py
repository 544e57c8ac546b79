"""The runtime folder: made, checked and held open, so that no later step trusts a path."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

from cmdai_shell.errors import DaemonUnavailable

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "daemon.lock"
"""Held (flock) for as long as a daemon lives; its text is that daemon's process id, empty while it
starts."""

_ELSEWHERE = "set CMDAI_RUNTIME_DIR to a folder of your own"


def open_folder(path: Path) -> int:
    """A descriptor of the 0700 runtime folder, made if absent.

    Raises DaemonUnavailable, saying what to type, if it is not a folder, not ours, or open to
    others: whoever can write there could answer in our place. One that we did not make keeps its
    mode: it may be meant for more than our sockets.
    """
    is_new = True
    try:
        os.makedirs(path, mode=0o700)  # noqa: PTH103  Path.mkdir cannot tell a link
    except FileExistsError:
        is_new = False  # perhaps a file or a dangling link: open says which
    except OSError as error:
        raise DaemonUnavailable(f"cannot make {path}: {_why(error)}", _ELSEWHERE) from None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        what = "a symbolic link" if path.is_symlink() else _why(error)
        raise DaemonUnavailable(f"{path} cannot be used: {what}", _ELSEWHERE) from None
    try:
        if is_new:
            os.fchmod(fd, 0o700)  # the umask may have taken more
        _check(path, fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(path: Path, fd: int) -> None:
    found = os.fstat(fd)
    if found.st_uid != os.getuid():
        raise DaemonUnavailable(f"{path} belongs to another user ({found.st_uid})", _ELSEWHERE)
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o777 != 0o700:
        what = "others can write in" if mode & 0o022 else "not yours alone:"
        raise DaemonUnavailable(f"{what} {path} (mode {mode:o})", f"chmod 700 {path}")


def take_lock(folder: int) -> int | None:
    """The descriptor of the lock, now ours and unsigned; None while another process holds it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(LOCK, flags, 0o600, dir_fd=folder)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.ftruncate(fd, 0)  # a killed daemon's number may by now be anybody's
    return fd


def sign_lock(lock: int, pid: int = 0) -> None:
    """Write a process id, our own unless given, into the lock we hold."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % (pid or os.getpid()), 0)


def holder(folder: int) -> int:
    """The process id of the daemon that holds the lock; 0 when nobody does, or has yet to sign."""
    try:
        fd = os.open(LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: who looks too sees no daemon in us
    except BlockingIOError:
        text = os.read(fd, 32)
        return int(text) if text.strip().isdigit() else 0
    else:
        return 0
    finally:
        os.close(fd)


def _why(error: OSError) -> str:
    return (error.strerror or "failed").lower()
