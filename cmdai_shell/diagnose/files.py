"""Checks of the person's own folders and settings."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.check import Check, fail, ok, warn
from cmdai_shell.diagnose.surroundings import existing

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings


def config(around: Surroundings) -> Finding:
    """Raises ConfigError, whose message names file, line and key."""
    around.config()
    return ok("the settings are valid")


def home(around: Surroundings) -> Finding:
    """Where settings, models and hooks go."""
    for path in (around.home, around.config_dir, around.data_dir, around.cache_dir):
        if not around.writable(path):
            return fail(f"{path} cannot be written", _take(path))
    return ok("your folders can be written")


def log_folder(around: Surroundings) -> Finding:
    """The daemon runs without its log; only nobody can see then what it did."""
    if around.writable(around.log_dir):
        return ok(f"the log is in {around.log_dir}")
    return warn(f"{around.log_dir} cannot be written: there is no log", _take(around.log_dir))


def _take(path: Path) -> str:
    """What exists of the path, that is: below it we can make the rest."""
    return f'sudo chown "$(id -u)" {shlex.quote(str(existing(path)))}'


CHECKS = (Check("config", config), Check("home", home), Check("log-folder", log_folder))
