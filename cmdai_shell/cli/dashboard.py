"""``cmdai-shell dashboard``: a full-screen view of how the servers do."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from cmdai_shell.cli import screen
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.lines import plain
from cmdai_shell.cli.output import PIPE_COLUMNS
from cmdai_shell.cli.watched import Watched
from cmdai_shell.cli.watcher import Watcher, check

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from cmdai_shell.cli.lines import Line

ROWS = 10_000
"""Enough for all there is."""


@click.command()
@click.option(
    "--interval", default=1.0, show_default=True, type=click.FloatRange(0.1, 60), help="Seconds."
)
@click.option("--once", is_flag=True, help="Print all of it, nothing cut, and end.")
@click.option("--web", is_flag=True, help="As a page for a browser of this machine, until Ctrl-C.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Of the page, on 127.0.0.1; by itself a free one."
)
def dashboard(*, interval: float, once: bool, web: bool, port: int | None) -> None:
    """Watch the servers: state, latency, breakers, queues, requests, discovery, and what happens.

    Looks at the daemon each second, and starts none; one that comes back is seen. Keys: q quits, t
    tests the chosen server, d drains it (no new requests) or takes that back, T trusts one that was
    found, r looks now, ? says it all.

    --web shows the same with charts in a browser. Only who has the printed address can see it.

    \b
    Examples:
      cmdai-shell dashboard
      cmdai-shell dashboard --interval 5
      cmdai-shell dashboard --once
      cmdai-shell dashboard --web
    """
    if (once and web) or (port is not None and not web):
        raise click.UsageError("--port goes with --web, and --once with neither")
    if once:
        _print()
    elif web:
        from cmdai_shell.cli.web import server

        server.run(Client(start=()), interval, port or 0)
    elif not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "the dashboard needs a terminal; without: cmdai-shell dashboard --once"
        )
    else:
        asyncio.run(Dashboard(Client(start=()), interval).run())


def _print() -> None:
    watched, now = Watched(), time.monotonic()
    status = Client(start=()).status()
    check(status)
    watched.saw(status, now)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_COLUMNS
    view = screen.View(is_plain=_is_plain(), is_whole=True)
    lines = screen.drawn(watched, view, columns, ROWS, now)
    click.echo(plain(lines[:-1]).rstrip("\n"))


def _is_plain() -> bool:
    return "utf" not in (sys.stdout.encoding or "").lower()


class Dashboard:
    """The screen, and the person in front of it."""

    def __init__(self, client: Client, interval: float) -> None:
        self._view = screen.View(is_plain=_is_plain())
        self._agreed: Callable[[], None] | None = None
        """What is done if the question is answered with yes."""
        self._watcher = Watcher(client, interval, self._changed)
        self._app = self._application()

    async def run(self) -> None:
        """Until the person leaves."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watcher.run())
            try:
                await self._app.run_async()
            finally:
                watching.cancel()

    def _changed(self) -> None:
        names = [row.name for row in screen.rows(self._watcher.watched.status)]
        if names and self._view.chosen not in names:
            self._see(chosen=names[0])
        self._app.invalidate()

    def _see(self, **changed: object) -> None:
        self._view = replace(self._view, **changed)  # type: ignore[arg-type]
        self._app.invalidate()

    # --- the terminal

    def _application(self) -> Application[None]:
        from prompt_toolkit.application import Application
        from prompt_toolkit.formatted_text import FormattedText
        from prompt_toolkit.layout import FormattedTextControl, Layout, Window
        from prompt_toolkit.output import ColorDepth
        from prompt_toolkit.styles import Style

        control = FormattedTextControl(
            lambda: FormattedText(self._text()), focusable=True, show_cursor=False
        )
        return Application(
            layout=Layout(Window(control, wrap_lines=False)),
            key_bindings=self._keys(),
            style=Style.from_dict(screen.STYLES),
            color_depth=ColorDepth.MONOCHROME if os.environ.get("NO_COLOR") else None,
            full_screen=True,
        )

    def _text(self) -> Line:
        columns, rows = self._app.output.get_size().columns, self._app.output.get_size().rows
        view = replace(self._view, busy=self._watcher.busy)
        lines = screen.drawn(self._watcher.watched, view, columns, rows, time.monotonic())
        pieces: Line = []
        for number, each in enumerate(lines):
            pieces += [("", "\n")] * bool(number) + each
        return pieces

    def _keys(self) -> KeyBindings:
        from prompt_toolkit.key_binding import KeyBindings

        keys = KeyBindings()

        def on(*names: str) -> Callable[[Callable[[], None]], None]:
            def bind(act: Callable[[], None]) -> None:
                def pressed(_: KeyPressEvent) -> None:
                    act()

                for name in names:
                    keys.add(name, eager=True)(pressed)

            return bind

        watcher = self._watcher
        on("q", "c-c")(lambda: self._app.exit())
        on("r")(watcher.look_now)
        on("up", "k")(lambda: self._move(-1))
        on("down", "j")(lambda: self._move(1))
        on("?")(lambda: self._see(is_helping=not self._view.is_helping))
        on("t")(lambda: watcher.test(self._view.chosen))
        on("d")(self._drain)
        on("T")(self._want_trust)
        on("y")(lambda: self._answer(is_yes=True))
        on("n", "escape")(lambda: self._answer(is_yes=False))
        return keys

    def _move(self, by: int) -> None:
        names = [row.name for row in screen.rows(self._watcher.watched.status)]
        if names and not self._view.question:
            here = names.index(self._view.chosen) if self._view.chosen in names else 0
            self._see(chosen=names[max(0, min(here + by, len(names) - 1))])

    def _drain(self) -> None:
        row = self._watcher.row(self._view.chosen)
        self._watcher.drain(self._view.chosen, is_back=bool(row and row.is_drained))

    def _want_trust(self) -> None:
        row = self._watcher.row(self._view.chosen)
        if row and self._watcher.can_trust(row.name):
            self._agreed = lambda: self._watcher.trust(row.name, row.url)
            self._see(question=f"trust {row.name} at {row.url}? It may be sent what you type.")

    def _answer(self, *, is_yes: bool) -> None:
        if self._agreed and is_yes:
            self._agreed()
        self._agreed = None
        self._see(question="")
