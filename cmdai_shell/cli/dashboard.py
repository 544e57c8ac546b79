"""``cmdai-shell dashboard``: a full-screen view of how the servers do."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from cmdai_shell.cli import screen
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.watched import Watched
from cmdai_shell.errors import CmdaiError, DaemonUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

T = TypeVar("T")

TEST_S = 40.0
"""For ``backends test``, which gives a server 30 s."""
PROGRAM = (sys.executable, "-c", "from cmdai_shell.cli.main import main; main()")


@click.command()
@click.option(
    "--interval", default=1.0, show_default=True, type=click.FloatRange(0.1, 60), help="Seconds."
)
@click.option("--once", is_flag=True, help="Print what would be on the screen, and end.")
def dashboard(*, interval: float, once: bool) -> None:
    """Watch the servers: state, latency, breakers, queues, requests, discovery, and what happens.

    Looks at the daemon each second, and starts none; one that comes back is seen. Keys: q quits, t
    tests the chosen server, T trusts one that was found, r looks now, ? says it all.

    \b
    Examples:
      cmdai-shell dashboard
      cmdai-shell dashboard --interval 5
      cmdai-shell dashboard --once
    """
    if once:
        _print()
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "the dashboard needs a terminal; without: cmdai-shell dashboard --once"
        )
    asyncio.run(Dashboard(Client(start=()), interval).run())


def _print() -> None:
    watched, now = Watched(), time.monotonic()
    status = Client(start=()).status()
    check(status)
    watched.saw(status, now)
    columns, rows = shutil.get_terminal_size()
    view = screen.View(is_plain=_is_plain())
    lines = screen.drawn(watched, view, columns, rows, now)
    click.echo(screen.plain(lines[:-1]).rstrip("\n"))


def _is_plain() -> bool:
    return "utf" not in (sys.stdout.encoding or "").lower()


class Dashboard:
    """The screen, and the person in front of it."""

    def __init__(self, client: Client, interval: float) -> None:
        self._client = client
        self._interval = interval
        self._watched = Watched()
        self._view = screen.View(is_plain=_is_plain())
        self._hurry = asyncio.Event()
        self._wanted: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._agreed: Callable[[], Awaitable[None]] | None = None
        """What is done if the question is answered with yes."""
        self._app = self._application()

    async def run(self) -> None:
        """Until the person leaves."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._watch()), group.create_task(self._work())]
            try:
                await self._app.run_async()
            finally:
                for task in tasks:
                    task.cancel()

    # --- the daemon

    async def _watch(self) -> None:
        while True:
            self._hurry.clear()
            await self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._hurry.wait()

    async def _look(self) -> None:
        try:
            status = await aside(self._client.status)
            check(status)
        except CmdaiError as error:
            self._watched.missed(error.message, error.hint, time.monotonic())
        else:
            self._watched.saw(status, time.monotonic())
        names = [row.name for row in screen.rows(self._watched.status)]
        if names and self._view.chosen not in names:
            self._see(chosen=names[0])
        self._app.invalidate()

    async def _work(self) -> None:
        """One thing at a time."""
        while True:
            work = await self._wanted.get()
            try:
                await work()
            except CmdaiError as error:
                self._say(str(error))
            except OSError as error:
                self._say(f"not done: {error.strerror or error}")
            self._see(busy="")
            self._hurry.set()

    # --- what can be asked for

    async def _test(self, row: screen.Row) -> None:
        self._see(busy=f"testing {row.name}")
        what = row.name if "/" in row.name or not row.url else row.url
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *("backends", "test", "--json", "--", what),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(TEST_S):
                out, err = await process.communicate()
        except TimeoutError:
            self._say(f"test of {row.name}: no result within {TEST_S:.0f} s")
            return
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        self._say(f"test of {row.name}: {tested(out, err)}")

    async def _trust(self, row: screen.Row) -> None:
        self._see(busy=f"trusting {row.name}")
        found = await aside(lambda: self._client.decide("trust", name=row.name))
        self._say(f"{found.get('name', row.name)} is trusted; `backends forget` takes that back")

    def _say(self, text: str) -> None:
        self._watched.say(text, time.monotonic())
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

    def _text(self) -> screen.Line:
        columns, rows = self._app.output.get_size().columns, self._app.output.get_size().rows
        lines = screen.drawn(self._watched, self._view, columns, rows, time.monotonic())
        pieces: screen.Line = []
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

        on("q", "c-c")(lambda: self._app.exit())
        on("r")(self._hurry.set)
        on("up", "k")(lambda: self._move(-1))
        on("down", "j")(lambda: self._move(1))
        on("?")(lambda: self._see(is_helping=not self._view.is_helping))
        on("t")(self._want_test)
        on("T")(self._want_trust)
        on("y")(lambda: self._answer(is_yes=True))
        on("n", "escape")(lambda: self._answer(is_yes=False))
        return keys

    def _row(self) -> screen.Row | None:
        found = screen.rows(self._watched.status)
        return next((row for row in found if row.name == self._view.chosen), None)

    def _move(self, by: int) -> None:
        names = [row.name for row in screen.rows(self._watched.status)]
        if names and not self._view.question:
            here = names.index(self._view.chosen) if self._view.chosen in names else 0
            self._see(chosen=names[max(0, min(here + by, len(names) - 1))])

    def _want_test(self) -> None:
        row = self._row()
        if row is None:
            self._say("there is no server to test")
        elif row.is_found:
            self._say(f"{row.name} is not trusted: nothing is sent to it")
        elif self._view.busy:
            self._say(f"wait: {self._view.busy}")
        else:
            self._see(busy=f"testing {row.name}")
            self._wanted.put_nowait(lambda: self._test(row))

    def _want_trust(self) -> None:
        row = self._row()
        if row is None or not row.is_found or row.state != "candidate":
            self._say("choose one that was found and waits to be trusted")
            return
        self._agreed = lambda: self._trust(row)
        self._see(question=f"trust {row.name} at {row.url}? It may be sent what you type.")

    def _answer(self, *, is_yes: bool) -> None:
        if self._agreed and is_yes:
            self._wanted.put_nowait(self._agreed)
        self._agreed = None
        self._see(question="")


def check(status: Mapping[str, Any]) -> None:
    """Raises DaemonUnavailable for what cannot be drawn: a daemon of another version may say other
    things."""
    trial = Watched()
    try:
        for at in (0, 1):
            trial.saw(status, at)
        screen.drawn(trial, screen.View(), 200, 50, 1)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DaemonUnavailable(
            "the daemon says things that this version does not know", "cmdai-shell daemon restart"
        ) from error


async def aside(work: Callable[[], T]) -> T:
    """In a daemon thread: who leaves does not wait for a daemon that does not answer."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("T", result))

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:
            failed = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, daemon=True).start()
    return await done


def tested(out: bytes, err: bytes) -> str:
    """What ``backends test --json`` came to, as one sentence."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        found = json.loads(out)
        results = found if isinstance(found, list) else [found]
        return "; ".join(_result(each) for each in results)
    said = err.decode(errors="replace").strip().splitlines()
    return said[0].removeprefix("cmdai-shell: ") if said else "no result"


def _result(result: dict[str, object]) -> str:
    detail = f": {result['detail']}" if result.get("detail") else ""
    return f"{result['state']}{detail}"
