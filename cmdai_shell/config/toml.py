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
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path as FilePath

Path: TypeAlias = tuple[str | int, ...]

MOST_BYTES = 1_000_000
"""Of a file of settings; a larger one is something else, and would be slow to refuse."""
_MOST_PARSED = 1_500_000
"""Characters, to find one line: about a second's work. A statement is parsed as often as it might
end, so that what follows a very long one has no line."""
_LONG_QUOTES = ('"""', "'''")
_ENDS = (*_LONG_QUOTES, "]", "}")
"""One of them is in the last line of a statement with such quotes."""
_NO_CODE = re.compile(r'"(?:\\.|[^"\\])*+"?|\'[^\']*\'?|#.*')
"""Strings of one line, and comments."""


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
        return data.decode("utf-8-sig")  # some editors put a mark before the text
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
    """The line, counted from 1, where the statement with that value begins; 0 if there is none."""
    return lines_of(text, path)[-1] if path else 0


def lines_of(text: str, path: Path) -> tuple[int, ...]:
    """That of each beginning of the path, the shortest first. tomllib keeps no positions, so the
    text's statements are read one by one."""
    lines = [0] * len(path)
    at: Path = ()
    found = 0
    lists: dict[Path, int] = {}
    for line, is_header, data in _statements(text):
        if is_header:
            at = _entered(data, lists)
        while found < len(path) and _is_there(path[: found + 1], at, data, is_header=is_header):
            lines[found] = line
            found += 1
        if found == len(path):
            break
    return tuple(lines)


def _statements(text: str) -> Iterator[tuple[int, bool, dict[str, Any]]]:
    """(line, whether it is a [header], its data) of each, until one is too long to look into."""
    lines: list[str] = []
    first = depth = parsed = 0
    is_long = False
    for number, line in enumerate(text.split("\n"), 1):
        bare = _NO_CODE.sub("", line)
        if not lines:
            if not bare.strip():
                continue
            first, depth, is_long = number, 0, False
        lines.append(line)
        is_long = is_long or any(quotes in line for quotes in _LONG_QUOTES)
        depth += sum(bare.count(mark) for mark in "[{") - sum(bare.count(mark) for mark in "]}")
        if not any(end in line for end in _ENDS) if is_long else depth > 0:
            continue
        statement = "\n".join(lines) + "\n"
        parsed += len(statement)
        if parsed > _MOST_PARSED:
            return
        try:
            data = tomllib.loads(statement)
        except (ValueError, RecursionError):
            continue
        lines = []
        yield first, statement.lstrip().startswith("["), data


def _entered(header: Any, lists: dict[Path, int]) -> Path:
    """Where the keys under that header are. ``lists``: the last entry of each list of tables."""
    at: Path = ()
    while header:
        (name, header), *_ = header.items()
        at = (*at, name)
        if isinstance(header, list):
            lists[at] = lists.get(at, -1) + 1
            header = {}
        if at in lists:
            at = (*at, lists[at])
    return at


def _is_there(path: Path, at: Path, data: dict[str, Any], *, is_header: bool) -> bool:
    if is_header:
        return at[: len(path)] == path
    return path[: len(at)] == at and _holds(data, path[len(at) :])


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
