"""The HTTP/JSON socket, for the command line and other tools.

aiohttp costs half a second and 20 MB: it is imported when somebody first knocks, in a thread, while
the hooks go on being served.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cmdai_shell.core import Clock
    from cmdai_shell.daemon.desk import Desk


log = logging.getLogger(__name__)

READ_TIMEOUT = 1.0
"""Seconds for the head of a request that is only told what is wrong with us."""


class ApiDoor:
    """Watches the listening socket; at the first connection hands it to ``http``. While that cannot
    be had, every request is told why."""

    def __init__(self, desk: Desk, *, clock: Clock, stop: Callable[[], None]) -> None:
        self._desk = desk
        self._clock = clock
        self._stop = stop

    async def serve(self, listener: socket.socket) -> None:
        """Serve until cancelled. ``listener`` stays open: a successor may need it."""
        listener.setblocking(False)
        while True:
            await _knock(listener)
            try:
                http = await asyncio.to_thread(importlib.import_module, "cmdai_shell.daemon.http")
                await http.serve(listener.dup(), self._desk, clock=self._clock, stop=self._stop)
            except Exception as error:  # the hooks do not need it: they go on being served
                log.exception("the API cannot be served")
                await _refuse(listener, f"the daemon's API cannot be served: {error}")


async def _knock(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    knocked = asyncio.Event()
    loop.add_reader(listener, knocked.set)
    try:
        await knocked.wait()
    finally:
        loop.remove_reader(listener)


async def _refuse(listener: socket.socket, message: str) -> None:
    """Answer one waiting connection, in HTTP, without aiohttp."""
    error = {"code": "error", "message": message, "hint": "cmdai-shell daemon logs"}
    body = json.dumps({"error": error}).encode()
    head = (
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        client, _ = listener.accept()
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(head.encode() + body)
                await writer.drain()
        finally:
            writer.close()
    except (OSError, EOFError, asyncio.LimitOverrunError):
        return  # whoever it was has gone, or speaks no HTTP
