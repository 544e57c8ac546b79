"""Handshakes with servers that were found which no keeper makes, or none in time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from cmdai_shell.core import Handshake
from cmdai_shell.errors import CmdaiError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from cmdai_shell.core import Clock
    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.routing.member import Member

PROVE_S = 10.0
"""For one handshake."""
LOOK_S = 4.0
"""While the person waits: a command waits 5 s for the daemon, and after 3 s Linux says that nobody
has that address (ARP's three tries, a second each)."""
AGAIN_S = 15.0
"""Until it is looked again who wants one."""


class Proving:
    """Of ``members``: who has never computed where no keeper sees to it, as no words go to those;
    and who seems to have moved, as that is known only once the old address is silent."""

    def __init__(
        self,
        members: Callable[[], Collection[Member]],
        *,
        has_keeper: bool,
        clock: Clock,
        on_news: Callable[[], None],
    ) -> None:
        self._members = members
        self._has_keeper = has_keeper
        self._clock = clock
        self._on_news = on_news
        self._doubted: set[str] = set()
        self.hurry = asyncio.Event()

    async def run(self) -> None:
        while True:
            self.hurry.clear()
            for member in self._members():
                if self._is_wanted(member):
                    await self._ask(member, PROVE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self.hurry.wait()

    def doubt(self, known: Iterable[Candidate]) -> None:
        names = {each.approval.name for each in known if each.may_have_moved and each.approval}
        if names - self._doubted:
            self.hurry.set()
        self._doubted = names

    async def look_at(self, name: str) -> None:
        """Whether it is where it was."""
        for member in self._members():
            if member.id == name:
                await self._ask(member, LOOK_S)

    def _is_wanted(self, member: Member) -> bool:
        is_new = not (self._has_keeper or member.is_proven)
        return is_new or (member.id in self._doubted and member.state != "unreachable")

    async def _ask(self, member: Member, within: float) -> None:
        found = Handshake(state="unreachable", detail=f"no answer within {within:.0f} s")
        with suppress(CmdaiError):  # it may not be asked here: then nobody knows
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    found = await member.server.handshake(within)
            member.note_handshake(found, self._clock())
            self._on_news()
