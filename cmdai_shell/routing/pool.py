"""The members there are, what is known of each, and the last decisions."""

from __future__ import annotations

import asyncio
import random as chance
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cmdai_shell.config.environments import NONE
from cmdai_shell.core import ANYBODY
from cmdai_shell.routing.member import Member
from cmdai_shell.routing.policies import score
from cmdai_shell.routing.ttft import KEPT, hedge_after

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from cmdai_shell.core import Load, Server, Target
    from cmdai_shell.routing.breaker import BreakerState
    from cmdai_shell.routing.decision import Decision
    from cmdai_shell.routing.member import MemberState

DECISIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A member as ``status`` shows it."""

    id: str
    environment: str
    priority: int
    kind: str
    model: str
    state: MemberState
    why: str
    hint: str
    breaker: BreakerState
    retry_in: float
    """Seconds until it is asked to compute again; 0 where its breaker is closed."""
    score: float
    """Seconds, as ``adaptive`` reckons."""
    ttft: float
    in_flight: int
    load: Load | None
    load_age: float | None
    is_warm: bool
    is_active: bool
    is_drained: bool


class Pool:
    """Its order is the one they were added in.

    Members are asked if their environment is in use (``use``), or the request names them. Those of
    environments that are not in ``watched`` (None: of all) are left in peace otherwise. Members of
    no environment, found and trusted, go with every one but ``none``."""

    def __init__(
        self,
        servers: Sequence[Server] = (),
        *,
        failures: int = 3,
        successes: int = 1,
        random: Callable[[], float] = chance.random,
        watched: Collection[str] | None = None,
        drained: Collection[str] = (),
    ) -> None:
        """``drained``: ids of those that get no new request."""
        self.drained = set(drained)
        """Also of those that are no members now: who comes back is drained still."""
        self.watched = watched
        self.active: str | None = None
        """The environment in use; None: every one."""
        self._failures = failures
        self._successes = successes
        self.random = random
        self._members: dict[str, Member] = {}
        self.decisions: deque[Decision] = deque(maxlen=DECISIONS)
        self.keeping = asyncio.Lock()
        """Whoever looks after the members has it."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when members come and go, and"""
        self.on_record: Callable[[], None] = lambda: None
        """after each request."""
        self.on_decision: Callable[[Decision], None] = lambda _: None
        """Called in the request's own context."""
        for server in servers:
            self.add(server)

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    def add(self, server: Server, *, is_proven: bool = True) -> Member:
        """One with the same id is replaced."""
        member = Member(
            server,
            random=self.random,
            failures=self._failures,
            successes=self._successes,
            is_proven=is_proven,
        )
        member.is_active = self._is_in_use(member)
        member.is_drained = member.id in self.drained
        self._members[member.id] = member
        self.on_change()
        return member

    def use(self, environment: str | None) -> None:
        """From now on members of this environment are asked; None: of every one."""
        self.active = environment
        for member in self:
            member.is_active = self._is_in_use(member)
        self.on_change()

    def drain(self, member_id: str, *, is_drained: bool = True) -> None:
        """From now on it gets no new request, or gets them again."""
        (self.drained.add if is_drained else self.drained.discard)(member_id)
        for member in self:
            member.is_drained = member.id in self.drained
        self.on_change()

    def is_watched(self, member: Member) -> bool:
        if self.watched is None or member.environment in self.watched:
            return True
        return not member.environment and self.active != NONE

    def _is_in_use(self, member: Member) -> bool:
        if self.active in (None, member.environment):
            return True
        return not member.environment and self.active != NONE

    def remove(self, member_id: str) -> Member | None:
        """Requests that it is answering go on."""
        member = self._members.pop(member_id, None)
        self.on_change()
        return member

    def record(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.on_decision(decision)
        self.on_record()

    def is_named(self, target: Target) -> bool:
        """It means others, or fewer, than what is in use."""
        return bool(target.backend) or target.environment not in ("", self.active)

    def within(self, target: Target) -> list[Member]:
        """All that it means."""
        if target.backend:
            return [member for member in self if member.id == target.backend]
        if self.is_named(target):
            return [member for member in self if member.environment == target.environment]
        return [member for member in self if member.is_active]

    def candidates(
        self, now: float, target: Target = ANYBODY, *, trials: bool = False
    ) -> list[Member]:
        """Those that may be asked; with ``trials`` also those that are due, for want of a keeper
        that would see to them."""
        trials = trials or self.is_named(target)
        return [
            member
            for member in self.within(target)
            if member.is_candidate or (trials and member.is_due(now))
        ]

    def ailing(self, target: Target = ANYBODY) -> list[Member]:
        """Those that may be asked when there is no candidate. Who names a server may have mended
        it just now."""
        is_named = self.is_named(target)
        return [
            member
            for member in self.within(target)
            if member.may_be_asked and (is_named or not member.is_barred)
        ]

    def hedge_after(self, member: Member) -> float:
        """By the last figures of those that could be in its place."""
        place = member.server.endpoint.priority, member.server.model
        peers = [m for m in self if (m.server.endpoint.priority, m.server.model) == place]
        share = max(KEPT // len(peers), 1) if peers else 0
        figures = (figure for m in peers for figure in islice(reversed(m.ttft.kept), share))
        return hedge_after(figures)

    def snapshot(self, now: float) -> list[Standing]:
        return [_standing(member, now) for member in self]


def _standing(member: Member, now: float) -> Standing:
    view = member.view(now)
    breaker = member.breaker
    return Standing(
        id=member.id,
        environment=member.environment,
        priority=view.priority,
        kind=member.kind,
        model=member.server.model,
        state=member.state,
        why=member.why,
        hint=member.hint,
        breaker=breaker.state,
        retry_in=max(breaker.retry_at - now, 0.0) if breaker.state != "closed" else 0.0,
        score=score(view),
        ttft=member.ttft.expected,
        in_flight=member.in_flight,
        load=member.load,
        load_age=now - member.load_at if member.load else None,
        is_warm=member.server.is_warm,
        is_active=member.is_active,
        is_drained=member.is_drained,
    )
