"""What discovery has to find out by itself: addresses of names, keys of servers. Nothing is asked
over the connections, and nobody who does not answer holds up the others."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdai_shell.backends.names import Names
from cmdai_shell.discovery.policy import address
from cmdai_shell.errors import CmdaiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from ssl import SSLContext

    from cmdai_shell.core import Clock
    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.discovery.found import Found

AGAIN_S = 60.0
"""Until a name is looked up again, and a server that showed no key is asked for it again."""
EACH_S = 2.0
"""For one look-up, and for the connections that learn one key."""
NAMES_AT_A_TIME, KEYS_AT_A_TIME = 4, 8
LOOK_EVERY_S = 15.0
_REMEMBERED = 2_000
"""Names and URLs, of which anybody can announce more."""


class Inquiry:
    """``run`` ends when cancelled. ``on_news``: ``found`` was told something. ``authorities``: who
    has to vouch for a server that was approved; None where its environment names nobody, may
    block. ``is_home``: we are where it was approved; elsewhere nobody's first key is believed."""

    def __init__(
        self,
        found: Found,
        *,
        clock: Clock,
        on_news: Callable[[], None],
        authorities: Callable[[Candidate], SSLContext | None],
        is_home: Callable[[Candidate], Awaitable[bool]],
    ) -> None:
        self._found = found
        self._clock = clock
        self._on_news = on_news
        self._authorities = authorities
        self._is_home = is_home
        self._names = Names(NAMES_AT_A_TIME)
        self._asked: dict[str, float] = {}
        """When, by name or URL."""
        self._busy: set[str] = set()
        self._resolved: set[str] = set()
        """Names that the last look-up knew: others are not connected to."""
        self._wake = asyncio.Event()
        self.problems: dict[str, str] = {}
        """URL -> why its key is not known."""

    def look(self) -> None:
        """There may be something to find out."""
        self._wake.set()

    def again(self, url: str) -> None:
        """The person decided on it: without the wait."""
        self._asked.pop(url, None)
        self.problems.pop(url, None)
        self._wake.set()

    async def run(self) -> None:
        self._busy.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                for what, task in self._due():
                    self._busy.add(what)
                    self._note(what)
                    group.create_task(self._one(what, task))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._wake.wait()

    def _due(self) -> list[tuple[str, Coroutine[None, None, None]]]:
        """A few of those whose turn it is, the approved ones first. Names and keys do not wait for
        each other."""
        known = {each.endpoint.url: each for each in self._found.candidates()}
        hosts = dict.fromkeys(urlsplit(url).hostname or "" for url in known)
        names = [host for host in hosts if not address(host) and self._is_due(host)]
        not_now = {url for url in known if not (self._is_due(url) and self._is_somewhere(url))}
        urls = [url for url in self._found.unverified(not_now) if url in known]
        keys_busy = sum("://" in what for what in self._busy)
        names = names[: max(NAMES_AT_A_TIME - len(self._busy) + keys_busy, 0)]
        return [
            *((host, self._look_up(host)) for host in names),
            *((url, self._learn(known[url])) for url in urls[: max(KEYS_AT_A_TIME - keys_busy, 0)]),
        ]

    def _is_due(self, what: str) -> bool:
        return what not in self._busy and (
            self._clock() - self._asked.get(what, -math.inf) >= AGAIN_S
        )

    def _is_somewhere(self, url: str) -> bool:
        host = urlsplit(url).hostname or ""
        return address(host) is not None or host in self._resolved

    def _note(self, what: str) -> None:
        self._asked.pop(what, None)
        self._asked[what] = self._clock()
        for of in (self._asked, self.problems):
            while len(of) > _REMEMBERED:
                del of[next(iter(of))]

    async def _one(self, what: str, task: Coroutine[None, None, None]) -> None:
        try:
            await task
            self._on_news()
        finally:
            self._busy.discard(what)
            self._wake.set()

    async def _look_up(self, host: str) -> None:
        self._resolved.discard(host)
        with suppress(OSError, UnicodeError, TimeoutError):
            async with asyncio.timeout(EACH_S):
                infos = await self._names.lookup(host)
            if len(self._resolved) < _REMEMBERED:
                self._resolved.add(host)
            self._found.resolved(host, tuple(dict.fromkeys(str(info[4][0]) for info in infos)))

    async def _learn(self, candidate: Candidate) -> None:
        from cmdai_shell.discovery import pins

        url, parts = candidate.endpoint.url, urlsplit(candidate.endpoint.url)
        is_first = candidate.approval is not None and not candidate.approval.pin
        if is_first and not await self._is_home(candidate):
            self.problems[url] = "its key is learned in the network that it was trusted in"
            return
        try:
            # Strangers, who only say that they are somebody, see no certificate of ours.
            own = None
            if not candidate.is_quiet:
                own = await asyncio.to_thread(self._authorities, candidate)
            more = {"authorities": lambda: own} if own else {}
            seen = await pins.learn(parts.hostname or "", parts.port or 443, EACH_S, **more)
        except (CmdaiError, OSError) as error:
            self.problems[url] = getattr(error, "message", "") or "it cannot be reached"
            return
        doubt = pins.doubt(seen, time.time(), has_authority=own is not None)
        if doubt and not candidate.is_quiet and candidate.state != "changed":
            self.problems[url] = f"it cannot be trusted: {seen.problem}; {doubt}"
            return
        self.problems.pop(url, None)
        self._found.saw_key(url, seen.spki, is_key_alone=not seen.is_chain_valid)
