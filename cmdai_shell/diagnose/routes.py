"""By which of its addresses this machine would reach a host. Nothing is sent to the host: a UDP
socket that is connected only makes the kernel look up the route."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

WITHIN_S = 1.5
"""For all names together; a resolver that is dead takes 5 s and more for each."""
MOST = 64


@dataclass(frozen=True, slots=True)
class Route:
    address: str
    """Of the host."""
    own: str = ""
    """Ours, on the way there; empty where there is no way."""


def routes(hosts: Collection[str], within: float = WITHIN_S) -> dict[str, Route]:
    """Those of the hosts that have an address, looked up beside each other. A look-up that hangs is
    left behind in a daemon thread."""
    found: dict[str, Route] = {}

    def look(host: str) -> None:
        if (route := _route(host)) is not None:
            found[host] = route

    until = time.monotonic() + within
    threads = [
        threading.Thread(target=look, args=(host,), daemon=True) for host in sorted(hosts)[:MOST]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(found)


def _route(host: str) -> Route | None:
    try:
        infos = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    for family, kind, protocol, _, address in infos:
        with suppress(OSError), socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return Route(str(address[0]), str(probe.getsockname()[0]))
    return Route(str(infos[0][4][0])) if infos else None
