"""Servers from DNS: the SRV records of configured domains, asked again before they grow stale.

Names are ``_cmdai._tcp``, ``_inference._tcp`` and ``_inference-tls._tcp`` below a domain, or a
whole name of the person's. A name server that is silent or ill changes nothing: what it said last
stands. How answers are read is in ``srv_records``, how names are asked in ``srv_lookup``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from math import inf
from random import Random
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from cmdai_shell.core import Added, Removed
from cmdai_shell.discovery import nameservers
from cmdai_shell.discovery.nameservers import Resolving
from cmdai_shell.discovery.srv_lookup import Absent, Lookup, Unanswered
from cmdai_shell.discovery.srv_records import MOST, SEARCH, Naming, Reading, owners, read

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence

    from cmdai_shell.core import Clock, Endpoint
    from cmdai_shell.discovery.nameservers import NameServer
    from cmdai_shell.discovery.srv_records import Answer, Owner

log = logging.getLogger(__name__)

TRIES = 2
"""What was there is gone when it was missing so often in a row."""

QuestionState = Literal["new", "found", "absent", "failed"]


class Asks(Protocol):
    """``srv_lookup.Lookup``."""

    async def ask(self, owner: str) -> Answer | Absent | Unanswered: ...


MakeLookup: TypeAlias = "Callable[[Sequence[NameServer]], Asks]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds."""

    floor: float = 30.0
    cap: float = 3_600.0
    """An answer holds for its TTL, but between these."""
    retry: float = 2.0
    retry_longest: float = 60.0
    """After a failure; each time twice as long, and up to half of it less by chance."""
    look: float = 60.0
    """Between two looks at the system's name servers: a laptop changes networks."""

    def holds(self, ttl: float) -> float:
        return min(max(ttl, self.floor), self.cap)

    def back_off(self, failures: int, random: float) -> float:
        whole = min(self.retry * 2.0 ** min(failures - 1, 16), self.retry_longest)
        return whole * (1 - 0.5 * random)


class Question:
    """One name that is asked for, and what stands of its answers. Times are passed in."""

    def __init__(self, owner: Owner, pace: Pace) -> None:
        self.owner = owner
        self.state: QuestionState = "new"
        self.problem = ""
        """Why the last look-up failed, wholly or for some targets; empty when it did not."""
        self.refused: tuple[str, ...] = ()
        """Records that cannot be used, a sentence each."""
        self.endpoints: dict[str, Endpoint] = {}
        """What stands, also while ``state`` is failed."""
        self.answered_at = -inf
        self.next_at = -inf
        """When it is asked again."""
        self.wake = asyncio.Event()
        """Set it to have it asked at once."""
        self._pace = pace
        self._failures = 0
        self._absences = 0
        self._homeless: dict[str, int] = {}

    def note_found(
        self, reading: Reading, ttl: float, now: float, random: float, problem: str = ""
    ) -> None:
        """A target that nobody can say the address of stays where it was; one whose name has no
        address any more goes at the second time."""
        homeless = {name: self._homeless.get(name, 0) + 1 for name in reading.homeless}
        kept = reading.unknown | {name for name, times in homeless.items() if times < TRIES}
        stay = {name: one for name, one in self.endpoints.items() if name in kept}
        self.endpoints = {**reading.endpoints, **stay}
        self.refused = reading.refused
        self._homeless = homeless
        self._absences = 0
        self.state, self.answered_at, self.problem = "found", now, problem
        if reading.unknown:
            self._fail(now, random)
            return
        self._failures = 0
        self.next_at = now + (self._pace.floor if stay else self._pace.holds(ttl))

    def note_absent(self, ttl: float, now: float, *, is_denial: bool = False) -> None:
        """``is_denial``: it was not merely missing, its domain says that there is none."""
        self._absences += 1
        self._failures, self.problem, self.refused = 0, "", ()
        self.answered_at = now
        if self.endpoints and self._absences < TRIES and not is_denial:
            self.next_at = now + self._pace.floor
            return
        self.endpoints = {}
        self.state = "absent"
        self.next_at = now + self._pace.holds(ttl)

    def note_failed(self, problem: str, now: float, random: float) -> None:
        self.state, self.problem = "failed", problem
        self._fail(now, random)

    def _fail(self, now: float, random: float) -> None:
        self._failures += 1
        self.next_at = now + self._pace.back_off(self._failures, random)


