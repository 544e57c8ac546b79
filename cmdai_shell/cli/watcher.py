"""Looks at the daemon for a dashboard, and does what the person in front of it asks for."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cmdai_shell.cli import screen
from cmdai_shell.cli.watched import Watched
from cmdai_shell.errors import CmdaiError, DaemonUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from cmdai_shell.cli.client import Client

T = TypeVar("T")

FEW = 8
"""Requests that may have ended from one look to the next."""
TEST_S = 40.0
"""For ``backends test``, which gives a server 30 s."""
PROGRAM = (sys.executable, "-I", "-c", "from cmdai_shell.cli.main import main; main()")


class Watcher:
    """``changed`` is called whenever there is something new to show."""

    def __init__(
        self,
        client: Client,
        interval: float,
        changed: Callable[[], None],
        *,
        with_requests: bool = False,
    ) -> None:
        """``interval``: seconds from one look to the next; ``with_requests``: traces, too."""
        self.watched = Watched()
        self.busy = ""
        """What is being done, or nothing."""
        self._client = client
        self._interval = interval
        self._changed = changed
        self._with_requests = with_requests
        self._hurry = asyncio.Event()
        self._wanted: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._work())

    def look_now(self) -> None:
        self._hurry.set()

    def say(self, text: str) -> None:
        self.watched.say(text, time.monotonic())
        self._changed()

    def row(self, name: str) -> screen.Row | None:
        rows = screen.rows(self.watched.status)
        return next((row for row in rows if row.name == name), None)

    # --- what can be asked for

    def test(self, name: str) -> None:
        row = self.row(name)
        if row is None:
            self.say("there is no server to test")
        elif row.is_found:
            self.say(f"{row.name} is not trusted: nothing is sent to it")
        else:
            self._want(f"testing {row.name}", lambda: self._test(row))

    def can_trust(self, name: str) -> bool:
        """Says why not."""
        row = self.row(name)
        if row is None or not row.is_found or row.state != "candidate":
            self.say("choose one that was found and waits to be trusted")
            return False
        return True

    def trust(self, name: str, url: str) -> None:
        """``url``: where the person saw it."""
        row = self.row(name)
        if not self.can_trust(name) or row is None:
            return
        if row.url != url:
            self.say(f"{name} is at {row.url} now: look again")
            return
        self._want(f"trusting {name}", lambda: self._trust(name))

    def drain(self, name: str, *, is_back: bool) -> None:
        """No new request goes to it from now on, or they do again."""
        row = self.row(name)
        if row is None or row.is_found:
            self.say("choose a server that is asked")
            return
        doing = "taking back" if is_back else "draining"
        self._want(f"{doing} {name}", lambda: self._drain(name, is_back=is_back))

    def _want(self, doing: str, work: Callable[[], Awaitable[None]]) -> None:
        """One thing at a time."""
        if self.busy:
            self.say(f"wait: {self.busy}")
            return
        self.busy = doing
        self._wanted.put_nowait(work)
        self._changed()

    async def _work(self) -> None:
        while True:
            work = await self._wanted.get()
            try:
                await work()
            except CmdaiError as error:
                self.say(str(error))
            except OSError as error:
                self.say(f"not done: {error.strerror or error}")
            self.busy = ""
            self._changed()
            self._hurry.set()

    async def _test(self, row: screen.Row) -> None:
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
            self.say(f"test of {row.name}: no result within {TEST_S:.0f} s")
            return
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        self.say(f"test of {row.name}: {tested(out, err)}")

    async def _trust(self, name: str) -> None:
        found = await aside(lambda: self._client.decide("trust", name=name))
        self.say(f"{found.get('name', name)} is trusted; `backends forget` takes that back")

    async def _drain(self, name: str, *, is_back: bool) -> None:
        found = await aside(
            lambda: self._client.decide("undrain" if is_back else "drain", name=name)
        )
        left = found.get("in_flight") or 0
        going = f"; {left} of its requests go on" if left else ""
        self.say(f"{name} is asked again" if is_back else f"{name} gets no new request{going}")

    # --- the daemon

    async def _watch(self) -> None:
        while True:
            self._hurry.clear()
            await self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._hurry.wait()

    async def _look(self) -> None:
        former = self.watched.status or {}
        try:
            status = await aside(self._client.status)
            check(status)
            if self._with_requests and status["last_request"] != former.get("last_request"):
                await self._read_requests()
        except CmdaiError as error:
            self.watched.missed(error.message, error.hint, time.monotonic())
        else:
            self.watched.saw(status, time.monotonic())
        self._changed()

    async def _read_requests(self) -> None:
        """A few of them, or all there are where those are all new."""
        for most in (FEW, 0):
            traces = await aside(partial(self._client.traces, most=most))
            with _understood():
                if self.watched.asked(traces) < FEW:
                    return


def check(status: Mapping[str, Any]) -> None:
    """Raises DaemonUnavailable for what cannot be drawn: a daemon of another version may say other
    things."""
    trial = Watched()
    with _understood():
        for at in (0, 1):
            trial.saw(status, at)
        screen.drawn(trial, screen.View(), 200, 50, 1)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
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
