"""The numbers for Prometheus, at a port of this machine; off unless the configuration says so.

``GET /metrics`` and nothing else. Any program of this machine may read it: there are no words and
no addresses in it, but the names of servers. A page in a browser may not: it names another host.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cmdai_shell.observe.metrics import Family

ADDRESS = "127.0.0.1"
NAMES = frozenset({ADDRESS, "localhost"})
AGAIN_S = 0.5
"""Seconds until a port that is taken is tried again: by the chain before this one, as a rule."""

log = logging.getLogger(__name__)


def is_ours(host: str) -> bool:
    """A ``Host`` that means this machine. A page that has pointed a name of its own at 127.0.0.1
    (DNS rebinding) still sends that name."""
    return host in NAMES or host.rpartition(":")[0] in NAMES


async def listen(
    port: int, families: Callable[[], Sequence[Family]], tell: Callable[[str], None]
) -> None:
    """Until cancelled. A port that another program has is waited for. ``tell`` hears what is wrong
    with the port; nothing once it is ours."""
    http = await asyncio.to_thread(importlib.import_module, "cmdai_shell.daemon.http")
    doorway = await asyncio.to_thread(importlib.import_module, "cmdai_shell.daemon.doorway")
    web = http.web

    async def metrics(request: Any) -> Any:
        if not is_ours(request.host):
            return web.Response(status=421, text="this is not the host you mean\n")
        return await http.measured(families())

    app = web.Application(client_max_size=1024)
    app.add_routes([web.get("/metrics", metrics)])
    async with doorway.opened(app, await _bound(port, tell)):
        log.info("metrics", extra={"fields": {"port": port}})
        await asyncio.Event().wait()


async def _bound(port: int, tell: Callable[[str], None]) -> socket.socket:
    is_told = False
    while True:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((ADDRESS, port))
            made.listen(16)
        except OSError as error:
            made.close()
            if not is_told:
                fields = {"port": port, "errno": error.errno}
                log.warning("metrics port not free", extra={"fields": fields})
                tell((error.strerror or "failed").lower())
            is_told = True
            await asyncio.sleep(AGAIN_S)
        else:
            made.setblocking(False)
            tell("")
            return made
