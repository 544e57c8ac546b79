"""From what is found in the network to members of the pool: only those that are approved.

What the sources say goes into ``discovery.found``, which decides; here are the tasks that learn
what it wants to know, and that do what it decided.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmdai_shell.config import paths
from cmdai_shell.daemon.found_servers import connected, sources
from cmdai_shell.discovery.found import Found
from cmdai_shell.discovery.policy import Policy, address, is_in, network
from cmdai_shell.discovery.trust import SEEN_AGAIN, TrustStore
from cmdai_shell.discovery.watching import Watcher
from cmdai_shell.errors import CmdaiError, ConfigError, DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.config import Config
    from cmdai_shell.core import Added, Clock, Endpoint, Removed, Server
    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.routing import Pool

log = logging.getLogger(__name__)

BEGIN_S = 0.3
"""Until the sources are begun: the press that started the daemon goes first. Who was approved is
remembered, and asked at once."""
SETTLE_S = 0.05
"""A server is announced in several packets, and several times."""
LOOK_EVERY_S = 15.0
"""Without news, too: we may be in another network by now."""
LEARN_AGAIN_S = 60.0
"""Until a server that showed no key is asked for it again."""
LEARN_S = 2.0
CLOSE_S = 0.6
_IP = (socket.AF_INET, socket.AF_INET6)


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
    ) -> None:
        """``pool``: with the servers of the configuration. Raises ConfigError for a bad ``trust_``
        entry."""
        self._config = config
        self._pool = pool
        self._store = store or TrustStore(paths.data_dir())
        self._clock = clock
        self._admit = admit
        logins = {e.id for e in config.environments.values() if e.auth_type != "none"}
        self.found = Found(
            Policy.of(config.discovery, logins), written=[m.server.endpoint for m in pool]
        )
        self._watcher: Watcher | None = None
        self._problem = ""
        self._members: dict[str, tuple[Endpoint, str]] = {}
        """Name -> where it is asked, and the key that it has to show."""
        self._told: set[str] = set()
        self._learned_at: dict[str, float] = {}
        self._looked_up: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._own: tuple[str, ...] = ()
        """Addresses of this machine."""
        self._seen_at: dict[str, float] = {}
        self._closing: list[Server] = []

    # --- its life

    async def run(self) -> None:
        await self._remember()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._following())
            await asyncio.sleep(BEGIN_S)
            made = await asyncio.to_thread(sources, self._config)
            self._watcher = Watcher(made, hear=self._hear, clock=self._clock, random=random.random)
            await self._watcher.run()

    async def _remember(self) -> None:
        """Those that were approved are members before any browse ends."""
        try:
            approvals = await asyncio.to_thread(self._store.approvals)
            keys = await asyncio.to_thread(self._store.keys)
        except ConfigError as error:  # then nobody is trusted but the configuration's own
            self._problem = str(error)
            log.warning("no approvals", extra={"fields": {"problem": error.message}})
            return
        self._problem = ""
        self.found.settle(approvals=approvals, keys=keys)
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
            try:
                await self._follow()
            except Exception:  # one announcement that we cannot digest is not the end
                log.exception("discovery failed")

    async def _follow(self) -> None:
        self._own = await asyncio.to_thread(_own_addresses)
        self._see_silence()
        self._sync()  # who needs no look-up does not wait for one
        await self._look_up()
        await self._learn()
        await self._keep()
        self._sync()
        await self._close_old()

    # --- what we find out by ourselves

    def _see_silence(self) -> None:
        for member in self._pool:
            if member.id in self._members:
                silent = member.state == "unreachable"
                self.found.saw_silence(member.server.endpoint.url, is_silent=silent)

    async def _look_up(self) -> None:
        """The addresses of names, which the policy goes by."""
        loop, now = asyncio.get_running_loop(), self._clock()
        for host in {urlsplit(c.endpoint.url).hostname or "" for c in self.found.candidates()}:
            if address(host) or now - self._looked_up.get(host, -math.inf) < LEARN_AGAIN_S:
                continue
            self._looked_up[host] = now
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(LEARN_S):
                    infos = await loop.getaddrinfo(host, None)
                self.found.resolved(host, tuple({str(info[4][0]) for info in infos}))

    async def _learn(self) -> None:
        """Keys, by connections over which nothing is asked."""
        now = self._clock()
        for url in self.found.unverified():
            if now - self._learned_at.get(url, -math.inf) < LEARN_AGAIN_S:
                continue
            from cmdai_shell.discovery import pins

            self._learned_at[url] = now
            parts = urlsplit(url)
            with suppress(CmdaiError, OSError, TimeoutError):
                seen = await pins.learn(parts.hostname or "", parts.port or 443, LEARN_S)
                self.found.saw_key(url, seen.spki, is_key_alone=not seen.is_chain_valid)

    async def _keep(self) -> None:
        """Written down before it counts: the key of who is used for the first time, and the new
        address of who has moved."""
        store, is_new = self._store, False
        for each in self.found.candidates():
            url, approval = each.endpoint.url, each.approval
            with suppress(ConfigError):  # it stays unused, and its story says why
                if each.is_unkept:
                    is_new = True
                    alone = each.is_key_alone
                    if approval:
                        await asyncio.to_thread(
                            store.note_pin, approval.name, each.key, is_key_alone=alone
                        )
                    else:
                        await asyncio.to_thread(store.note_key, url, each.key)
                elif each.state == "approved" and approval and each.sources:
                    moved = each.endpoint if url != approval.url else None
                    is_new = is_new or moved is not None
                    if moved or self._is_seen_again(approval.name):
                        await asyncio.to_thread(store.note_seen, approval.name, moved)
        if is_new:
            await self._remember()

    def _is_seen_again(self, name: str) -> bool:
        """Worth a write."""
        now = self._clock()
        if now - self._seen_at.get(name, -math.inf) < SEEN_AGAIN:
            return False
        self._seen_at[name] = now
        return True

    # --- what it comes to

    def _sync(self) -> None:
        wanted = {
            each.name: each
            for each in self.found.candidates()
            if each.state in ("approved", "by-policy")
            and each.endpoint.source != "static"
            and (each.pin or not each.endpoint.url.startswith("https:"))
            and (each.sources or self._is_here(each))
        }
        for name in [name for name in self._members if name not in wanted]:
            self._dismiss(name)
        for name, candidate in wanted.items():
            what = candidate.endpoint, candidate.pin
            if self._members.get(name) != what:
                self._dismiss(name)
                self._employ(candidate)
                self._members[name] = what

    def _is_here(self, remembered: Candidate) -> bool:
        """With plain http only in a network where it was approved: in another, somebody else may
        have its address."""
        approval = remembered.approval
        if approval is None or not approval.networks or approval.pin:
            return True
        there = [found for text in approval.networks if (found := network(text))]
        return any(is_in(own, each) for own in self._own for each in there)

    def _employ(self, candidate: Candidate) -> None:
        try:
            server = connected(
                candidate, self._config, self._store, self._clock, self._other_key(candidate)
            )
        except CmdaiError as error:
            log.warning("not used", extra={"fields": {"name": candidate.name, "why": str(error)}})
            return
        self._pool.add(self._admit(server))
        log.info("found", extra={"fields": {"name": candidate.name, "state": candidate.state}})

    def _other_key(self, candidate: Candidate) -> Callable[[str], None]:
        """A connection showed another key than the one that it is known by."""

        def seen(pin: str) -> None:
            self.found.saw_key(candidate.endpoint.url, pin)
            self._changed.set()

        return seen

    def _dismiss(self, name: str) -> None:
        if self._members.pop(name, None) and (gone := self._pool.remove(name)):
            self._closing.append(gone.server)

    async def _close_old(self) -> None:
        while self._closing:
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await self._closing.pop().aclose()

    # --- the person's decisions

    async def trust(
        self, name: str, *, called: str = "", environment: str = ""
    ) -> Mapping[str, Any]:
        """What is shown of it then. Raises DiscoveryError where it is not there, ConfigError where
        it cannot be approved."""
        if environment and environment not in self._config.environments:
            raise ConfigError(
                f"no environment {environment!r}", "cmdai-shell config list-environments"
            )
        candidate = self._named(name)
        if candidate.state == "approved":
            return _shown(candidate)
        approval = await asyncio.to_thread(
            lambda: self._store.approve(candidate, name=called, environment=environment)
        )
        await self._remember()
        self._sync()
        found = [each for each in self.found.candidates() if each.name == approval.name]
        return _shown(found[0] if found else candidate)

    async def forget(self, name: str) -> str:
        """The name that is forgotten. Raises ConfigError."""
        gone = await asyncio.to_thread(self._store.forget, name)
        await self._remember()
        self._sync()
        self._told.add(gone.name)
        return gone.name

    def _named(self, name: str) -> Candidate:
        known = self.found.candidates()
        for each in known:
            if each.name == name:
                return each
        near = [each for each in known if each.name.startswith(f"{name}:")]
        if len(near) == 1:
            return near[0]
        names = ", ".join(each.name for each in near or known[:10])
        hint = f"choose of: {names}" if names else "cmdai-shell backends discover"
        raise DiscoveryError(f"no server {name!r} was found", hint)

    # --- what the person sees

    def waiting(self) -> tuple[Candidate, ...]:
        """Those that the person has yet to decide on."""
        return self.found.waiting()

    def news(self) -> Candidate | None:
        """One that waits and has not been told of; each is told of once."""
        for each in self.found.waiting():
            if each.name not in self._told:
                self._told.add(each.name)
                return each
        return None

    def status(self) -> dict[str, Any]:
        watched = self._watcher.watched if self._watcher else ()
        return {
            "problem": self._problem,
            "dropped": self.found.dropped,
            "sources": [
                {
                    "name": one.name,
                    "state": one.state,
                    "problem": one.problem if one.state == "failed" else "",
                    "hint": one.hint if one.state == "failed" else "",
                    "known": len(one.known),
                }
                for one in watched
            ],
            "found": [_shown(each) for each in self.found.candidates()],
        }


def _own_addresses() -> tuple[str, ...]:
    import psutil

    links = psutil.net_if_addrs().values()
    return tuple(link.address for links_of in links for link in links_of if link.family in _IP)


def _shown(candidate: Candidate) -> Mapping[str, Any]:
    endpoint = candidate.endpoint
    return {
        "name": candidate.name,
        "url": endpoint.url,
        "kind": endpoint.kind,
        "model": endpoint.model,
        "environment": endpoint.environment,
        "state": candidate.state,
        "sources": list(candidate.sources),
        "story": candidate.story,
        "hint": candidate.hint,
        "also": list(candidate.also),
    }
