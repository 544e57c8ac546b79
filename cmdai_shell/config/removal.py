"""Taking an environment out of the settings, so that it can be put back."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cmdai_shell.config import edit, environment_files, loading, toml
from cmdai_shell.config.environment_files import FOLDER, Gathered, Text
from cmdai_shell.config.writing import alone, free_name, write
from cmdai_shell.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    file: Path
    """Where the environment was written, and"""
    kept: Path
    """the text of that file as it was."""
    was_active: bool
    """It was the one in use; what answers is used now."""


def remove_environment(path: Path, name: str) -> Removed:
    """Take it out; ``path`` is ``config.toml``. Raises ConfigError, nothing changed, for a name
    that is not there, and while another environment imports its file."""
    with alone(path):
        return _removed(path, name)


def _removed(path: Path, name: str) -> Removed:
    written = edit.find(path, name)
    file = Path(written.source.name)
    is_own_file = not written.path
    if is_own_file:
        _refuse_if_imported(path, file)
    before = toml.read_text(path)
    was_active = toml.tables(before, str(path)).get("active_environment") == name
    after = before if is_own_file else edit.without(before, written.path)
    if was_active:
        after = edit.without(after, ("active_environment",))
    if after != before:
        loading.check_text(path, after)
    kept = free_name(file, "removed" if is_own_file else "bak")
    write(kept, written.source.text)
    if after != before:
        write(path, after)
    if is_own_file:
        try:
            file.unlink()
        except OSError as error:
            reason = (error.strerror or "failed").lower()
            raise ConfigError(f"cannot remove {file}: {reason}") from None
    return Removed(file=file, kept=kept, was_active=was_active)


def _refuse_if_imported(path: Path, file: Path) -> None:
    real = Path(os.path.realpath(file))
    others = [other for other in environment_files.folder_files(path.parent) if other != file]
    for other in [path, *others]:
        found = Gathered()
        with suppress(ConfigError):  # what is wrong with it is not our matter
            source = Text(str(other), toml.read_text(other))
            if other == path:
                tables = toml.tables(source.text, source.name)
                list(environment_files.inline(source, tables, found))
            else:
                environment_files.from_text(source, other.stem, found)
        if real in found.files:
            raise ConfigError(f"{other} imports {file}", f"take its {FOLDER[:-1]} out first")
