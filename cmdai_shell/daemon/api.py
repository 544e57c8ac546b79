"""The HTTP/JSON socket, for the command line and other tools.

aiohttp costs half a second and 20 MB: it is imported when somebody first knocks, in a thread, while
the hooks go on being served.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cmdai_shell.core import Clock
    from cmdai_shell.daemon.desk import Desk


class ApiDoor:
    """Watches the listening socket; at the first connection hands it to ``http``."""

    def __init__(self, desk: Desk, *, clock: Clock, stop: Callable[[], None]) -> None:
        self._desk = desk
        self._clock = clock
        self._stop = stop

    async def serve(self, listener: socket.socket) -> None:
        """Serve until cancelled. ``listener`` stays open: a successor may need it."""
        listener.setblocking(False)
        await _knock(listener)
        http = await asyncio.to_thread(importlib.import_module, "cmdai_shell.daemon.http")
        await http.serve(listener.dup(), self._desk, clock=self._clock, stop=self._stop)


async def _knock(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    knocked = asyncio.Event()
    loop.add_reader(listener, knocked.set)
    try:
        await knocked.wait()
    finally:
        loop.remove_reader(listener)
