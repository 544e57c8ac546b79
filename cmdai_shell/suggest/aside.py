"""Work that may hang on a disk, beside the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MOST_STUCK = 4


class Aside:
    """Threads of which one that hangs (a server that is gone, under a network file system) holds
    nobody up: it is left behind, and the daemon can end without it. While some hang, no more are
    begun. One that has done its work waits for the next: to begin a thread takes longer than most
    of what they are asked for."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._running = 0
        self._idle: list[_Jobs] = []

    async def do(self, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; None when it takes too long. Raises what it raises."""
        if self._running >= _MOST_STUCK:
            return None
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        jobs = self._idle.pop() if self._idle else _begun()

        def finish(result: T | None, error: BaseException | None) -> None:
            self._running -= 1
            self._idle.append(jobs)
            if done.cancelled():
                return
            if error:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            result: T | None = None
            failure: BaseException | None = None
            try:
                result = work()
            except BaseException as error:  # raised where it is waited for
                failure = error
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(finish, result, failure)

        self._running += 1
        jobs.put(run)
        try:
            async with asyncio.timeout(self._timeout):
                return await done
        except TimeoutError:
            return None

    def __del__(self) -> None:
        for jobs in self._idle:
            jobs.put(None)


_Jobs: TypeAlias = "queue.SimpleQueue[Callable[[], None] | None]"
"""Of one thread; None ends it."""


def _begun() -> _Jobs:
    jobs: _Jobs = queue.SimpleQueue()

    def work() -> None:
        while job := jobs.get():
            job()
            del job  # and all that it holds

    threading.Thread(target=work, name="cmdai-aside", daemon=True).start()
    return jobs
