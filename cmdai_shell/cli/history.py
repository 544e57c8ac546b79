"""``cmdai-shell history``: what is kept of suggestions and of what became of them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from cmdai_shell.cli import output
from cmdai_shell.cli.options import as_json
from cmdai_shell.cli.reload import reload_daemon
from cmdai_shell.config import paths
from cmdai_shell.errors import CmdaiError
from cmdai_shell.history.store import Store
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.history.entry import Entry


@click.group(
    epilog="""\b
Examples:
  cmdai-shell history list
  cmdai-shell history forget 12
  cmdai-shell history forget --all
  cmdai-shell history export suggestions.jsonl
"""
)
def history() -> None:
    """Show, delete and export what is kept of your words and what became of suggestions.

    It is kept on this machine, in a file that only you can read, so that the next suggestion for
    such words is the command you made of the last one. What looks like a credential is taken out
    before. The setting history.enabled turns it off.
    """


@history.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The last N.")
@as_json
def list_(limit: int, *, json_: bool) -> None:
    """List what is kept, the newest last: number, time, shell, outcome, words, command.

    `offered` means that nobody knows what became of it: the shell says so with its next press.

    \b
    Examples:
      cmdai-shell history list --limit 100
      cmdai-shell history list --json | jq '.[].words'
    """
    entries = _entries()[-limit:]
    if json_:
        output.emit([_document(entry) for entry in entries], "json")
        return
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in _table(entries):
        click.echo(line[: most or None])
    if not entries:
        output.say("nothing is kept yet")


def _words(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes a number; its help is what it stands for."""
    with _told():
        kept = Store(paths.data_dir()).entries()
    return [
        CompletionItem(str(entry.id), help=one_line(entry.words))
        for entry in reversed(kept)
        if str(entry.id).startswith(incomplete)
    ]


@history.command()
@click.argument("what", metavar="[WORDS|ID]...", nargs=-1, shell_complete=_words)
@click.option("--all", "all_", is_flag=True, help="Everything.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(what: Sequence[str], *, all_: bool, yes: bool) -> None:
    """Delete entries: by number, or all in which the WORDS stand, in the words or in a command.

    What is deleted is overwritten in the file. Exit code 1 when nothing matches.

    \b
    Examples:
      cmdai-shell history forget 12 13 --yes
      cmdai-shell history forget acme project
      cmdai-shell history forget --all
    """
    if all_ == bool(what):
        raise click.UsageError("say what to forget: WORDS, an ID, or --all")
    found = _entries() if all_ else _matching(_entries(), what)
    if not found and not all_:
        raise CmdaiError("nothing that matches is kept", "cmdai-shell history list")
    if not yes:
        for line in [] if all_ else _table(found):
            output.say(line)
        again = "cmdai-shell history forget --yes " + ("--all" if all_ else " ".join(what))
        if not _agreed(f"forget {_count(found)}?", again):
            output.say("kept")
            return
    with _told():
        store = Store(paths.data_dir())
        if all_:
            store.clear()
        else:
            store.forget(entry.id for entry in found)
    reload_daemon()  # it knows them, too
    output.say(f"forgot {_count(found)}")


@history.command()
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True)
)
@click.option("--force", is_flag=True, help="Replace a FILE that is there.")
def export(file: Path | None, *, force: bool) -> None:
    """Write all that is kept, one JSON object a line: to FILE, which only you can read, or stdout.

    \b
    Examples:
      cmdai-shell history export suggestions.jsonl
      cmdai-shell history export | wc -l
    """
    text = "".join(json.dumps(_document(entry), ensure_ascii=False) + "\n" for entry in _entries())
    if file is None or str(file) == "-":
        click.echo(text, nl=False)
        return
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    if file.exists() and not force:
        raise CmdaiError(f"{file} exists", "choose another name, or add --force")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "w", encoding="utf-8") as stream:  # noqa: PTH123  a descriptor
            stream.write(text)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    output.say(f"wrote {_count(text.splitlines())} to {file}")


def _entries() -> list[Entry]:
    store = Store(paths.data_dir())
    with _told():
        before = store.aside()
        found = store.entries()
        for path in store.aside():
            if path not in before:
                output.say(f"the history could not be read, a new one is begun: {path}", "yellow")
    return found


@contextmanager
def _told() -> Iterator[None]:
    """Raises CmdaiError for what SQLite cannot do."""
    try:
        yield
    except sqlite3.Error as error:
        raise CmdaiError(f"the history cannot be used: {error}", "cmdai-shell doctor") from None


def _matching(entries: Sequence[Entry], what: Sequence[str]) -> list[Entry]:
    if all(word.isdecimal() for word in what):
        numbers = set(map(int, what))
        return [entry for entry in entries if entry.id in numbers]
    part = " ".join(" ".join(what).split()).casefold()
    return [
        entry
        for entry in entries
        if any(
            part in " ".join(text.split()).casefold()
            for text in (entry.words, entry.suggested, entry.ran)
        )
    ]


def _table(entries: Sequence[Entry]) -> Iterator[str]:
    """One line for each, in columns."""
    width = max((len(str(entry.id)) for entry in entries), default=0)
    for entry in entries:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.time))
        failed = f" ({entry.status})" if entry.status else ""
        outcome = f"{entry.outcome}{failed}"
        words, command = one_line(entry.words), one_line(entry.command)
        yield f"{entry.id:>{width}}  {when}  {entry.shell:<4}  {outcome:<8}  {words}  ->  {command}"


def _document(entry: Entry) -> dict[str, Any]:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.time))
    return {"id": entry.id, **asdict(entry), "time": stamp}


def _count(things: Sequence[object]) -> str:
    return f"{len(things)} {'entry' if len(things) == 1 else 'entries'}"


def _agreed(question: str, otherwise: str) -> bool:
    """Ask on the terminal, if somebody is there. Raises CmdaiError if not."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CmdaiError(f"nobody to ask: {question}", otherwise)
    return click.confirm(question, default=False, err=True)
