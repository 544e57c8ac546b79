"""Changing ``config.toml``: comments and order stay, and a bad value never reaches the file."""

from __future__ import annotations

import os
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path

from cmdai_shell.config.loading import check, parse
from cmdai_shell.config.schema import KEYS
from cmdai_shell.config.toml import read_text
from cmdai_shell.errors import ConfigError


def set_value(path: Path, dotted_key: str, value: object) -> None:
    """Write one value, checked first, and the file in one step (0600, symbolic links followed).

    Text is read as the key's own type ("8", "true", '["git status"]'). Raises ConfigError, the file
    untouched, for an unknown key, a value it does not take, or a file that is already broken.
    """
    import tomlkit

    data = _data(dotted_key, value)
    check(dotted_key, data)
    before = read_text(path)
    parse(before, str(path))
    document = tomlkit.parse(before)
    section, _, key = dotted_key.rpartition(".")
    table = document.setdefault(section, tomlkit.table()) if section else document
    table[key] = data
    after = tomlkit.dumps(document)
    parse(after, str(path))
    write(path, after)


def write(path: Path, text: str) -> None:
    """Replace the file's text atomically. Raises ConfigError when the folder cannot be written."""
    target = Path(os.path.realpath(path))
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp made it 0600
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except OSError as error:
        with suppress(OSError):
            Path(temporary).unlink()
        reason = (error.strerror or "failed").lower()
        raise ConfigError(f"cannot write {path}: {reason}; nothing was changed") from None


def template() -> str:
    """A first ``config.toml``: every key with its default and its sentence, all commented out."""
    lines = ["# cmdai-shell. A line without its '#' counts; all values here are the defaults."]
    section = ""
    for key in KEYS.values():
        here, _, name = key.name.rpartition(".")
        if here != section:
            section = here
            lines += ["", f"[{section}]"]
        lines.append(f"# {name} = {literal(key.default)}  # {key.description}")
    return "\n".join(lines) + "\n"


def literal(value: object) -> str:
    """A value as TOML writes it."""
    import msgspec
    import tomlkit

    return str(tomlkit.item(msgspec.to_builtins(value)).as_string())


def _data(dotted: str, value: object) -> object:
    """The value as plain TOML data; text for a key that takes none is read as TOML."""
    if not isinstance(value, str) or dotted not in KEYS:
        return value
    if isinstance(KEYS[dotted].default, str):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
