"""Changing files of settings: comments and order stay, and a bad value never reaches a file."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmdai_shell.config import environment_files, loading, toml
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.environment_files import FOLDER, Gathered, Text, Written
from cmdai_shell.config.environments import AUTO, NONE, unknown_environment
from cmdai_shell.config.refusals import checked
from cmdai_shell.config.schema import KEYS
from cmdai_shell.config.writing import alone, write
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.config.table import Key


def set_value(path: Path, dotted_key: str, value: object) -> Path:
    """Write one value, checked first, and the file in one step.

    Text is read as the key's own type ("8", "true", '["git status"]'). An environment's key
    (``environments.NAME.KEY``) is written where that environment is. Returns the file. Raises
    ConfigError, the file untouched, for an unknown key, a value it does not take, a file that
    is already broken, or a configuration that is right and would not be so any longer.
    """
    with alone(path):
        return _set(path, dotted_key, value)


def _set(path: Path, dotted_key: str, value: object) -> Path:
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
    loading.check_in_place(path, {path: after})
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
    loading.check_in_place(path, {file: after})
    write(file, after)
    return file


def unset_value(path: Path, dotted_key: str) -> Path:
    """Take one value out, so that its default counts again. Returns the file, which may never have
    had it. Raises ConfigError, the file untouched, as ``set_value``."""
    with alone(path):
        if dotted_key.startswith(f"{FOLDER}."):
            name, _, key = dotted_key.removeprefix(f"{FOLDER}.").partition(".")
            written = find(path, name)
            if key not in ENVIRONMENT_KEYS:
                raise environment_files.unknown_key(key, (FOLDER, name, key))
            file, before = Path(written.source.name), written.source.text
            after = without(before, (*written.path, key))
            check_environment_text(written, after)
        else:
            if dotted_key not in KEYS:
                raise loading.unknown_key(dotted_key)
            file, before = path, toml.read_text(path)
            loading.parse(before, str(path))
            after = without(before, tuple(dotted_key.split(".")))
            loading.check_text(path, after)
        loading.check_in_place(path, {file: after})
        if after != before:
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
    text = "".join(f"{key} = {literal(value)}\n" for key, value in values.items())
    environment_files.build(environment_files.from_text(Text(str(file), text), name, Gathered()))
    with alone(path):
        known = gathered(path).environments
        if name in known or os.path.lexists(file):
            where = known[name].source.name if name in known else file
            hint = f"cmdai-shell config edit {name}, or choose another name"
            raise ConfigError(f"there is an environment {name!r} already, in {where}", hint)
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
        after = _with_ends_of(text, tomlkit.dumps(document))
    except (TOMLKitError, RecursionError, TypeError, AttributeError, ValueError):
        after = ""
    if not after or not _is_only_that(text, after, path, data):
        what = f"cannot change {toml.dotted(path)} without harm to the rest"
        raise ConfigError(what, "cmdai-shell config edit")
    return after


def _with_ends_of(before: str, after: str) -> str:
    """A text whose lines all end in CR LF stays one."""
    ends = before.count("\r\n")
    if not ends or ends != before.count("\n"):
        return after
    return after.replace("\r\n", "\n").replace("\n", "\r\n")


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
    return _with_ends_of(text, tomlkit.dumps(document))


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
