"""The recipes' index: made once for each version of the recipes, by a process of its own.

python -m cmdai_shell.daemon.recipes PATH
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sqlite3
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.suggest import recall
from cmdai_shell.suggest.recall import Recall

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmdai_shell.core import Shell

MAKE_TIMEOUT = 60.0
"""Seconds until the process that makes the index has failed; it takes about two."""
PATIENCE = 4.0
"""Seconds that a press waits for recipes which are being made: once for each version of them, and
mostly beside the model's loading. Without them a third fewer answers are right."""

_FORMAT = 5
"""Goes up with the tables that ``recall.fill`` makes."""


class Shelf:
    """``core.Recipes`` of this version, from an index in the folder ``cache``: there at once if it
    was made before, else when ``make`` has been awaited; until then it is empty."""

    def __init__(self, cache: Path) -> None:
        digest = hashlib.sha256("\0".join(_texts()).encode()).hexdigest()[:16]
        self._path = cache / f"recipes-{_FORMAT}-{digest}.sqlite"
        self._making: asyncio.Event | None = None
        self._recall = self._opened()

    def near(
        self, words: str, shell: Shell, userland: str, most: int, has: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        """See ``core.Recipes``."""
        return self._recall.near(words, shell, userland, most, has) if self._recall else ()

    async def make(self) -> None:
        """Nothing if the index is there. In memory where the folder cannot be written."""
        if self._recall:
            return
        self._making = made = asyncio.Event()
        try:
            with contextlib.suppress(OSError, TimeoutError):
                await _run(
                    sys.executable, "-I", "-m", "cmdai_shell.daemon.recipes", str(self._path)
                )
            self._recall = self._opened() or await asyncio.to_thread(_in_memory)
        finally:
            self._making = None
            made.set()

    async def stocked(self) -> None:
        """A moment's wait if they are being made just now."""
        if self._making:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._making.wait()

    def _opened(self) -> Recall | None:
        with contextlib.suppress(OSError, sqlite3.Error):
            base = sqlite3.connect(
                f"{self._path.as_uri()}?mode=ro&immutable=1",
                uri=True,
                check_same_thread=False,
            )
            return Recall(base)
        return None


async def _run(*command: str) -> None:
    """One process to its end, which comes with ours."""
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, stdin=nothing, stdout=nothing, stderr=nothing, cwd="/"
    )
    try:
        async with asyncio.timeout(MAKE_TIMEOUT):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _in_memory() -> Recall:
    base = sqlite3.connect(":memory:", check_same_thread=False)
    recall.fill(base, _texts())
    return Recall(base)


def _texts() -> list[str]:
    folder = resources.files("cmdai_shell.suggest").joinpath("recipes")
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in files]


def make(path: Path) -> None:
    """Whole or not at all: another daemon, or a kill, may come between. Raises OSError,
    sqlite3.Error."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        with contextlib.closing(sqlite3.connect(name)) as base:
            recall.fill(base, _texts())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    for old in path.parent.glob("recipes-*.sqlite"):
        if old != path:
            old.unlink(missing_ok=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
