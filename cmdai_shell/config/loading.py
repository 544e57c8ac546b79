"""Reading the configuration. Precedence: environment variable > file > default.

A command-line flag outranks all three; the command that has the flag applies it.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from cmdai_shell.config import paths
from cmdai_shell.config.schema import KEYS, SECTIONS, Config, Rule
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration and where each value came from."""

    config: Config
    origins: Mapping[str, str]
    """Dotted key -> ``default``, ``$CMDAI_MODEL`` or ``/path/config.toml:12``."""


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in force; ``path`` is ``config.toml`` of the user's folder unless given.

    A file that does not exist is an empty one. Raises ConfigError naming file, line and key.
    """
    return _merge(path or config_file(), environ)[0]


def load_with_origins(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Like ``load``, and says of each value where it was set."""
    path = path or config_file()
    config, from_file, from_environ = _merge(path, environ)
    lines = key_lines(read_text(path)) if from_file else {}
    origins = dict.fromkeys(KEYS, "default")
    origins |= {name: f"{path}:{lines.get(name, 1)}" for name in from_file}
    origins |= {name: f"${KEYS[name].variable}" for name in from_environ}
    return Loaded(config=config, origins=origins)


def config_file() -> Path:
    return paths.config_dir() / "config.toml"


def parse(text: str, name: str = "config.toml") -> dict[str, object]:
    """Checked values by dotted key. ``name`` is what errors call the text.

    Raises ConfigError for bad TOML, an unknown key, or a value the key does not take.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad_toml(error, text, name) from None
    values: dict[str, object] = {}
    for dotted, value in _settings(tables):
        try:
            values[dotted] = check(dotted, value)
        except _BadSetting as error:
            lines = key_lines(text)
            raise _at(error, name, lines.get(error.where) or lines.get(dotted)) from None
    return values


def check(dotted: str, value: object, *, strict: bool = True) -> object:
    """``value`` as the key's own type; ``strict=False`` reads it from text ("8", "true").

    Raises ConfigError naming the key, without a file.
    """
    if dotted not in KEYS:
        raise unknown_key(dotted)
    try:
        checked = msgspec.convert(value, KEYS[dotted].type, strict=strict)
    except msgspec.ValidationError as error:
        raise _bad_value(dotted, value, str(error)) from None
    if isinstance(checked, tuple):
        _check_patterns(dotted, checked)
    return checked


class _BadSetting(ConfigError):
    """``where`` is the place inside the file: ``safety.rules[2].risk``."""

    def __init__(self, where: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.where = where


def unknown_key(dotted: str) -> ConfigError:
    if dotted in SECTIONS:
        return _BadSetting(dotted, f"{dotted} is a section", f"write [{dotted}], keys below it")
    near = nearest(dotted)
    hint = f"did you mean {near}?" if near else "cmdai-shell config show lists the keys"
    return _BadSetting(dotted, f"unknown key {dotted}", hint)


def nearest(dotted: str) -> str:
    """The valid key most like ``dotted``, or empty: ``threads`` finds ``embedded.threads``."""
    last = dotted.rpartition(".")[2]
    by_last = {name.rpartition(".")[2]: name for name in KEYS}
    if near := difflib.get_close_matches(dotted, KEYS, n=1, cutoff=0.7):
        return near[0]
    near = difflib.get_close_matches(last, by_last, n=1, cutoff=0.7)
    return by_last[near[0]] if near else ""


def key_lines(text: str) -> dict[str, int]:
    """First line, counted from 1, of each key and list entry: ``safety.rules[2].risk``.

    tomllib keeps no positions, but statements end at line ends: a key belongs to the lines between
    the last two prefixes that parse. Quadratic, and so only for errors and ``--origin``.
    """
    found: dict[str, int] = {}
    lines = text.splitlines(keepends=True)
    start = 1
    for end, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            start = end + 1 if start == end else start
            continue
        try:
            tables = tomllib.loads("".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        for place in _places(tables):
            found.setdefault(place, start)
        start = end + 1
    return found


def read_text(path: Path) -> str:
    """The file's text, empty when there is none. Raises ConfigError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {(error.strerror or 'failed').lower()}") from None


def _merge(
    path: Path, environ: Mapping[str, str]
) -> tuple[Config, dict[str, object], dict[str, object]]:
    from_file = parse(read_text(path), str(path))
    from_environ = dict(_overrides(environ))
    tables: dict[str, Any] = {}
    for dotted, value in (from_file | from_environ).items():
        section, _, key = dotted.rpartition(".")
        (tables.setdefault(section, {}) if section else tables)[key] = value
    return msgspec.convert(tables, Config), from_file, from_environ


def _overrides(environ: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    for key in KEYS.values():
        if key.variable and (text := environ.get(key.variable)):
            try:
                yield key.name, check(key.name, text, strict=False)
            except ConfigError as error:
                raise _at(error, f"${key.variable}", None) from None


def _settings(tables: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Dotted key and raw value. A section without keys is nothing, unless we do not know it."""
    for name, value in tables.items():
        if isinstance(value, dict) and (value or name in SECTIONS):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


def _places(value: object, name: str = "") -> Iterator[str]:
    if name:
        yield name
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, f"{name}[{index}]")


def _check_patterns(dotted: str, values: tuple[object, ...]) -> None:
    for index, rule in enumerate(values):
        if isinstance(rule, Rule):
            try:
                re.compile(rule.match)
            except re.error as error:
                where = f"{dotted}[{index}].match"
                raise _BadSetting(where, f"{where}: not a regular expression: {error}") from None


def _at(error: ConfigError, name: str, line: int | None) -> ConfigError:
    where = f"{name}:{line}" if line else name
    return ConfigError(f"{where}: {error.message}", error.hint)


def _bad_toml(error: tomllib.TOMLDecodeError, text: str, name: str) -> ConfigError:
    found = re.search(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
    what = found[1] if found else str(error)
    line = (found and found[2]) or text.count("\n") + 1
    return ConfigError(f"{name}:{line}: not valid TOML: {what.lower()}", "cmdai-shell config edit")


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def _bad_value(dotted: str, value: object, found: str) -> _BadSetting:
    """msgspec's sentence in words for people; an enumeration lists its choices."""
    what, _, path = found.rstrip("`").partition(" - at `$")
    where = dotted + path
    if what.startswith("Invalid enum value"):
        what = "choose " + ", ".join(_choices(dotted, path))
    elif field := re.search("unknown field `(.*)`", what):
        where, what = f"{where}.{field[1]}", "unknown key"
    else:
        what = re.sub("`([a-z]+)", lambda match: "`" + _WORDS.get(match[1], match[1]), what)
        what = (what[:1].lower() + what[1:]).replace("`", "")
    shown = "" if path else f" = {_shown(value)}"
    return _BadSetting(where, f"{where}{shown}: {what}")


def _choices(dotted: str, path: str) -> tuple[str, ...]:
    annotated = KEYS[dotted].type.__origin__
    if path:
        field = path.rpartition(".")[2]
        annotated = next(f.type for f in msgspec.structs.fields(Rule) if f.name == field)
    return get_args(annotated)


def _shown(value: object) -> str:
    """The value as TOML would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
