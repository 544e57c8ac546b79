"""One watch of the mDNS source: listening, the interfaces followed, each service looked at."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from cmdai_shell.discovery import txt
from cmdai_shell.discovery.interfaces import Links
from cmdai_shell.discovery.multicast.ear import Ear
from cmdai_shell.discovery.multicast.listing import Agenda
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cmdai_shell.core import Clock, Endpoint
    from cmdai_shell.discovery.multicast.announcement import Announcement
    from cmdai_shell.discovery.multicast.ear import Event
    from cmdai_shell.discovery.multicast.listing import Listing

LOOK_S = 3.0
"""Between two looks at our own interfaces, which take some 0.3 ms each."""
SWEEP_S = 16.0
"""After everything was asked anew, who has not answered has gone: the last of zeroconf's four
questions goes out after 14.1 s."""
AT_ONCE = 16
"""Services that are asked for their records at the same time."""
EACH_STEP = 50
"""Services that are looked at before anything else in the loop has its turn."""
MOST_HEARD = 20_000
"""Records, or pieces of TXT data, until zeroconf is begun anew: by itself it forgets too little."""
SHORTEST_S = 30.0
"""From one beginning to the next. A network that is louder than that is not listened to until
then, and what was listed stays."""
CROWDED_S = 600.0
"""Until those that there was no room for are heard again."""
SLEPT_S = 30.0
"""By so much the wall clock goes on without ours when the machine was asleep; it may be elsewhere
now."""


class Session:
    """``offer`` makes an endpoint of what was heard, of our links, and of the URL it had."""

    def __init__(
        self,
        *,
        types: Sequence[tuple[str, str]],
        listing: Listing,
        read_links: Callable[[], Links],
        offer: Callable[[Announcement, Links, str], Endpoint | None],
        clock: Clock,
        wall: Clock,
    ) -> None:
        self.failure: DiscoveryError | None = None
        self._types = types
        self._listing = listing
        self._read_links = read_links
        self._offer = offer
        self._clock = clock
        self._wall = wall
        self._agenda = Agenda()
        self._asking: set[asyncio.Task[None]] = set()
        self._links = Links()
        self._ear: Ear | None = None
        self._opened = -inf
        self._look_at = self._sweep_at = -inf
        self._drift = 0.0
        self._dropped = 0
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._is_over = False

    async def changed(self) -> bool:
        """Until something of the listing may have changed; False when the session is over, with
        ``failure`` as the reason."""
        await self._changed.wait()
        self._changed.clear()
        return not self._is_over

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Until cancelled, or until it cannot go on."""
        try:
            while True:
                await self._step(group)
                await self._rest()
        except DiscoveryError as error:
            self.failure = error
        finally:
            self._is_over = True
            self._changed.set()
            await self._close()

    async def _step(self, group: asyncio.TaskGroup) -> None:
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            await self._look(now)
        if self._ear is None:
            await self._begin(now)
        elif self._ear.is_full or (self._is_crowded() and now >= self._opened + CROWDED_S):
            await self._close()
            await self._begin(now)
        if self._ear is not None:
            self._visit(self._ear, group, now)
            if now >= self._sweep_at:
                self._sweep_at = inf
                self._listing.sweep()
        self._changed.set()

    async def _rest(self) -> None:
        until = self._look_at
        if self._ear:
            until = min(until, self._sweep_at, self._agenda.next())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(until - self._clock(), 0.0)):
                await self._wake.wait()
        self._wake.clear()

    async def _look(self, now: float) -> None:
        """At our own interfaces."""
        links = self._read_links()
        drift = self._wall() - now
        slept = drift - self._drift > SLEPT_S
        self._drift = drift
        if links == self._links and not slept:
            return
        is_new = links.signature() != self._links.signature() or slept
        self._links = links
        if is_new:
            await self._close()
            self._opened = -inf
        self._listing.judge(self._again)

    def _again(self, heard: Announcement, old: Endpoint) -> Endpoint | None:
        """With the links of now. Who was on one of ours, and no longer is, was left behind."""
        new = self._offer(heard, self._links, old.url)
        is_left = old.labels.get("interface") and new and not new.labels.get("interface")
        return None if is_left else new

    async def _begin(self, now: float) -> None:
        """Ask everything anew, if there is somebody to ask and the network is not too loud."""
        if now < self._opened + SHORTEST_S:
            return
        if not self._links.can_listen:
            self._listing.judge(lambda heard, old: None)
            if mute := [link.name for link in self._links.heard]:
                raise DiscoveryError(
                    f"no multicast on {', '.join(mute[:4])}",
                    "write the servers down: cmdai-shell config add-environment --help",
                )
            return
        ear = Ear(self._types, hear=self._hear, full=self._wake.set, most=MOST_HEARD)
        self._ear = ear
        self._opened = now
        self._dropped = self._listing.dropped + self._agenda.dropped
        self._listing.doubt()
        self._sweep_at = now + SWEEP_S
        await ear.open(self._links)

    async def _close(self) -> None:
        ear, self._ear = self._ear, None
        for task in self._asking:
            task.cancel()
        self._agenda.clear()
        if ear is not None:
            await ear.aclose()

    def _is_crowded(self) -> bool:
        return self._listing.dropped + self._agenda.dropped > self._dropped

    def _hear(self, name: str, event: Event) -> None:
        if event == "gone":
            self._agenda.forget(name)
            self._listing.remove(name.lower())
            self._changed.set()
            return
        names: Sequence[str] = (name,)
        if event == "records" and name.lower() not in self._listing:
            return
        if event == "host":
            names = self._listing.at(txt.host(name))
        for one in names:
            self._agenda.note(one, self._clock())
            self._wake.set()

    def _visit(self, ear: Ear, group: asyncio.TaskGroup, now: float) -> None:
        """Those that are due, from what is known already, or by asking."""
        for name in self._agenda.take(now, EACH_STEP):
            heard = ear.at_hand(name)
            if heard is not None:
                self._found(name, heard)
            elif len(self._asking) < AT_ONCE:
                task = group.create_task(self._ask(ear, name))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            else:
                self._agenda.postpone(name, now)

    async def _ask(self, ear: Ear, name: str) -> None:
        heard = await ear.ask(name)
        if ear is not self._ear or name not in self._agenda:  # it has gone meanwhile
            return
        if heard is not None:
            self._found(name, heard)
        else:
            self._agenda.done(name, self._clock(), is_found=False)
        self._changed.set()
        self._wake.set()

    def _found(self, name: str, heard: Announcement) -> None:
        key = name.lower()
        endpoint = self._offer(heard, self._links, self._listing.url(key))
        if endpoint is None:
            self._listing.remove(key)
        else:
            self._listing.put(key, heard, endpoint)
        self._agenda.done(name, self._clock(), is_found=True)
