"""Work that may hang on a disk, beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MOST_STUCK = 4


class Aside:
    """Threads of which one that hangs (a server that is gone, under a network file system) holds
    nobody up: it is left behind, and the daemon can end without it. While some hang, no more are
    begun."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._running = 0

    async def do(self, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; None when it takes too long. Raises what it raises."""
        if self._running >= _MOST_STUCK:
            return None
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def finish(result: T | None, error: BaseException | None) -> None:
            self._running -= 1
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
        threading.Thread(target=run, name="cmdai-aside", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                return await done
        except TimeoutError:
            return None
