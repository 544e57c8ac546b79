"""TOML that a person wrote: read with care, since it may be anything, and with lines for errors.

A *path* is where a value stands in it: ``("safety", "rules", 2, "risk")``.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
import tomllib
from bisect import bisect_left
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path as FilePath

Path: TypeAlias = tuple[str | int, ...]

MOST_BYTES = 1_000_000
"""Of a file of settings; a larger one is something else, and would be slow to refuse."""
_MOST_TRIES = 400
"""Prefixes parsed to find one line: a text of very long statements gets none."""


def read_text(path: FilePath) -> str:
    """The file's text, empty when there is none. Raises ConfigError when it cannot be read."""
    try:
        data = _bytes(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {(error.strerror or 'failed').lower()}") from None
    except ValueError:  # a NUL in the name
        raise ConfigError(f"cannot read {str(path)!r}: no name of a file") from None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text", "save it as UTF-8") from None


def _bytes(path: FilePath) -> bytes:
    # A pipe or a device could be waited for, or read, forever: the daemon reads this file.
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not an ordinary file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MOST_BYTES // 1_000_000} MB")
    return data


def tables(text: str, name: str) -> dict[str, Any]:
    """The text as plain data. ``name`` is what errors call it. Raises ConfigError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad_toml(str(error), text, name) from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply", edit_command(name)) from None
    except ValueError:  # of int(): more digits than it takes
        raise ConfigError(f"{name}: a number is too long", edit_command(name)) from None


def edit_command(name: str) -> str:
    """What opens that file: the settings, or those of an environment; of another file nothing."""
    file = PurePath(name)
    if file.parent.name == "environments":
        return f"cmdai-shell config edit {shlex.quote(file.stem)}"
    return "cmdai-shell config edit" if file.name == "config.toml" else ""


def line_of(text: str, path: Path) -> int:
    """The line, counted from 1, where the statement with that value begins; 0 if there is none.

    tomllib keeps no positions, but statements end at line ends: every prefix of lines that parses
    holds whole statements, and a value once there stays there, so that the line can be bisected.
    """
    lines = text.split("\n")
    tries = 0

    def is_there(count: int) -> bool:
        """By the end of the statement that line ``count`` belongs to; True if that never ends."""
        nonlocal tries
        for end in range(count, len(lines) + 1):
            tries += 1
            if tries > _MOST_TRIES:
                return True
            try:
                return _holds(tomllib.loads("\n".join(lines[:end])), path)
            except (ValueError, RecursionError):
                continue
        return True

    line = bisect_left(range(1, len(lines) + 1), True, key=is_there) + 1
    is_real = tries <= _MOST_TRIES and line <= len(lines) and path
    return line if is_real and _is_whole(lines, line, path) else 0


def _is_whole(lines: list[str], line: int, path: Path) -> bool:
    for end in range(line, len(lines) + 1):
        try:
            return _holds(tomllib.loads("\n".join(lines[:end])), path)
        except (ValueError, RecursionError):
            continue
    return False


def _holds(value: object, path: Path) -> bool:
    for step in path:
        if not isinstance(value, dict | list):
            return False
        try:
            value = value[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def dotted(path: Path) -> str:
    """A path as a person writes it: ``safety.rules[2].risk``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{_shown_key(step)}"
    return text.removeprefix(".")


def _shown_key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else repr(key[:60])


def _bad_toml(what: str, text: str, name: str) -> ConfigError:
    found = re.search(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", what)
    what = found[1] if found else what
    line = (found and found[2]) or text.count("\n") + 1
    return ConfigError(f"{name}:{line}: not valid TOML: {what.lower()}", edit_command(name))
