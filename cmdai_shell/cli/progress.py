"""How a long copy looks: a bar on a terminal, a line each tenth anywhere else. All on stderr."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cmdai_shell.backends.embedded.partial import Progress, megabytes
from cmdai_shell.cli import output
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as RichProgress

_STEP = 1 << 20
"""Bytes between two updates of the bar; a network brings many small pieces."""


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Shows ``what`` going on until the block ends."""
    if not sys.stderr.isatty():
        yield _Lines(what)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    text = TextColumn("{task.description}", markup=False)
    with Progress(text, *columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bar(bars, what)


class _Bar:
    def __init__(self, bars: RichProgress, what: str) -> None:
        self._bars = bars
        self._task = bars.add_task(what, total=None)
        self._drawn = 0

    def at(self, done: int, total: int) -> None:
        if abs(done - self._drawn) < _STEP and done != total:
            return
        self._drawn = done
        self._bars.update(self._task, completed=done, total=total)

    def say(self, text: str) -> None:
        self._bars.console.print(visible(text), markup=False, highlight=False)


class _Lines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._tenths = 0

    def at(self, done: int, total: int) -> None:
        tenths = 10 * done // max(total, 1)
        if tenths > self._tenths:
            output.say(f"{self._what}: {10 * tenths} % of {megabytes(total)}")
        self._tenths = tenths

    def say(self, text: str) -> None:
        output.say(text)
