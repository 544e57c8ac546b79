"""One look around, for a person who waits: the sources for a while, and hosts that are asked."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmdai_shell.core import Added
from cmdai_shell.discovery import probe
from cmdai_shell.discovery.policy import address, spot
from cmdai_shell.discovery.trust import trust_hint
from cmdai_shell.discovery.watching import Watcher
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cmdai_shell.config.trusting import IPNetwork
    from cmdai_shell.core import Clock, Endpoint, Removed, Source
    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.discovery.found import Found
    from cmdai_shell.discovery.policy import Spot
    from cmdai_shell.discovery.probe import Answer, Host

REMEMBERED = "you"
"""The source of one that the person trusts, and nobody announces now: it is asked all the same."""
_LOOK_S = 0.05
_MOST_TROUBLES = 8
"""Of one source."""
_MOST_NAMES = 64
"""That are looked up: anybody can announce more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One server, however it was found."""

    name: str
    url: str
    kind: str
    state: str
    """As ``candidate.State``; of one that only answered us ``probe.State``."""
    sources: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """All that it told of, or the one that was announced."""
    story: str = ""
    """Why it is in that state, where that is not plain, and"""
    hint: str = ""
    """what to type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Of one source, or of one host that was to be asked."""

    source: str
    problem: str
    hint: str = ""


class Search:
    """``names``: a source of hosts' names, whose hosts are asked if they look like a Spark, as are
    those that the other sources name; None: nobody is. ``hosts`` are asked as the person named
    them."""

    def __init__(
        self,
        sources: Sequence[Source],
        found: Found,
        *,
        names: Source | None = None,
        hosts: Sequence[str] = (),
        networks: Sequence[IPNetwork] = (),
        ports: Sequence[tuple[int, str]] = probe.PORTS,
        clock: Clock,
        random: Callable[[], float],
        seen_from: Callable[[Candidate], Candidate] = lambda each: each,
    ) -> None:
        """``seen_from``: as it is for who is where we are."""
        self._found = found
        self._seen_from = seen_from
        self._hosts = hosts
        self._ports = ports
        self._clock = clock
        self._round = probe.Round(networks) if names else None
        self._watcher = Watcher(sources, hear=self._hear, clock=clock, random=random)
        named = [names] if names else []
        self._names = Watcher(named, hear=self._hear_name, clock=clock, random=random)
        self._answers: dict[str, Answer] = {}
        self._troubles: list[Trouble] = []
        self._looked_up: set[str] = set()
        self._group: asyncio.TaskGroup | None = None

    async def run(self, seconds: float) -> None:
        """So long, or until every source has failed; who is being asked then may still answer."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            listening = [group.create_task(w.run()) for w in (self._watcher, self._names)]
            for host in self._hosts:
                group.create_task(self._ask_named(host))
            until = self._clock() + seconds
            while self._is_listening() and self._clock() < until:  # noqa: ASYNC110  they say nothing
                await asyncio.sleep(_LOOK_S)
            for task in listening:
                task.cancel()
        self._group = None

    def seen(self) -> tuple[Seen, ...]:
        """All that is there now, by their names."""
        known = [each for each in self._found.candidates() if each.sources or each.approval]
        found = [_seen(self._seen_from(each)) for each in known]
        where = {place: at for at, each in enumerate(known) for place in _places(each)}
        for answer in self._answers.values():
            place = spot(answer.endpoint.url)
            if place in where:
                found[where[place]] = _merged(found[where[place]], answer)
            else:
                found.append(_answered(answer))
        return tuple(sorted(found, key=lambda each: (each.name, each.url)))

    @property
    def answered(self) -> tuple[Endpoint, ...]:
        """Those that answered when they were asked."""
        return tuple(answer.endpoint for answer in self._answers.values())

    def troubles(self) -> tuple[Trouble, ...]:
        """What keeps a source from seeing all that there may be."""
        watched = (*self._watcher.watched, *self._names.watched)
        found = [trouble for one in watched for trouble in _troubles(one)]
        # Two sources of one kind, an environment's and that of all, fail in the same way.
        once: dict[tuple[str, str], Trouble] = {}
        for each in found:
            once.setdefault((each.source.partition(":")[0], each.problem), each)
        return tuple(dict.fromkeys([*once.values(), *self._troubles]))

    def _is_listening(self) -> bool:
        watched = (*self._watcher.watched, *self._names.watched)
        return any(one.state != "failed" for one in watched)

    def _hear(self, source: str, said: Added | Removed) -> None:
        self._found.apply(source, said)
        self._hear_name(source, said)
        host = urlsplit(said.endpoint.url).hostname if isinstance(said, Added) else None
        is_new = host and not address(host) and host not in self._looked_up
        if host and is_new and self._group and len(self._looked_up) < _MOST_NAMES:
            self._looked_up.add(host)
            self._group.create_task(self._look_up(host))

    async def _look_up(self, host: str) -> None:
        """Whether a server of a name can be used depends on where that leads."""
        with suppress(DiscoveryError):
            self._found.resolved(host, await probe.resolved(host))

    def _hear_name(self, _: str, said: Added | Removed) -> None:
        if self._round and self._group and isinstance(said, Added):
            host = self._round.next(said.endpoint)
            if host:
                self._group.create_task(self._ask(host))

    async def _ask_named(self, name: str) -> None:
        try:
            host = await probe.named(name)
        except DiscoveryError as error:
            self._troubles.append(Trouble(source=name, problem=error.message, hint=error.hint))
            return
        if not await self._ask(host):
            ports = ", ".join(str(port) for port, _ in self._ports)
            problem = f"no server that we know answers there on port {ports}"
            hint = f"another port: cmdai-shell backends test http://{_host_in_url(host.name)}:PORT"
            self._troubles.append(Trouble(source=host.name, problem=problem, hint=hint))

    async def _ask(self, host: Host) -> bool:
        answers = await probe.ask(host, ports=self._ports)
        self._answers |= {answer.endpoint.url: answer for answer in answers}
        return bool(answers)


