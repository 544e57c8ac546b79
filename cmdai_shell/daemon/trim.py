"""The bound of the cache folder, ``cache_max_size_gb``: what was not used for longest goes first.

Prompt prefixes, recipes and the manual keep to bounds of their own, far below; this one holds
whatever a kill, an older version or another model has left there. All of it can be made again, and
a file that is in use stays readable to who has it open. Models are no cache: they are elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

GB = 1_000_000_000
FIRST_AFTER = 60.0
"""Seconds after the daemon's start: it has enough to do then."""
AGAIN_AFTER = 6 * 3600.0


async def keep(
    folder: Path,
    limit_gb: Callable[[], int],
    *,
    first: float | None = None,
    again: float = AGAIN_AFTER,
) -> None:
    """For ever. ``limit_gb`` may raise ConfigError: then nothing is thrown away."""
    await asyncio.sleep(FIRST_AFTER if first is None else first)
    while True:
        with suppress(ConfigError):
            freed = await asyncio.to_thread(trim, folder, limit_gb() * GB)
            if freed:
                log.info("cache trimmed", extra={"fields": {"bytes": freed}})
        await asyncio.sleep(again)


def trim(folder: Path, most: int) -> int:
    """Remove files until ``most`` bytes are left at most; the bytes that went."""
    files = sorted(_files(os.fspath(folder)))
    over = sum(file.size for file in files) - most
    freed = 0
    for file in files:
        if freed >= over:
            break
        with suppress(OSError):  # it has just gone, or is not ours
            os.unlink(file.path)  # noqa: PTH108
            freed += file.size
    return freed


class _File(NamedTuple):
    """In this order: the oldest first."""

    used: float
    size: int
    path: str


def _files(folder: str) -> Iterator[_File]:
    """Links are neither followed nor counted."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    yield _File(found.st_mtime, found.st_size, entry.path)
