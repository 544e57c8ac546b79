"""``cmdai-shell trace WORDS``: ask, and see where the time goes while it does."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click

from cmdai_shell.cli import output, waterfall
from cmdai_shell.cli.client import Client, Reply, error_of
from cmdai_shell.cli.rows import is_terminal
from cmdai_shell.cli.suggest import stood_in, surroundings
from cmdai_shell.errors import CmdaiError, DaemonUnavailable
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from cmdai_shell.core import SuggestRequest

LOOK_S = 0.06
"""Seconds between two looks at a request that runs."""
SETTLE_S = 2.0
"""Seconds for a trace to be whole after the answer: the daemon ends it a moment later."""


@dataclass(slots=True)
class Asking:
    """A request in a thread of its own; ``done`` once it has ended."""

    client: Client
    request: SuggestRequest
    trace_id: str = field(default_factory=lambda: os.urandom(16).hex())
    final: Reply = field(default_factory=dict)
    error: CmdaiError | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        parent = f"00-{self.trace_id}-{os.urandom(8).hex()}-01"
        try:
            for update in self.client.suggest(self.request, traceparent=parent):
                self.final = update
        except CmdaiError as error:
            self.error = error
        finally:
            self.done.set()

    def traces(self) -> Iterator[Reply]:
        """As it grows, the whole one last."""
        settled = float("inf")
        while True:
            if self.done.wait(LOOK_S) and settled == float("inf"):
                settled = time.monotonic() + SETTLE_S
            found = self.client.traces(self.trace_id) if not self.error else []
            if found:
                yield found[-1]
            is_whole = bool(found) and not found[-1]["is_running"]
            if self.done.is_set() and (is_whole or self.error or time.monotonic() > settled):
                return


@click.command(
    epilog="""\b
Examples:
  cmdai-shell trace "list the ten largest files"
  cmdai-shell trace --backend home-lab/spark:8000 "show open ports"
  cmdai-shell trace --json "count lines of csv files" | jq .trace.attempts
"""
)
@click.argument("words", nargs=-1, required=True, metavar="WORDS...")
@click.option("--backend", default="", metavar="NAME", help="Ask only this server, or embedded.")
@click.option("--environment", default="", metavar="NAME", help="Ask only servers of this one.")
@click.option("--json", "json_", is_flag=True, help="The whole trace as one JSON object.")
@click.pass_context
def trace(
    ctx: click.Context,
    /,
    *,
    words: tuple[str, ...],
    backend: str,
    environment: str,
    json_: bool,
) -> None:
    """Ask for a command, and show where the time goes while it does.

    Each stage and each server that is asked has a bar: light until its first word, dark from there.
    Exit code 1 if there was no answer; what went wrong is in the picture then.
    """
    client = Client()
    client.ensure()  # a daemon that has to be started first is no part of the trace
    named = {"line": " ".join(words), "backend": backend, "environment": environment}
    asking = Asking(client, replace(surroundings(), **named))  # type: ignore[arg-type]
    asking.begin()
    found = _followed(asking, is_live=is_terminal() and not json_)
    if asking.error:
        raise asking.error
    if not found:
        raise DaemonUnavailable("the daemon has no trace of it", "cmdai-shell daemon restart")
    _print(found, asking.final, json_=json_)
    if said := asking.final.get("error"):
        raise error_of(said)
    ctx.exit(0)


def _followed(asking: Asking, *, is_live: bool) -> Reply:
    found: Reply = {}
    if not is_live:
        return [found, *asking.traces()][-1]
    from rich.live import Live

    with Live(auto_refresh=False, transient=True) as live:
        for found in asking.traces():
            live.update(_drawn(found), refresh=True)
    return found


def _drawn(found: Reply) -> RenderableType:
    from rich.text import Text

    shown = Text()
    for text, style in waterfall.lines(found, shutil.get_terminal_size().columns):
        shown.append(f"{text}\n", style or "default")
    return shown


def _print(found: Reply, final: Reply, *, json_: bool) -> None:
    suggestion: dict[str, Any] = final.get("suggestion") or {}
    is_allowed = suggestion.get("action") == "insert"
    command = str(suggestion.get("command", "")) if is_allowed else ""
    if json_:
        output.emit({"trace": found, "command": command}, "json")
        return
    if is_terminal():
        from rich.console import Console

        Console(highlight=False, soft_wrap=True).print(_drawn(found), end="")
    else:
        plain = not (sys.stdout.encoding or "").lower().startswith("utf")
        for text, _ in waterfall.lines(found, 100, is_plain=plain):
            click.echo(text)
    click.echo()
    for line in waterfall.summary(found):
        click.echo(line)
    if suggestion.get("is_fallback"):
        click.echo(visible(stood_in(suggestion)))
    if command:
        click.echo(f"command: {command}")
    elif suggestion:
        click.echo("command: not shown, the safety level does not allow it")
