"""The person's word on servers that were found: to use one, to forget it, to hear no more of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdai_shell.core import Added
from cmdai_shell.daemon.found_servers import alone, is_as_asked
from cmdai_shell.daemon.whereabouts import is_here, knowable
from cmdai_shell.discovery.policy import address, spot
from cmdai_shell.discovery.probed import SOURCE as PROBE
from cmdai_shell.discovery.trust import forget_hint, trust_hint
from cmdai_shell.errors import ConfigError, DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from cmdai_shell.config import Config
    from cmdai_shell.daemon.inquiry import Inquiry
    from cmdai_shell.daemon.notices import Notices
    from cmdai_shell.daemon.whereabouts import Here
    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.discovery.found import Found
    from cmdai_shell.discovery.probed import Probed
    from cmdai_shell.discovery.trust import TrustStore


class Decisions:
    """Each counts when it returns: ``settle`` reads what was written, and acts on it."""

    def __init__(
        self,
        config: Config,
        found: Found,
        store: TrustStore,
        probed: Probed,
        *,
        inquiry: Inquiry,
        notices: Notices,
        here: Callable[[], Awaitable[Here]],
        settle: Callable[[], Awaitable[None]],
        look_at: Callable[[str], Awaitable[None]],
    ) -> None:
        self._environments: Collection[str] = config.environments
        self._found = found
        self._store = store
        self._probed = probed
        self._inquiry = inquiry
        self._notices = notices
        self._here = here
        self._settle = settle
        self._look_at = look_at

    async def trust(self, name: str, *, called: str = "", environment: str = "") -> Candidate:
        """It, as it is then. Raises DiscoveryError where it is not there, ConfigError where it
        cannot be approved."""
        if environment and environment not in self._environments:
            raise ConfigError(
                f"no environment {environment!r}", "cmdai-shell config list-environments"
            )
        await self._hear_probed()
        try:
            candidate = await self._moved(self._named(name))
            if "://" not in name and not _at(name, [candidate]):
                alone(candidate, self._found.candidates())
            now = await self._here()
            if is_as_asked(candidate, called, environment) and is_here(candidate, now):
                return candidate
            return await self._trusted(candidate, called, environment, now)
        finally:
            self._found.end(PROBE)

    async def _trusted(
        self, candidate: Candidate, called: str, environment: str, now: Here
    ) -> Candidate:
        url = candidate.endpoint.url
        if candidate.state == "changed" and candidate.approval is None:  # of the settings
            await asyncio.to_thread(self._store.forget_key, url)
            name = candidate.name
        else:
            if candidate.key and not candidate.pin:  # looked at again, as a friend's
                self._found.saw_key(url, "")
                candidate = replace(candidate, key="", is_key_alone=False)
            knowable(candidate, now)
            approval = await asyncio.to_thread(
                lambda: self._store.approve(
                    candidate, name=called, environment=environment, routers=now.routers
                )
            )
            name = approval.name
        self._found.saw_key(url, "")
        await self._decided(name, url)
        found = [each for each in self._found.candidates() if each.name == name]
        return found[0] if found else candidate

    async def forget(self, name: str) -> str:
        """The name that is forgotten; of one that the settings trust, its key. Raises
        ConfigError."""
        same = [each for each in self._found.candidates() if each.name == name]
        url = same[0].endpoint.url if same and same[0].approval is None else ""
        is_of_settings = bool(url) and await asyncio.to_thread(self._store.forget_key, url)
        if not is_of_settings:
            gone = await asyncio.to_thread(self._store.forget, name)
            name, url = gone.name, gone.url
        self._found.saw_key(url, "")
        await self._decided(name, url)
        return name

    async def ignore(self, name: str) -> str:
        """The name of the one that the person hears no more of. Raises DiscoveryError where it is
        not there, ConfigError for one that was trusted."""
        candidate = self._named(name)
        gone = await asyncio.to_thread(self._store.ignore, candidate)
        await self._decided(gone.name, gone.url)
        return gone.name

    async def _decided(self, name: str, url: str) -> None:
        self._inquiry.again(url)
        await self._settle()
        self._notices.decided(name)

    def _named(self, name: str) -> Candidate:
        """By its name, or by its URL or address: they mean the same to all who look, and go before
        what somebody calls himself."""
        known = self._found.candidates()
        there = _at(name, known)
        if len(there) == 1:
            return there[0]
        where = self._found.place(name) if "://" in name else None
        for each in known:
            if name == each.name or (where and where == self._found.place(each.endpoint.url)):
                return each
        near = there or [each for each in known if each.name.startswith(f"{name}:")]
        if len(near) == 1:
            return near[0]
        names = ", ".join(each.name for each in near or known[:10])
        hint = f"choose of: {names}" if names else "cmdai-shell backends discover"
        raise DiscoveryError(f"no server {name!r} was found", hint)

    async def _hear_probed(self) -> None:
        """But for the addresses of those that are trusted: that one of them was there when the
        person looked does not say that it is."""
        trusted = {spot(each.approval.url) for each in self._found.candidates() if each.approval}
        for endpoint in await asyncio.to_thread(self._probed.recent):
            if spot(endpoint.url) not in trusted:
                self._found.apply(PROBE, Added(endpoint=endpoint))

    async def _moved(self, named: Candidate) -> Candidate:
        """Of one that seems to have moved, where it seems to be now. Raises ConfigError if it
        answers where it was."""
        if named.may_have_moved and named.approval:
            await self._look_at(named.approval.name)
            place = spot(named.endpoint.url)
            same = [one for one in self._found.candidates() if spot(one.endpoint.url) == place]
            named = same[0] if same else named
            if named.may_have_moved and named.approval:
                again = f"{forget_hint(named.approval.name)}; {trust_hint(named.endpoint.url)}"
                what = f"{named.approval.name} answers at {named.approval.url}; {named.story}"
                raise ConfigError(what, f"to use the other in its place: {again}")
        for each in self._found.candidates():
            if each.state == "moved" and each.approval and each.approval.name == named.name:
                return each
        return named


def _at(text: str, known: Iterable[Candidate]) -> list[Candidate]:
    """Those at an address, ``192.168.1.7`` or ``192.168.1.7:8000``; none for any other text."""
    try:
        wanted = urlsplit(f"//{text}")
        host, port = wanted.hostname or "", wanted.port
    except ValueError:
        return []
    if address(host) is None:
        return []
    places = [(each, spot(each.endpoint.url)) for each in known]
    return [
        each
        for each, where in places
        if where and address(where.host) == address(host) and port in (None, where.port)
    ]
