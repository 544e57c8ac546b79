"""Work that blocks, in a thread of its own that may be left behind."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def begin(work: Callable[[], T]) -> Future[T]:
    """The program can end without it; nobody who stops waiting stops it."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from now on, to cancel it does nothing

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # raised where it is waited for
            done.set_exception(error)
        else:
            done.set_result(result)

    threading.Thread(target=run, name="cmdai-auth", daemon=True).start()
    return done


def within(timeout: float, work: Callable[[], T]) -> T:
    """Blocks. Raises TimeoutError, and what ``work`` raises."""
    return begin(work).result(timeout)


async def aside(timeout: float, work: Callable[[], T]) -> T:
    """``within`` for the event loop."""
    async with asyncio.timeout(timeout):
        return await asyncio.wrap_future(begin(work))
