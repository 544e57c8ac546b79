"""The recipes' index: made once for each version of the recipes, then only opened."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import tempfile
from importlib import resources
from pathlib import Path

from cmdai_shell.suggest import recall
from cmdai_shell.suggest.recall import Recall

_FORMAT = 3
"""Goes up with the tables that ``recall.fill`` makes."""


def opened(cache: Path) -> Recall:
    """The index of this version's recipes, kept in the folder ``cache``; in memory where that
    cannot be written. To make it takes a fifth of a second, to open it a millisecond."""
    folder = resources.files("cmdai_shell.suggest").joinpath("recipes")
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in files]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    path = cache / f"recipes-{_FORMAT}-{digest}.sqlite"
    with contextlib.suppress(OSError, sqlite3.Error):
        if not path.exists():
            _make(path, texts)
        base = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        return Recall(base)
    base = sqlite3.connect(":memory:", check_same_thread=False)
    recall.fill(base, texts)
    return Recall(base)


def _make(path: Path, texts: list[str]) -> None:
    """Whole or not at all: another daemon, or a kill, may come between."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        with contextlib.closing(sqlite3.connect(name)) as base:
            recall.fill(base, texts)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    for old in path.parent.glob("recipes-*.sqlite"):
        if old != path:
            old.unlink(missing_ok=True)
