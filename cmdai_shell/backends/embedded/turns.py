"""First come, first served, for callers that have something to say while they wait."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """An asyncio.Lock whose waiters can look up from the queue without losing their place."""

    def __init__(self) -> None:
        self._queue: deque[asyncio.Future[None]] = deque()

    def join(self) -> asyncio.Future[None]:
        """A place in the queue; to be given back by ``leave``, served or not."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._serve()
        return turn

    async def served(self, turn: asyncio.Future[None], within: float) -> bool:
        """Wait up to ``within`` seconds for the turn."""
        await asyncio.wait((turn,), timeout=within)
        return turn.done()

    def leave(self, turn: asyncio.Future[None]) -> None:
        self._queue.remove(turn)
        turn.cancel()
        self._serve()

    @property
    def taken(self) -> bool:
        return bool(self._queue)

    @property
    def wanted(self) -> bool:
        """Somebody waits behind the one being served."""
        return len(self._queue) > 1

    def _serve(self) -> None:
        if self._queue and not self._queue[0].done():
            self._queue[0].set_result(None)
