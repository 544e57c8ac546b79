"""Seconds that cost nothing: when all tasks wait, the loop's clock jumps to what is due next.

``loop.time`` is then the clock to inject. Only for code that waits for timers and for other tasks:
with real sockets nobody would wait for the network.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

START = 1_000.0


def hasten(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Make it such a loop."""
    clock = START
    selector: Any = loop._selector  # type: ignore[attr-defined]
    select = selector.select

    def jump(timeout: float | None = None) -> Any:
        nonlocal clock
        if timeout is None:
            found = select(1.0)  # a signal, or a thread
            if not found:
                raise RuntimeError("all tasks wait, and nothing will wake them")
            return found
        clock += max(timeout, 0.0)
        return select(0)

    selector.select = jump
    loop.time = lambda: clock  # type: ignore[method-assign]
    return loop


def now() -> float:
    """The running loop's clock."""
    return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=lambda: hasten(asyncio.SelectorEventLoop())) as runner:
        return runner.run(main)
