"""Reading the configuration. Precedence: environment variable > file > default.

A command-line flag outranks all three; the command that has the flag applies it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from cmdai_shell.config import environment_files, paths, toml, trusting
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.environment_files import FOLDER, Gathered, Text
from cmdai_shell.config.environments import AUTO, checked_url, chosen, is_near
from cmdai_shell.config.refusals import BadSetting, checked, nearest_dotted, placed
from cmdai_shell.config.schema import KEYS, SECTIONS, Config, Rule
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration and where each value came from."""

    config: Config
    origins: Mapping[str, str]
    """Dotted key -> ``default``, ``$CMDAI_MODEL`` or ``/path/config.toml:12``; an environment's
    keys are ``environments.NAME.KEY``."""


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in force; ``path`` is ``config.toml`` of the user's folder unless given.

    A file that does not exist is an empty one. Raises ConfigError naming file, line and key.
    """
    return _read(path or config_file(), environ).config


def load_in_use(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Like ``load``; but while one environment is named to be used, files of others that are wrong
    are left out: they are no reason to answer nobody."""
    return _read(path or config_file(), environ, only_in_use=True).config


def load_with_origins(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Like ``load``, and says of each value where it was set."""
    read = _read(path or config_file(), environ)
    origins = dict.fromkeys(KEYS, "default")
    for name in read.from_file:
        origins[name] = _place(read.main, tuple(name.split(".")))
    origins |= {name: f"${KEYS[name].variable}" for name in read.from_environ}
    for written in read.gathered.environments.values():
        prefix = f"{FOLDER}.{written.name}"
        origins |= {f"{prefix}.{key}": "default" for key in ENVIRONMENT_KEYS}
        for key, setting in written.settings.items():
            origins[f"{prefix}.{key}"] = _place(setting.source, setting.path)
    return Loaded(config=read.config, origins=origins)


def config_file() -> Path:
    return paths.config_dir() / "config.toml"


def sources(path: Path | None = None) -> tuple[Path, ...]:
    """Every file that ``load`` reads now, whether or not what is in them is right."""
    path = path or config_file()
    gathered = Gathered()
    with suppress(ConfigError):
        main = Text(str(path), toml.read_text(path))
        environment_files.gather(main, toml.tables(main.text, main.name), gathered)
    files = [path, *gathered.files]
    with suppress(ConfigError):
        files += environment_files.folder_files(path.parent)
    return tuple(dict.fromkeys(files))


def parse(text: str, name: str = "config.toml") -> dict[str, object]:
    """Checked values by dotted key, environments left out. ``name`` is what errors call the text.

    Raises ConfigError for bad TOML, an unknown key, or a value the key does not take; inline
    environments are checked too, but for what they import.
    """
    main = Text(name, text)
    tables = toml.tables(text, name)
    values = _values(main, tables)
    for written in environment_files.inline(main, tables, None):
        if environment_files.IMPORT not in tables[FOLDER][written.name]:
            environment_files.build(written)
    return values


def check_text(path: Path, text: str) -> None:
    """``text`` could take the place of ``config.toml`` at ``path``, as far as it is about itself
    and what it imports. Raises ConfigError."""
    parse(text, str(path))
    main = Text(str(path), text)
    tables = toml.tables(text, main.name)
    for written in environment_files.inline(main, tables, Gathered()):
        environment_files.build(written)


def check_in_place(path: Path, drafts: Mapping[Path, str]) -> None:
    """A configuration that is right stays so with ``drafts`` in the place of those files; one that
    is wrong already may be mended step by step. ``path`` is ``config.toml``. Raises ConfigError."""
    try:
        _read(path, {})
    except ConfigError:
        return
    _read(path, {}, drafts={Path(os.path.realpath(file)): text for file, text in drafts.items()})


def check(dotted: str, value: object, *, strict: bool = True) -> object:
    """``value`` as the key's own type; ``strict=False`` reads it from text ("8", "true").

    Raises ConfigError naming the key, without a file.
    """
    if dotted not in KEYS:
        raise unknown_key(dotted)
    path = tuple(dotted.split("."))
    found = checked(KEYS[dotted], value, path, strict=strict)
    if isinstance(found, tuple):
        _check_patterns(path, found)
        _check_trusted(path, found)
    if dotted == "tracing.otlp_endpoint" and found:
        return _collector(path, str(found))
    return found


def unknown_key(dotted: str) -> ConfigError:
    path = tuple(dotted.split("."))
    if dotted == FOLDER:
        return BadSetting(path, f"{FOLDER} is a section", f"write {FOLDER}.NAME.KEY")
    if dotted in SECTIONS:
        return BadSetting(path, f"{dotted} is a section", f"write [{dotted}], keys below it")
    near = nearest(dotted)
    hint = f"did you mean {near}?" if near else "cmdai-shell config show lists the keys"
    return BadSetting(path, f"unknown key {toml.dotted(path)}", hint)


def nearest(dotted: str) -> str:
    """The valid key most like ``dotted``, or empty: ``threads`` finds ``embedded.threads``."""
    return nearest_dotted(dotted, KEYS)


@dataclass(slots=True, kw_only=True)
class _Read:
    main: Text
    from_file: dict[str, object]
    from_environ: dict[str, object]
    gathered: Gathered
    config: Config


def _read(
    path: Path,
    environ: Mapping[str, str],
    *,
    only_in_use: bool = False,
    drafts: Mapping[Path, str] = MappingProxyType({}),
) -> _Read:
    found = Gathered(drafts=drafts)
    main = Text(str(path), found.text_of(path))
    tables = toml.tables(main.text, main.name)
    from_file = _values(main, tables)
    from_environ = dict(_overrides(environ))
    nested: dict[str, Any] = {}
    for dotted, value in (from_file | from_environ).items():
        section, _, key = dotted.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[key] = value
    config = msgspec.convert(nested, Config)
    active = config.active_environment
    only = active if only_in_use and active != AUTO else ""
    gathered = environment_files.gather(main, tables, found, only=only)
    environments = {}
    for name, written in gathered.environments.items():
        try:
            environments[name] = environment_files.build(written)
        except ConfigError:
            if only in ("", name) or written.path:
                raise
    config = msgspec.structs.replace(config, environments=MappingProxyType(environments))
    read = _Read(
        main=main,
        from_file=from_file,
        from_environ=from_environ,
        gathered=gathered,
        config=config,
    )
    _check_active(read)
    return read


def _check_active(read: _Read) -> None:
    """The environment that is to be used has to be there."""
    key = "active_environment"
    try:
        chosen(read.config)
    except ConfigError as error:
        message = f"{key}: {error.message}"
        if key in read.from_environ:
            raise ConfigError(f"${KEYS[key].variable}: {message}", error.hint) from None
        raise placed(
            BadSetting((key,), message, error.hint), read.main.name, read.main.text
        ) from None


def _place(source: Text, path: toml.Path) -> str:
    return f"{source.name}:{toml.line_of(source.text, path) or 1}"


def _values(main: Text, tables: Mapping[str, Any]) -> dict[str, object]:
    values: dict[str, object] = {}
    for path, value in _settings(tables):
        dotted = ".".join(path)
        try:
            if dotted.count(".") != len(path) - 1 or dotted not in KEYS:  # "a.b" = 1 is no a.b
                raise _unknown_path(path)
            values[dotted] = check(dotted, value)
        except BadSetting as error:
            raise placed(error, main.name, main.text) from None
    return values


def _unknown_path(path: tuple[str, ...]) -> ConfigError:
    error = unknown_key(".".join(path))
    return BadSetting(path, error.message, error.hint)


def _settings(tables: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Path and raw value. A section without keys is nothing, unless we do not know it."""
    for name, value in tables.items():
        if name == FOLDER:
            continue
        if isinstance(value, dict) and (value or name in SECTIONS):
            yield from (((name, key), item) for key, item in value.items())
        else:
            yield (name,), value


def _overrides(environ: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    for key in KEYS.values():
        if key.variable and (text := environ.get(key.variable)):
            try:
                yield key.name, check(key.name, text, strict=False)
            except ConfigError as error:
                raise ConfigError(f"${key.variable}: {error.message}", error.hint) from None


def _collector(path: toml.Path, url: str) -> str:
    try:
        found = checked_url(url)
    except ConfigError as error:
        raise BadSetting(path, f"{toml.dotted(path)}: {error.message}") from None
    host = urlsplit(found).hostname or ""
    if found.startswith("http://") and not is_near(host):
        what = f"{toml.dotted(path)}: http:// is for the own network only"
        raise BadSetting(path, what, "use https://")
    return found


def _check_trusted(path: toml.Path, values: tuple[object, ...]) -> None:
    check_entry = trusting.ENTRIES.get(".".join(map(str, path)))
    if check_entry is None:
        return
    for index, value in enumerate(values):
        where = (*path, index)
        try:
            check_entry(str(value))
        except ConfigError as error:
            what = f"{toml.dotted(where)}: {error.message}"
            raise BadSetting(where, what, error.hint) from None


def _check_patterns(path: toml.Path, values: tuple[object, ...]) -> None:
    for index, rule in enumerate(values):
        if isinstance(rule, Rule):
            try:
                re.compile(rule.match)
            except (re.error, RecursionError, OverflowError) as error:
                where = (*path, index, "match")
                what = f"{toml.dotted(where)}: not a regular expression: {error}"
                raise BadSetting(where, what) from None
