"""What ``doctor --fix`` does by itself: only what cannot do harm, and never to settings, rc files,
what a credential or the list of approved servers holds.

The rights of the trust folder and of the folder of credentials are left alone, too: others may have
written there, and a person has to look before it counts again.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import stat
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from cmdai_shell.errors import CmdaiError
from cmdai_shell.hooks.install import apply, plan_install
from cmdai_shell.manual import store as manual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cmdai_shell.diagnose.surroundings import Surroundings

_SOCKETS = ("hook.sock", "api.sock")
_LOCK = "daemon.lock"
_PRIVATE = ("history",)
"""Folders below the data folder. Others may read the models."""
_MOST = 2_000
"""Files of one folder."""


def mend(around: Surroundings) -> list[str]:
    """What was done, a sentence each. What cannot be done is left to the checks that follow."""
    done: list[str] = []
    for step in STEPS:
        with suppress(OSError, CmdaiError):
            for sentence in step(around):
                done.append(sentence)
    return done


def private(around: Surroundings) -> Iterator[str]:
    """Folders 0700, files in them 0600."""
    folders = [around.runtime_dir, *(around.data_dir / name for name in _PRIVATE)]
    for folder in (*folders, around.log_dir):
        for path in (folder, *_within(folder)):
            if _closed(path, around.uid):
                yield f"{path} is yours alone now"


def _within(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:_MOST] if not folder.is_symlink() else []
    except OSError:
        return []


def _closed(path: Path, uid: int) -> bool:
    """Opened without following a link, so that what was looked at is what is changed. A socket
    cannot be opened: its folder keeps others out."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except OSError:
        return False
    try:
        found = os.fstat(fd)
        is_folder = stat.S_ISDIR(found.st_mode)
        if found.st_uid != uid or not (is_folder or stat.S_ISREG(found.st_mode)):
            return False
        if not found.st_mode & 0o077:
            return False
        os.fchmod(fd, 0o700 if is_folder else 0o600)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def sockets(around: Surroundings) -> Iterator[str]:
    """Those of a killed daemon. A living one holds the lock, and so does one that just starts."""
    try:
        lock = os.open(around.runtime_dir / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in (around.runtime_dir / name for name in _SOCKETS):
            if _is_left(path):
                path.unlink()
                yield f"{path} was left by a killed daemon, and is gone"
    finally:
        os.close(lock)


def _is_left(path: Path) -> bool:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def hooks(around: Surroundings) -> Iterator[str]:
    """Hooks that are there and of another version. The rc files are the person's."""
    for shell in around.shells:
        hook, _ = plan_install([shell], python=around.python, relay=around.relay())
        if hook.before is not None and hook.needed:
            apply([hook])
            yield f"{hook.path} is written anew; shells that are open keep the old one"


def indexes(around: Surroundings) -> Iterator[str]:
    """What the daemon makes anew by itself."""
    for path in (around.cache_dir / manual.NAME, *around.cache_dir.glob("recipes-*.sqlite")):
        if path.is_file() and not path.is_symlink() and _is_damaged(path):
            path.unlink()
            yield f"{path} was damaged, and is gone: the daemon builds it anew when it starts"


def _is_damaged(path: Path) -> bool:
    """Busy or unreadable is not damaged."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1.0)) as base:
            return bool(base.execute("pragma quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True


STEPS: tuple[Callable[[Surroundings], Iterator[str]], ...] = (private, sockets, hooks, indexes)
