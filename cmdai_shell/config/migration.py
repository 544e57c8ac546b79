"""Settings of cmdai and of caro, and older ones of ours: what of them we have, and what we lack.

Both write one ``config.toml``; the DGX plan adds ``[environments]`` and the files it imports. Only
names are known here, and each is either carried over or named with the reason why not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cmdai_shell.config import edit, environment_files, loading, toml
from cmdai_shell.config.environment_files import FOLDER, Gathered, Text
from cmdai_shell.config.schema import KEYS
from cmdai_shell.config.writing import free_name, write
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OTHERS = ("caro", "cmdai")
"""Programs whose settings we read, the younger first: folders of the user's configuration."""

RENAMED: Mapping[str, str] = {}
"""Keys of ours that had another name before: old -> new. (None has been renamed yet.)"""

_SECTIONS = ("general", "logging", "cache")
"""Headings under which some versions of theirs put what others have at the top."""

_SAME = {"max_size_gb": "cache_max_size_gb", "trusted_commands": "safety.allow"}
"""Theirs -> ours, where the names differ."""

_WORDS: Mapping[str, Mapping[object, object]] = {
    "log_level": {"warn": "warning", "trace": "debug"},
}

_LACKING = {
    "default_model": "models are others here: cmdai-shell model list",
    "log_rotation_days": "the log is rotated by size",
    "trusted_paths": "no such rule; [safety] allow takes patterns of commands",
    "trusted_domains": "no such rule; [safety] allow takes patterns of commands",
    "semantic_safety": "a command is parsed, never judged by a model",
    "telemetry": "there is none",
}
"""Keys of theirs that have no counterpart, and why."""


@dataclass(slots=True)
class Account:
    """What a migration does, or would do."""

    source: Path
    target: Path
    carried: list[tuple[str, str]] = field(default_factory=list)
    """(their key, ours with its value)"""
    left: list[tuple[str, str]] = field(default_factory=list)
    """(their key, why it stays behind)"""
    files: dict[Path, str] = field(default_factory=dict)
    """What is written, with its text; nothing if there is nothing to do."""
    backup: Path | None = None


def found(config_home: Path) -> Path | None:
    """The settings of one of the others, if they are there."""
    files = (config_home / name / "config.toml" for name in OTHERS)
    return next((file for file in files if file.is_file()), None)


def plan(source: Path, target: Path) -> Account:
    """Work out, and change nothing. ``source`` is theirs, or ours (``target``) in an older form.

    What our file sets already is left as it is. Raises ConfigError for a file that is broken.
    """
    account = Account(source=source, target=target)
    text = toml.read_text(source)
    tables = toml.tables(text, str(source))
    if _is_same(source, target):
        after = _renamed(text, tables, account)
    else:
        before = toml.read_text(target)
        after = before
        taken = set(loading.parse(before, str(target)))
        for key, value in _theirs(tables):
            after = _carry(key, value, after, taken, account)
        _environments(Text(str(source), text), tables, account)
    if after != toml.read_text(target):
        loading.check_text(target, after)
        account.files[target] = after
    return account


def carry_out(account: Account) -> Account:
    """Write what was planned; the file that is replaced is kept beside it."""
    if account.target in account.files and account.target.exists():
        account.backup = free_name(account.target, "bak")
        write(account.backup, toml.read_text(account.target))
    for file, text in account.files.items():
        write(file, text)
    return account


def _theirs(tables: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Their settings, by the name they have at the top; sections of ours stay sections."""
    for name, value in tables.items():
        if name == FOLDER:
            continue
        if not isinstance(value, dict):
            yield name, value
            continue
        for key, item in value.items():
            is_top = name in _SECTIONS or key in _SAME or key in _LACKING
            yield (key if is_top else f"{name}.{key}"), item


def _carry(key: str, value: object, text: str, taken: set[str], account: Account) -> str:
    """The text with their setting in it, if we have its like."""
    ours = _SAME.get(key, key)
    if ours not in KEYS:
        near = loading.nearest(key)
        why = _LACKING.get(key, "no such setting" + (f"; {near} is like it" if near else ""))
        account.left.append((key, why))
        return text
    if isinstance(value, str):
        value = _WORDS.get(ours, {}).get(value, value)
    try:
        loading.check(ours, value)
    except ConfigError as error:
        account.left.append((key, error.message))
        return text
    if ours in taken:
        account.left.append((key, f"your own {ours} is kept"))
        return text
    taken.add(ours)
    account.carried.append((key, f"{ours} = {edit.literal(value)}"))
    return edit.with_value(text, tuple(ours.split(".")), value)


def _environments(source: Text, tables: Mapping[str, Any], account: Account) -> None:
    """Each becomes a file of its own, with what it imported in it."""
    folder = account.target.parent / FOLDER
    known = edit.gathered(account.target).environments
    for name, written in environment_files.gather(
        source, dict(tables), Gathered()
    ).environments.items():
        key = f"{FOLDER}.{name}"
        if name in known or os.path.lexists(folder / f"{name}.toml"):
            account.left.append((key, f"your own environment {name} is kept"))
            continue
        try:
            environment_files.build(written)
        except ConfigError as error:
            account.left.append((key, str(error)))
            continue
        values = {key: setting.value for key, setting in written.settings.items()}
        file = folder / f"{name}.toml"
        account.files[file] = "".join(f"{k} = {edit.literal(v)}\n" for k, v in values.items())
        account.carried.append((key, str(file)))


def _renamed(text: str, tables: Mapping[str, Any], account: Account) -> str:
    """Our own older file with today's names; comments stay."""
    for old, new in RENAMED.items():
        section, _, key = old.rpartition(".")
        table = tables.get(section, {}) if section else tables
        if isinstance(table, dict) and key in table:
            text = edit.with_value(text, tuple(new.split(".")), table[key])
            text = edit.without(text, tuple(old.split(".")))
            account.carried.append((old, f"{new} = {edit.literal(table[key])}"))
    for key, _ in _theirs(toml.tables(text, account.source.name)):
        if key not in KEYS:
            error = loading.unknown_key(key)
            account.left.append((key, f"unknown: {error.hint}"))
    return text


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
