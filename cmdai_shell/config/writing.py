"""Files of settings, written: whole or not at all, and by one at a time."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.config import owned
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else changes the settings meanwhile, in this process or another: for whoever reads a
    file, and writes what it makes of it. ``path`` is ``config.toml``; its folder is what is held.

    Not to be entered twice. Raises ConfigError when somebody else takes too long.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unwritten(path, error) from None
    try:
        _hold(fd, folder)
        yield
    finally:
        os.close(fd)


def write(path: Path, text: str) -> None:
    """Replace the file's text in one step, symbolic links followed; its mode stays, and that of a
    new one is 0600. Raises ConfigError, nothing changed."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half of a pair, from a terminal that is not UTF-8
        raise ConfigError(f"not UTF-8 text; nothing was changed in {path}") from None
    write_bytes(path, data)


def write_bytes(path: Path, data: bytes) -> None:
    """As ``write``."""
    target = Path(os.path.realpath(path))
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        with os.fdopen(descriptor, "wb") as file:  # mkstemp made it 0600
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode) & 0o777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except OSError as error:
        with suppress(OSError):
            Path(temporary).unlink()
        raise _unwritten(path, error) from None


def free_name(file: Path, ending: str) -> Path:
    """A name beside the file that is free: ``config.toml.bak``, ``config.toml.bak2`` ..."""
    number = 1
    while os.path.lexists(name := f"{file}.{ending}{number if number > 1 else ''}"):
        number += 1
    return Path(name)


def _hold(fd: int, folder: Path) -> None:
    try:
        owned.hold(fd, folder)
    except TimeoutError as error:
        raise ConfigError(f"{error}; nothing was changed", "try it again") from None
    except OSError:
        pass  # NFS holds no folder that is open for reading: better two at once than none ever


def _unwritten(path: Path, error: OSError) -> ConfigError:
    reason = (error.strerror or "failed").lower()
    return ConfigError(f"cannot write {path}: {reason}; nothing was changed")
