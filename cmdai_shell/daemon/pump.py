"""From the chain to a client, and never a second of silence: silence means death to a hook."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from cmdai_shell.core import Notice
from cmdai_shell.daemon import wording
from cmdai_shell.text import timeless

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from cmdai_shell.core import Clock, Update
    from cmdai_shell.errors import CmdaiError

BEAT = 0.9
"""Seconds of silence after which a notice is sent; the protocol promises one line a second."""


async def pump(
    updates: AsyncGenerator[Update | CmdaiError, None],
    send: Callable[[Update | CmdaiError], Awaitable[None]],
    clock: Clock,
) -> None:
    """Send every update as it comes, and between those that take long say what is being done.

    Cancelling closes ``updates``, and with it the work, down to the model.
    """
    loop = asyncio.get_running_loop()
    start = last = clock()
    doing = "thinking"

    async def say(update: Update | CmdaiError) -> None:
        nonlocal last
        last = clock()
        await send(update)

    async def beat() -> None:
        while True:
            await asyncio.sleep(max(0.01, last + BEAT - clock()))
            if clock() - last >= BEAT:
                await say(Notice(text=wording.working(doing, clock() - start)))

    async with asyncio.TaskGroup() as group:
        beats: list[asyncio.Task[None]] = []
        # most presses end before the first one: they need no task for it
        first = loop.call_later(BEAT, lambda: beats.append(group.create_task(beat())))
        try:
            async with aclosing(updates):
                async for update in updates:
                    if isinstance(update, Notice):
                        doing = timeless(update.text)
                    await say(update)
        finally:
            first.cancel()
        for task in beats:
            task.cancel()
