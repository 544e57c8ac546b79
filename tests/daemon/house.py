"""A daemon's inside that hears what a test says, and whose servers are scripted."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from cmdai_shell.config import load
from cmdai_shell.core import Handshake, SuggestRequest
from cmdai_shell.daemon import compose, finder
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.daemon.whereabouts import Here
from tests.daemon.conftest import until
from tests.daemon.test_desk import Engine
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.scripted_source import ScriptedSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from cmdai_shell.core import Update
    from cmdai_shell.discovery.candidate import Candidate

SPARK = {"host": "spark.local", "addresses": "192.168.1.7", "network": "192.168.1.2/24"}


def here(*addresses: str, routers: tuple[str, ...] = ()) -> Here:
    return Here(addresses=addresses, routers=frozenset(routers))


class House:
    """A desk whose chain hears what ``said`` has, from a source of that name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *said: Any, source: str = "mdns") -> None:
        self.source = ScriptedSource(source, [*said, inf])
        self.servers: dict[str, ScriptedServer] = {}
        self.handshake = Handshake(state="ok", ttft=0.1, elapsed=0.01)
        monkeypatch.setattr(finder, "BEGIN_S", 0.0)
        monkeypatch.setattr(finder, "sources", lambda config: [self.source])
        monkeypatch.setattr(finder, "connected", self._connected)
        self.here = here("192.168.1.2", "fe80::1%eth0")
        monkeypatch.setattr(finder, "here", lambda: self.here)
        monkeypatch.setattr(compose, "_engine", lambda config, clock: Engine())
        self.desk = Desk(lambda former: Chain(load(), time.monotonic, former=former),
                         clock=time.monotonic)  # fmt: skip

    def _connected(self, candidate: Candidate, *_: object) -> ScriptedServer:
        made = ScriptedServer(candidate.name, url=candidate.endpoint.url)
        made.endpoint = replace(made.endpoint, environment=candidate.endpoint.environment)
        made.handshakes = [self.handshake]
        self.servers[candidate.name] = made
        return made

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[House]:
        async with asyncio.TaskGroup() as group:
            life = group.create_task(self.desk.live())
            yield self
            life.cancel()

    @property
    def finder(self) -> finder.Finder:
        return self.desk.finder()

    @property
    def members(self) -> list[str]:
        return [member.id for member in self.desk.chain().pool]

    def state(self, name: str) -> str:
        return {c.name: c.state for c in self.finder.found.candidates()}.get(name, "")

    @property
    def offered(self) -> str:
        offer = self.finder.notices.offer()
        return offer.command if offer else ""

    async def press(self, line: str = "list files", **more: Any) -> Update:
        request = SuggestRequest(line=line, shell_version="5.2", **more)
        found = [update async for update in self.desk.answer(request)][-1]
        assert not isinstance(found, Exception), found
        return found


async def proven(house: House, *names: str) -> None:
    """They have passed their first check, and may be sent words."""
    await until(lambda: {m.id for m in house.desk.chain().pool if m.is_proven} >= set(names))


async def found(house: House, name: str = "spark:8000") -> None:
    await until(lambda: house.state(name) != "")
    house.finder.notices.waiting = house.finder.found.waiting()  # a moment later, by itself


async def trusted(house: House) -> None:
    """It was found, and the person's word has made it one that is asked."""
    await found(house)
    await house.finder.decisions.trust("spark:8000")
    await proven(house, "spark:8000")