class SrvSource:
    """One ``watch`` at a time. ``questions`` and ``resolving`` say how it does."""

    def __init__(
        self,
        *,
        domains: Sequence[str],
        servers: Sequence[str] = (),
        environment: str = "",
        priority: int = 0,
        clock: Clock = time.monotonic,
        random: Callable[[], float] | None = None,
        pace: Pace | None = None,
        system: Callable[[], Awaitable[Resolving]] | None = None,
        lookup: MakeLookup = Lookup,
    ) -> None:
        """``domains``: "example.org"; "search" for the resolver's search domains; or a record's
        whole name, "_cmdai._tcp.example.org". ``servers``: "HOST[:PORT]", none for the system's.
        ``priority``: that of the best of each name's servers. Raises ConfigError."""
        self.name = f"dns:{domains[0]}" if len(domains) == 1 else "dns"
        self.resolving = Resolving(servers=nameservers.configured(servers))
        self._domains = tuple(domains)
        self._naming = Naming(environment=environment, priority=priority)
        self._clock = clock
        self._random = random or Random().random  # noqa: S311  spreads load, no secret
        self._pace = pace or Pace()
        self._system = system or _system
        self._make_lookup = lookup
        self._lookup = lookup(self.resolving.servers)
        self._is_given_servers = bool(servers)
        self._follows_system = not servers or SEARCH in domains
        self._questions = {owner: Question(owner, self._pace) for owner in owners(domains)}
        self._said: dict[str, Endpoint | None] = {}
        """By id; None: by an earlier ``watch``, and to be said again."""
        self._news = asyncio.Event()

    @property
    def questions(self) -> tuple[Question, ...]:
        """In their order: where two name the same server the first counts."""
        return tuple(self._questions.values())

    def ask_at_once(self) -> None:
        """Do not wait for the answers to grow stale: the network has changed."""
        for question in self._questions.values():
            question.wake.set()

    async def watch(self) -> AsyncGenerator[Added | Removed, None]:
        self._said = dict.fromkeys(self._said)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._ask_all(), name="dns")
            try:
                while True:
                    self._news.clear()
                    for said in self._changes():
                        yield said
                    await self._news.wait()
            except GeneratorExit:
                pass  # a task group would wrap it
            finally:
                asking.cancel()

    def _changes(self) -> Iterator[Added | Removed]:
        standing = self._standing()
        for name in [name for name in self._said if name not in standing]:
            del self._said[name]
            yield Removed(id=name)
        for name, endpoint in standing.items():
            if self._said.get(name) != endpoint:
                self._said[name] = endpoint
                yield Added(endpoint=endpoint)

    def _standing(self) -> dict[str, Endpoint]:
        """Where two names lead to one place, https goes before http, and else the first one."""
        found: dict[str, Endpoint] = {}
        for question in self._questions.values():
            for name, endpoint in question.endpoints.items():
                known = found.get(name)
                is_better = known and _is_tls(endpoint) and not _is_tls(known)
                if is_better or (known is None and len(found) < MOST):
                    found[name] = endpoint
        return found

    async def _ask_all(self) -> None:
        tasks: dict[Owner, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                await self._look()
                for gone in tasks.keys() - self._questions.keys():
                    tasks.pop(gone).cancel()
                for owner, question in self._questions.items():
                    if owner not in tasks:
                        tasks[owner] = group.create_task(self._keep(question), name=owner.name)
                if not self._follows_system:
                    return
                await asyncio.sleep(self._pace.look)

    async def _look(self) -> None:
        """Take over the system's name servers and search domains; when they have changed, all is
        asked anew, and domains that are not searched any more are dropped."""
        if not self._follows_system:
            return
        system = await self._system()
        servers = self.resolving.servers if self._is_given_servers else system.servers
        resolving = Resolving(servers=servers, search=system.search)
        if resolving == self.resolving:
            return
        self.resolving = resolving
        self._lookup = self._make_lookup(servers)
        self._questions = {
            owner: self._questions.get(owner) or Question(owner, self._pace)
            for owner in owners(self._domains, resolving.search)
        }
        self.ask_at_once()
        self._news.set()

    async def _keep(self, question: Question) -> None:
        while True:
            wait = question.next_at - self._clock()
            if wait > 0 and not question.wake.is_set():
                await _wait(question.wake, wait)
                continue
            question.wake.clear()
            before = question.problem
            try:
                said = await self._lookup.ask(question.owner.name)
            except Exception as error:
                log.exception("a look-up failed in a way of its own")
                said = Unanswered(f"an error of our own ({type(error).__name__})")
            self._note(question, said)
            if question.problem and question.problem != before:  # said once, not at each try
                fields = {"source": question.owner.name, "problem": question.problem}
                log.warning("no discovery", extra={"fields": fields})
            self._news.set()

    def _note(self, question: Question, said: Answer | Absent | Unanswered) -> None:
        now, random = self._clock(), self._random()
        if isinstance(said, Unanswered):
            question.note_failed(said.problem, now, random)
        elif isinstance(said, Absent):
            question.note_absent(said.ttl, now)
        elif said.is_denial:
            question.note_absent(said.ttl, now, is_denial=True)
        else:
            reading = read(question.owner, said, self._naming, self._random)
            question.note_found(reading, said.ttl, now, random, said.problem)


async def _system() -> Resolving:
    return await asyncio.to_thread(nameservers.system)


def _is_tls(endpoint: Endpoint) -> bool:
    return endpoint.url.startswith("https:")


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
