"""Servers that announce themselves in the local network (mDNS and DNS-SD, RFC 6762 and 6763).

Nothing is sent to what is found. Listed is not alive: a server that crashed is listed for up to 75
minutes, the time that its announcement is good for; only who asks it can tell.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from cmdai_shell.discovery import interfaces, txt
from cmdai_shell.discovery.multicast.announcement import Announcement, endpoint
from cmdai_shell.discovery.multicast.listing import Listing
from cmdai_shell.discovery.multicast.session import Session
from cmdai_shell.errors import ConfigError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from cmdai_shell.core import Added, Clock, Endpoint, Removed
    from cmdai_shell.discovery.interfaces import Links


class MdnsSource:
    """``core.Source`` for the links that this machine is on.

    ``service_types``: like ``_inference._tcp.local``; of a subtype, ``_dgx._sub._inference._tcp``,
    only its own are listed. ``exclude_interfaces``: patterns like ``docker*``. ``pri`` in a
    server's TXT data can put it one below ``priority``; nothing puts it above.
    """

    name = "mdns"

    def __init__(
        self,
        *,
        service_types: Sequence[str],
        exclude_interfaces: Sequence[str] = (),
        environment: str = "",
        priority: int = 0,
        read_links: Callable[[Sequence[str]], Links] = interfaces.read,
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
    ) -> None:
        """Raises ConfigError."""
        self._types = tuple(map(_service_type, service_types))
        if not self._types:
            raise ConfigError("no kind of service to listen for", "discovery.service_types")
        self._exclude = tuple(exclude_interfaces)
        self._environment = environment
        self._priority = priority
        self._read_links = read_links
        self._clock = clock
        self._wall = wall
        self._listing = Listing()

    async def watch(self) -> AsyncGenerator[Added | Removed, None]:
        """See ``core.Source``. Begun again, it adds all that is there again, and removes what has
        gone meanwhile. Only one runs at a time."""
        self._listing.begin()
        session = Session(
            types=self._types,
            listing=self._listing,
            read_links=lambda: self._read_links(self._exclude),
            offer=self._offer,
            clock=self._clock,
            wall=self._wall,
        )
        is_closed = True
        async with asyncio.TaskGroup() as group:
            running = group.create_task(session.run(group))
            try:
                while await session.changed():
                    for change in self._listing.changes():
                        yield change
                is_closed = False
            except GeneratorExit:
                pass  # a task group would wrap it; its end is told by is_closed
            finally:
                running.cancel()
        if not is_closed and session.failure is not None:
            raise session.failure

    def _offer(self, heard: Announcement, links: Links, before: str) -> Endpoint | None:
        return endpoint(
            heard, links, environment=self._environment, priority=self._priority, before=before
        )


def _service_type(text: str) -> tuple[str, str]:
    found = txt.service_type(text)
    if found is None:
        raise ConfigError(
            f"{visible(text)[:80]!r} is no kind of service", "write it like _inference._tcp.local"
        )
    return found
