"""Work that blocks, in a thread of its own that may be left behind."""

from __future__ import annotations

import asyncio
import atexit
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LAST_S = 15.0
"""That the end of the program waits for what must not be broken off."""
_precious: set[Future[Any]] = set()


def begin(work: Callable[[], T], *, is_precious: bool = False) -> Future[T]:
    """Nobody who stops waiting stops it. The program can end without it; what is precious it waits
    for (``finish``)."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from now on, to cancel it does nothing

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # raised where it is waited for
            done.set_exception(error)
        else:
            done.set_result(result)

    if is_precious:
        _precious.add(done)
        done.add_done_callback(_precious.discard)
    threading.Thread(target=run, name="cmdai-auth", daemon=True).start()
    return done


@atexit.register
def finish(timeout: float = LAST_S) -> None:
    """Blocks until nothing precious is under way any more. Who becomes another program (``exec``)
    has to call it; the end of this one does."""
    wait(tuple(_precious), timeout)


def within(timeout: float, work: Callable[[], T]) -> T:
    """Blocks. Raises TimeoutError, and what ``work`` raises."""
    return begin(work).result(timeout)


async def aside(timeout: float, work: Callable[[], T]) -> T:
    """``within`` for the event loop."""
    async with asyncio.timeout(timeout):
        return await asyncio.wrap_future(begin(work))
