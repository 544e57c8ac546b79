"""Servers that were found, as rows: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, get_args

from cmdai_shell.discovery.policy import refusal
from cmdai_shell.discovery.probe import State as ProbeState
from cmdai_shell.discovery.trust import trust_hint
from cmdai_shell.text import model_name, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from rich.live import Live
    from rich.table import Table

    from cmdai_shell.discovery.search import Seen

COLUMNS = ("name", "what", "address", "found by", "model", "state", "what to type")
_STATES = {
    "candidate": "not used yet",
    "approved": "used",
    "by-policy": "used, by your settings",
    "changed": "not the one you trusted",
    "moved": "perhaps one you trusted, at another address",
    "elsewhere": "trusted, and not used here",
    "ignored": "ignored, as you wished",
    "refused": "cannot be used",
    "open": "answers",
    "login": "answers, wants a key",
    "loading": "loads its model",
}


def is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def screen() -> AbstractContextManager[Live]:
    from rich.live import Live

    return Live(auto_refresh=False)


def table(seen: Sequence[Seen], caption: str) -> Table | str:
    from rich.table import Table
    from rich.text import Text

    if not seen:
        return caption
    rows = [cells(each) for each in seen]
    shown = len(COLUMNS)
    if sum(_widths([COLUMNS, *rows])) + 2 * shown > shutil.get_terminal_size().columns:
        shown -= 1  # a command that is broken into lines cannot be copied; one stands below
    made = Table(box=None, pad_edge=False, caption=caption or None, caption_justify="left")
    for column in COLUMNS[:shown]:
        made.add_column(column, overflow="fold", no_wrap=column == "address")
    for row in rows:
        made.add_row(*map(Text, row[:shown]))
    return made


def cells(seen: Seen) -> tuple[str, ...]:
    """A row of the table, each of them one line that can be shown."""
    more = f" and {len(seen.models) - 1} more" if len(seen.models) > 1 else ""
    row = (
        seen.name,
        "a server" if seen.kind == "auto" else seen.kind,
        seen.url,
        ", ".join(dict.fromkeys(source.partition(":")[0] for source in seen.sources)),
        f"{model_name(seen.models[0])}{more}" if seen.models else "",
        _STATES.get(seen.state, seen.state),
        next_step(seen),
    )
    return tuple(map(one_line, row))


def next_step(seen: Seen) -> str:
    """What to type, so that it is used."""
    if seen.state == "candidate":
        return seen.hint or trust_hint(seen.name)
    if seen.state in ("open", "loading") and not refusal("probe", seen.url):
        return trust_hint(seen.url)
    if seen.state in get_args(ProbeState):
        name = re.sub("[^A-Za-z0-9]+", "-", seen.name.rpartition(":")[0]).strip("-")[:60] or "lab"
        key = " --api-key-env VARIABLE" if seen.state == "login" else ""
        return f"cmdai-shell config add-environment {name} --url {shlex.quote(seen.url)}{key}"
    return seen.hint


def plain(seen: Sequence[Seen]) -> Iterator[str]:
    rows = [cells(each) for each in seen]
    widths = _widths(rows)
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _widths(rows: Sequence[tuple[str, ...]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