def _host_in_url(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _seen(candidate: Candidate) -> Seen:
    endpoint = candidate.endpoint
    # The daemon may have given the name to another that calls itself the same.
    is_new = candidate.state == "candidate"
    return Seen(
        name=candidate.name,
        url=endpoint.url,
        kind=endpoint.kind,
        state=candidate.state,
        sources=candidate.sources or (REMEMBERED,),
        models=(endpoint.model,) if endpoint.model else (),
        story=candidate.story,
        hint=candidate.hint or (trust_hint(endpoint.url) if is_new else ""),
    )


def _answered(answer: Answer) -> Seen:
    endpoint = answer.endpoint
    host = endpoint.labels["host"].removesuffix(".local")
    return Seen(
        name=f"{_host_in_url(host)}:{urlsplit(endpoint.url).port}",
        url=endpoint.url,
        kind=endpoint.kind,
        state=answer.state,
        sources=("probe",),
        models=answer.models,
    )


def _merged(seen: Seen, answer: Answer) -> Seen:
    """What it answered is better known than what was announced."""
    kind = answer.endpoint.kind
    return replace(
        seen,
        kind=seen.kind if kind == "auto" else kind,
        models=answer.models or seen.models,
        sources=(*(each for each in seen.sources if each != REMEMBERED), "probe"),
    )


def _places(candidate: Candidate) -> Iterator[Spot]:
    """All at which a connection to it could end."""
    place = spot(candidate.endpoint.url)
    if place is None:
        return
    yield place
    for text in candidate.endpoint.labels.get("addresses", "").split():
        netloc = f"[{text}]" if ":" in text else text
        if other := spot(f"{place.scheme}://{netloc}:{place.port}"):
            yield other


def _troubles(watched: Any) -> Iterator[Trouble]:
    """A source's failure, and what it sees although it goes on."""
    source = watched.source
    if watched.state == "failed":
        yield Trouble(source=watched.name, problem=watched.problem, hint=watched.hint)
    for question in getattr(source, "questions", ())[:_MOST_TROUBLES]:
        if question.problem:
            yield Trouble(source=watched.name, problem=question.problem)
        for refused in question.refused[:_MOST_TROUBLES]:
            yield Trouble(source=watched.name, problem=refused)
    for name, reason, hint in getattr(source, "unreachable", ())[:_MOST_TROUBLES]:
        yield Trouble(source=watched.name, problem=f"{name}: {reason}", hint=hint)
    for right in getattr(source, "missing_rights", ())[:_MOST_TROUBLES]:
        yield Trouble(source=watched.name, problem=f"it may not {right}")
