"""Changing files of settings: comments and order stay, and a bad value never reaches a file."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmdai_shell.config import environment_files, loading, toml
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.environment_files import FOLDER, Gathered, Text, Written
from cmdai_shell.config.environments import AUTO, NONE, unknown_environment
from cmdai_shell.config.refusals import checked
from cmdai_shell.config.schema import KEYS
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.config.table import Key


def set_value(path: Path, dotted_key: str, value: object) -> Path:
    """Write one value, checked first, and the file in one step (0600, symbolic links followed).

    Text is read as the key's own type ("8", "true", '["git status"]'). An environment's key
    (``environments.NAME.KEY``) is written where that environment is. Returns the file. Raises
    ConfigError, the file untouched, for an unknown key, a value it does not take, or a file that
    is already broken.
    """
    if dotted_key.startswith(f"{FOLDER}."):
        return _set_in_environment(path, dotted_key, value)
    data = plain(KEYS.get(dotted_key), value)
    loading.check(dotted_key, data)
    before = toml.read_text(path)
    loading.parse(before, str(path))
    if dotted_key == "active_environment" and data not in (AUTO, NONE):
        known = gathered(path).environments
        if data not in known:
            raise unknown_environment(str(data), known)
    after = with_value(before, tuple(dotted_key.split(".")), data)
    loading.check_text(path, after)
    write(path, after)
    return path


def _set_in_environment(path: Path, dotted_key: str, value: object) -> Path:
    name, _, key = dotted_key.removeprefix(f"{FOLDER}.").partition(".")
    written = find(path, name)
    if key not in ENVIRONMENT_KEYS:
        raise environment_files.unknown_key(key, (FOLDER, name, key))
    data = plain(ENVIRONMENT_KEYS[key], value)
    checked(ENVIRONMENT_KEYS[key], data, (FOLDER, name, key))
    file = Path(written.source.name)
    after = with_value(written.source.text, (*written.path, key), data)
    check_environment_text(written, after)
    write(file, after)
    return file


def find(path: Path, name: str) -> Written:
    """Where an environment is written. Raises ConfigError for a name that is not there.

    What is in a file of that name, and in any other, may be wrong: it is here to be changed.
    """
    file = path.parent / FOLDER / f"{name}.toml"
    if environment_files.NAME.fullmatch(name) and file.is_file():
        return Written(name, Text(str(file), toml.read_text(file)), ())
    known = gathered(path).environments
    if name not in known:
        raise unknown_environment(name, known)
    return known[name]


def gathered(path: Path) -> Gathered:
    """All environments, as they are written. Raises ConfigError."""
    main = Text(str(path), toml.read_text(path))
    return environment_files.gather(main, toml.tables(main.text, main.name))


def check_environment_text(written: Written, text: str) -> None:
    """``text`` could take the place of the file in which the environment is. Raises ConfigError."""
    if written.path:
        loading.check_text(Path(written.source.name), text)
        return
    source = Text(written.source.name, text)
    environment_files.build(environment_files.from_text(source, written.name, Gathered()))


def add_environment(path: Path, name: str, values: Mapping[str, object]) -> Path:
    """Write a file for a new environment, checked first; ``path`` is ``config.toml``, beside which
    it goes. Returns the file. Raises ConfigError, nothing written."""
    environment_files.build(environment_files.from_table(name, dict(values)))
    file = path.parent / FOLDER / f"{name}.toml"
    known = gathered(path).environments
    if name in known or os.path.lexists(file):
        where = known[name].source.name if name in known else file
        hint = f"cmdai-shell config edit {name}, or choose another name"
        raise ConfigError(f"there is an environment {name!r} already, in {where}", hint)
    text = "".join(f"{key} = {literal(value)}\n" for key, value in values.items())
    environment_files.build(environment_files.from_text(Text(str(file), text), name))
    write(file, text)
    return file


def with_value(text: str, path: toml.Path, data: object) -> str:
    """The text with one value changed or added. Raises ConfigError where it cannot be done."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        table: Any = document
        for step in path[:-1]:
            table = table.setdefault(step, tomlkit.table())
        table[path[-1]] = data
        after = tomlkit.dumps(document)
    except (TOMLKitError, RecursionError, TypeError, AttributeError, ValueError):
        after = ""
    if not after or not _is_only_that(text, after, path, data):
        what = f"cannot change {toml.dotted(path)} without harm to the rest"
        raise ConfigError(what, "cmdai-shell config edit")
    return after


def _is_only_that(before: str, after: str, path: toml.Path, data: object) -> bool:
    """Nothing but the one value has changed, whatever the editor of TOML makes of the text."""
    expected: Any = toml.tables(before, "the file")
    table = expected
    for step in path[:-1]:
        table = table.setdefault(step, {})
    table[path[-1]] = data
    try:
        return bool(tomllib.loads(after) == expected)
    except (ValueError, RecursionError):
        return False


def without(text: str, path: toml.Path) -> str:
    """The text with one value taken out, if it is there, and a section that it leaves empty."""
    import tomlkit

    document = tomlkit.parse(text)
    table: Any = document
    for step in path[:-1]:
        table = table.get(step, {})
    table.pop(path[-1], None)
    if len(path) == 2 and not table:
        document.pop(str(path[0]), None)
    return tomlkit.dumps(document)


def free_name(file: Path, ending: str) -> Path:
    """A name beside the file that is free: ``config.toml.bak``, ``config.toml.bak2`` ..."""
    number = 1
    while os.path.lexists(name := f"{file}.{ending}{number if number > 1 else ''}"):
        number += 1
    return Path(name)


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
    except UnicodeEncodeError:  # half of a pair, from a terminal that is not UTF-8
        with suppress(OSError):
            Path(temporary).unlink()
        raise ConfigError(f"not UTF-8 text; nothing was changed in {path}") from None


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


def with_other_keys(text: str) -> str:
    """An environment's text, and each key that is not in it with its default, commented out: above
    a text that has tables, where it would belong to the last one."""
    lines = [
        f"# {name} = {literal(key.default)}  # {key.description}"
        for name, key in ENVIRONMENT_KEYS.items()
        if not re.search(rf"^#?[ ]*{name}\b", text, re.MULTILINE)
    ]
    others = "\n".join(lines) + "\n" if lines else ""
    if re.search(r"^[ ]*\[", text, re.MULTILINE):
        return f"{others}\n{text}" if others else text
    return f"{text.rstrip()}\n\n{others}" if others else text


def literal(value: object) -> str:
    """A value as TOML writes it, on one line."""
    import msgspec
    import tomlkit

    data = msgspec.to_builtins(value)
    if isinstance(data, list | tuple):
        return f"[{', '.join(map(literal, data))}]"
    if isinstance(data, dict):
        table = tomlkit.inline_table()
        table.update(data)
        return str(table.as_string())
    return str(tomlkit.item(data).as_string())


def plain(key: Key | None, value: object) -> object:
    """The value as plain TOML data; text for a key that takes none is read as TOML."""
    if key is None or not isinstance(value, str):
        return value
    if isinstance(key.default, str):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return value
