"""Keeps the index of a running daemon up to date: its builder, a child process now and then."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cmdai_shell.manual import store
from cmdai_shell.manual.index import Index

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

START_AFTER = 20.0
"""Seconds after the daemon's start: the model is loaded and the first presses answered before."""
AGAIN_AFTER = 6 * 3600.0
"""Seconds between two looks whether pages have come or gone."""
TIMEOUT = 600.0
"""Seconds until a builder has failed; at the lowest priority it may wait long for its turn."""

_NEEDED = ("PATH", "HOME", "MANPATH", "LANG", "TMPDIR")


class Keeper:
    """``index`` answers from whatever is there. ``run`` is to be cancelled; the builder ends with
    it."""

    def __init__(self, cache_dir: Path) -> None:
        self._path = cache_dir / store.NAME
        self._is_building = False
        self.index = Index(self._path)

    async def run(self) -> None:
        """Build, where need be, and look again later; for ever."""
        await asyncio.sleep(START_AFTER)
        while True:
            try:
                await self.build()
            except (OSError, TimeoutError) as error:
                log.warning("no manual", extra={"fields": {"error": type(error).__name__}})
            await asyncio.sleep(AGAIN_AFTER)

    async def build(self) -> None:
        """One builder, to its end; it does nothing where nothing has changed.

        Raises OSError when none can be started, TimeoutError when it takes too long.
        """
        environ = {name: os.environ[name] for name in _NEEDED if name in os.environ}
        command = (sys.executable, "-I", "-m", "cmdai_shell.manual.build", str(self._path))
        nothing = asyncio.subprocess.DEVNULL
        builder = await asyncio.create_subprocess_exec(
            *command, stdin=nothing, stdout=nothing, stderr=nothing, env=environ, cwd="/"
        )
        self._is_building = True
        try:
            async with asyncio.timeout(TIMEOUT):
                code = await builder.wait()
            if code:
                log.warning("no manual", extra={"fields": {"code": code}})
        finally:
            self._is_building = False
            if builder.returncode is None:
                with suppress(ProcessLookupError):
                    builder.kill()
                await builder.wait()

    def status(self) -> dict[str, Any]:
        """For ``status``: how many pages and options, from when (seconds since 1970)."""
        noted = store.meta(self._path)
        return {
            "building": self._is_building,
            "pages": int(noted.get("pages", 0)),
            "options": int(noted.get("options", 0)),
            "built_at": float(noted.get("built", 0)),
        }
