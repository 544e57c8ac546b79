"""From what is found in the network to members of the pool: only those that are approved.

What the sources say goes into ``discovery.found``, which decides; here are the tasks that learn
what it wants to know, and that do what it decided.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cmdai_shell.config import paths
from cmdai_shell.daemon import whereabouts
from cmdai_shell.daemon.decisions import Decisions
from cmdai_shell.daemon.found_servers import (
    Logins,
    connected,
    keep_key,
    listened_to,
    policy,
    shown,
    sources,
)
from cmdai_shell.daemon.inquiry import Inquiry
from cmdai_shell.daemon.notices import Notices
from cmdai_shell.daemon.proving import Proving
from cmdai_shell.daemon.whereabouts import Here, here, is_here, is_home, surely
from cmdai_shell.discovery.found import Found
from cmdai_shell.discovery.probed import Probed
from cmdai_shell.discovery.trust import SEEN_AGAIN, TrustStore
from cmdai_shell.discovery.watching import Watcher
from cmdai_shell.errors import CmdaiError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cmdai_shell.config import Config
    from cmdai_shell.core import Added, Clock, Endpoint, Removed, Server
    from cmdai_shell.discovery.approval import Approval
    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.routing import Pool
    from cmdai_shell.routing.member import Member

log = logging.getLogger(__name__)

BEGIN_S = 0.3
"""Until the sources are begun: the press that started the daemon goes first. Who was approved is
remembered, and asked at once."""
SETTLE_S = 0.05
"""A server is announced in several packets, and several times."""
REST, LONGEST_REST_S = 5.0, 1.0
"""Times what it took to follow the news, and seconds: until they are followed again."""
LOOK_EVERY_S = 15.0
"""Without news, too: we may be in another network by now."""
CLOSE_S = 0.6
"""For all that are closed at once."""


class Finder:
    """One for as long as the settings of discovery stay. ``run`` ends when cancelled, and can be
    run again. ``admit`` makes the pool's kind of server."""

    def __init__(
        self,
        config: Config,
        pool: Pool,
        *,
        clock: Clock,
        admit: Callable[[Server], Server] = lambda server: server,
        store: TrustStore | None = None,
        former: Finder | None = None,
    ) -> None:
        """``pool``: with the servers of the configuration, and those that ``former`` found, who
        finds none any longer: of these the ones that the person approved are left in it. Raises
        ConfigError for a bad ``trust_`` entry."""
        self._config = config
        self._pool = pool
        self._store = store or TrustStore(paths.data_dir())
        self._clock = clock
        self._admit = admit
        self._changed = asyncio.Event()
        trusted = policy(config)  # before ``former`` resigns: if this raises, it stays
        left = former.resign() if former else {}
        written = [m.server.endpoint for m in pool if m.id not in left]
        self.found = Found(trusted, written=written)
        self._logins = Logins(config)
        self.inquiry = Inquiry(
            self.found,
            clock=clock,
            on_news=self._changed.set,
            authorities=lambda candidate: self._logins.of(candidate.endpoint).ssl(),
            is_home=self._is_home,
        )
        self._watcher: Watcher | None = None
        self._problem = ""
        self._members: dict[str, tuple[Endpoint, str]] = left
        """Name -> where it is asked, and the key that it has to show."""
        self.notices: Notices = former.notices if former else Notices(clock)
        self._unkept: dict[str, str] = {}
        """URL -> why what was learned of it could not be written down."""
        self._unusable: dict[str, str] = {}
        """Name -> why there is no server of it."""
        self._running = asyncio.Lock()
        self._has_resigned = False
        self._here = Here()
        self._approvals: tuple[Approval, ...] = ()
        self._proving = Proving(
            lambda: [member for member in self._pool if member.id in self._members],
            has_keeper=config.load_balancing.health_check_enabled,
            clock=clock,
            on_news=self._changed.set,
        )
        self.decisions = Decisions(
            config,
            self.found,
            self._store,
            Probed(paths.data_dir()),
            inquiry=self.inquiry,
            notices=self.notices,
            here=lambda: surely(lambda now: bool(now.routers), here),
            settle=self._settle,
            look_at=self._look_at,
        )
        self._seen_at: dict[str, float] = {}
        self.closing: list[Member] = former.closing if former else []

    # --- its life

    async def run(self) -> None:
        async with self._running:  # the one before may still be ending
            await self._remember()
            self._sync()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._following())
                    group.create_task(self.inquiry.run())
                    group.create_task(self._proving.run())
                    await asyncio.sleep(BEGIN_S)
                    # Begun again, the same sources say also who has gone meanwhile.
                    self._watcher = self._watcher or await self._made()
                    await self._watcher.run()
            finally:
                await self._close(self.closing)

    async def _made(self) -> Watcher:
        made = await asyncio.to_thread(sources, self._config)
        return Watcher(made, hear=self._hear, clock=self._clock, random=random.random)

    def resign(self) -> dict[str, tuple[Endpoint, str]]:
        """Another takes over. Who is in the pool by the person's word stays there, and is returned;
        those by the settings, which have changed, are asked nothing from now on."""
        approved = {each.name for each in self.found.candidates() if each.state == "approved"}
        for name in [name for name in self._members if name not in approved]:
            self._dismiss(name)
        left, self._members, self._has_resigned = self._members, {}, True
        return left

    async def _remember(self) -> None:
        """Those that were approved are members before any browse ends."""
        try:
            approvals = await asyncio.to_thread(self._store.approvals)
            keys = await asyncio.to_thread(self._store.keys)
            ignored = await asyncio.to_thread(self._store.ignored)
        except ConfigError as error:  # then nobody is trusted but the configuration's own
            self._problem = str(error)
            log.warning("no approvals", extra={"fields": {"problem": error.message}})
            approvals, keys, ignored = (), {}, ()
        else:
            self._problem = ""
        self._approvals = tuple(approvals)
        self._here = await self._look()
        self.found.settle(approvals=approvals, keys=keys, ignored=ignored)
        self._changed.set()

    def look(self) -> None:
        """How a member does may have changed."""
        if self._members:
            self._changed.set()

    def _hear(self, source: str, said: Added | Removed) -> None:
        self.found.apply(source, said)
        self._changed.set()

    async def _following(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._changed.wait()
                    await asyncio.sleep(SETTLE_S)
            self._changed.clear()
            began = self._clock()
            try:
                await self._follow()
            except Exception:  # one announcement that we cannot digest is not the end
                log.exception("discovery failed")
            # Whoever announces without end gets no more of us than this.
            await asyncio.sleep(min((self._clock() - began) * REST, LONGEST_REST_S))

    async def _follow(self) -> None:
        self._here = await self._look()
        self._see_silence()
        self._proving.doubt(self.found.candidates())
        self._sync()  # who is known does not wait for a disk
        self.inquiry.look()
        await self._keep()
        self._sync()
        self.notices.waiting = self._waiting()
        await self._close([member for member in self.closing if not member.in_flight])

    # --- what we find out by ourselves

    def _see_silence(self) -> None:
        for member in self._pool:
            if member.id in self._members:
                silent = member.state == "unreachable"
                self.found.saw_silence(member.server.endpoint.url, is_silent=silent)

    async def _keep(self) -> None:
        """Written down before it counts: the key of who is used for the first time, and the new
        address of who has moved."""
        store, is_new, unkept = self._store, False, dict[str, str]()
        for each in self.found.candidates():
            url, approval = each.endpoint.url, each.approval
            try:
                if each.is_unkept:
                    await keep_key(store, each, each.key, is_alone=each.is_key_alone)
                    is_new = True
                elif (
                    each.state == "approved"
                    and approval
                    and each.sources
                    and is_here(each, self._here)
                ):
                    moved = each.endpoint if url != approval.url else None
                    if moved or self._is_seen_again(approval.name):
                        await asyncio.to_thread(store.note_seen, approval.name, moved)
                    is_new = is_new or moved is not None
            except ConfigError as error:  # it stays unused, and its story says why
                unkept[url] = error.message
        self._unkept = unkept
        if await self._keep_proofs() or is_new:
            await self._remember()

    async def _keep_proofs(self) -> bool:
        """Who has shown that it computes gets words also from the next daemon's first moment."""
        new = {each.name for each in self._approvals if not each.is_proven}
        proven = {member.id for member in self._pool if member.is_proven}
        found = new & proven & self._members.keys()
        for name in found:
            with suppress(ConfigError):  # then it shows that again
                await asyncio.to_thread(self._store.note_proven, name)
        return bool(found)

    async def _look_at(self, name: str) -> None:
        await self._proving.look_at(name)
        self._see_silence()

    def _is_seen_again(self, name: str) -> bool:
        """Worth a write."""
        now = self._clock()
        if now - self._seen_at.get(name, -math.inf) < SEEN_AGAIN:
            return False
        self._seen_at[name] = now
        return True

    # --- what it comes to

    def _sync(self) -> None:
        if self._has_resigned:
            return
        wanted = {
            each.name: each
            for each in self.found.candidates()
            if each.state in ("approved", "by-policy")
            and each.endpoint.source != "static"
            and (each.pin or not each.endpoint.url.startswith("https:"))
            and is_here(each, self._here)
        }
        for name in [name for name in self._members if name not in wanted]:
            self._dismiss(name)
        for name, candidate in wanted.items():
            what = candidate.endpoint, candidate.pin
            if self._members.get(name) != what:
                self._dismiss(name)
                self._employ(candidate)
                self._members[name] = what

    def _employ(self, candidate: Candidate) -> None:
        try:
            server = connected(
                candidate,
                self._config,
                self._logins,
                self._store,
                self._clock,
                self._other_key(candidate),
                lambda now: self._may_ask(candidate.name, now),
            )
        except CmdaiError as error:
            self._unusable[candidate.name] = error.message
            log.warning("not used", extra={"fields": {"name": candidate.name, "why": str(error)}})
            return
        self._unusable.pop(candidate.name, None)
        approval = candidate.approval
        self._pool.add(self._admit(server), is_proven=bool(approval and approval.is_proven))
        self._proving.hurry.set()
        log.info("found", extra={"fields": {"name": candidate.name, "state": candidate.state}})

    async def _look(self) -> Here:
        return await surely(
            lambda now: all(whereabouts.is_behind(one, now) for one in self._approvals), here
        )

    async def _is_home(self, candidate: Candidate) -> bool:
        return is_home(candidate, await surely(lambda now: is_home(candidate, now), here))

    def _may_ask(self, name: str, now: Here) -> bool:
        """As the person has decided until now."""
        same = [each for each in self.found.candidates() if each.name == name]
        may = bool(same) and is_here(same[0], now)
        if now != self._here:
            self._changed.set()
        return may

    def _other_key(self, candidate: Candidate) -> Callable[[str], None]:
        """A connection showed another key than the one that it is known by."""

        def seen(pin: str) -> None:
            self.found.saw_key(candidate.endpoint.url, pin)
            self._changed.set()

        return seen

    def _dismiss(self, name: str) -> None:
        if self._members.pop(name, None) and (gone := self._pool.remove(name)):
            self.closing.append(gone)

    def forget_login(self, environment: str) -> None:
        """Of its servers each is made anew, with what is stored now."""
        self._logins.forget(environment)
        there = [name for name, (at, _) in self._members.items() if at.environment == environment]
        for name in there:
            self._dismiss(name)
        self._sync()

    async def _close(self, members: Sequence[Member]) -> None:
        """Those that have answered what they were asked."""
        until = asyncio.get_running_loop().time() + CLOSE_S
        for member in tuple(members):
            self.closing.remove(member)
            with suppress(Exception):
                async with asyncio.timeout_at(until):
                    await member.server.aclose()

    async def _settle(self) -> None:
        """The person has decided."""
        await self._remember()
        self._sync()
        self.notices.waiting = self._waiting()

    def _waiting(self) -> tuple[Candidate, ...]:
        """Without those that changed because we are elsewhere: there somebody else answers."""
        new = whereabouts.behind_new_router(self.found.candidates(), self._here)
        return (*new, *(each for each in self.found.waiting() if is_home(each, self._here)))

    # --- what the person sees

    def status(self) -> dict[str, Any]:
        watched = self._watcher.watched if self._watcher else ()
        return {
            "problem": self._problem,
            "dropped": self.found.dropped,
            "begins": self._watcher is None,
            "sources": list(map(listened_to, watched)),
            "found": [self.shown(each) for each in self.found.candidates()],
        }

    def shown(self, candidate: Candidate) -> Mapping[str, Any]:
        """As ``status`` has it."""
        url, why = candidate.endpoint.url, self._unusable.get(candidate.name, "")
        if url.startswith("https:") and not candidate.pin:
            why = why or self._unkept.get(url) or self.inquiry.problems.get(url, "")
        return shown(candidate, self._here, why)
