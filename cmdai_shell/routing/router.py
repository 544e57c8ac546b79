"""Ask the members, best first, until one has answered, within one deadline."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

from cmdai_shell.core import ANYBODY, Completion, Notice
from cmdai_shell.errors import BackendUnavailable, BadCompletion, CmdaiError
from cmdai_shell.routing import budget
from cmdai_shell.routing.decision import Decision
from cmdai_shell.routing.failures import Trouble
from cmdai_shell.routing.policies import POLICIES, Turn, score
from cmdai_shell.routing.race import Race, Rules

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from cmdai_shell.core import Abilities, Backend, Clock, Prompt, Target
    from cmdai_shell.routing.attempt import Attempt
    from cmdai_shell.routing.policies import Policy
    from cmdai_shell.routing.pool import Pool

log = logging.getLogger(__name__)

_CHARACTERS_PER_TOKEN = 64
"""A member that sends more text than this for each token it was allowed does not stop: that is no
answer, but a failure."""

_MOST_UNREAD = 1
"""Pieces ahead of who reads them: a shell that does not read stops the member."""

_End: TypeAlias = "CmdaiError | None"
_Event: TypeAlias = "tuple[Attempt, str | Notice | _End]"


class Router:
    """``core.Completer`` over the members of ``pool`` and the embedded model, if there is one.

    ``freshen`` is awaited before the members are put in order: it asks those whose load is not
    known how busy they are, and takes milliseconds. Where nobody else does (``trials``), a request
    is what tries a member whose breaker is due. ``policy`` is one that no configuration knows.
    """

    def __init__(
        self,
        pool: Pool,
        embedded: Backend | None = None,
        *,
        clock: Clock,
        strategy: str = "adaptive",
        policy: Policy | None = None,
        rules: Rules | None = None,
        hedge_percent: float = 5,
        freshen: Callable[[], Awaitable[None]] | None = None,
        trials: bool = False,
    ) -> None:
        self._pool = pool
        self._embedded = embedded
        self._clock = clock
        self._strategy = strategy
        self._policy = policy or POLICIES[strategy]
        self._rules = rules or Rules()
        self._hedges = budget.hedges(hedge_percent)
        self._retries = budget.retries()
        self._freshen = freshen
        self._trials = trials
        self._number = 0

    async def complete(
        self, prompt: Prompt, timeout: float, target: Target = ANYBODY
    ) -> AsyncIterator[str | Notice | Completion]:
        """See ``core.Completer``. If a member dies after its first words, those of the next are
        held back: deltas are only ever one member's, and the Completion at the end is whole."""
        start = self._clock()
        if self._freshen and len(self._pool) and not self._pool.is_named(target):
            await self._freshen()
        within = self._pool.within(target)
        race, decision = self._started(prompt, start, timeout, target)
        events: asyncio.Queue[_Event] = asyncio.Queue(_MOST_UNREAD)
        tasks: dict[Attempt, asyncio.Task[None]] = {}
        is_closed = True
        async with asyncio.TaskGroup() as group:
            try:
                while not race.is_over(now := self._clock()):
                    for attempt in race.due(now):
                        reading = _read(attempt, prompt, race.deadline - now, events)
                        tasks[attempt] = group.create_task(reading)
                    event = await _next(events, race.wake_at(now) - now)
                    for shown in _tell(race, event, self._clock()):
                        yield shown
                    for over in [attempt for attempt in tasks if not attempt.is_running]:
                        tasks.pop(over).cancel()  # once: it may take a moment to end
                is_closed = False
            except GeneratorExit:
                pass  # a task group would wrap it; its end is told by is_closed
            finally:
                race.close(self._clock(), cancelled=is_closed)
                _log(race, self._clock())
                if within:  # else there was nothing to decide
                    self._note(race, decision)
                for task in tasks.values():
                    task.cancel()
        if is_closed:
            return
        if race.winner is None:
            raise race.failure()
        yield self._completion(race, race.winner, is_fallback=bool(within))

    def could_ask(self, target: Target = ANYBODY) -> bool:
        return bool(self._pool.candidates(self._clock(), target, trials=self._trials))

    def _started(
        self, prompt: Prompt, start: float, timeout: float, target: Target
    ) -> tuple[Race, Decision]:
        now = self._clock()
        within = self._pool.within(target)
        candidates = self._pool.candidates(now, target, trials=self._trials)
        is_panic = not candidates
        members = {member.id: member for member in candidates or self._pool.ailing(target)}
        views = [member.view(now) for member in members.values()]
        turn = Turn(random=self._pool.random, number=self._number, session=prompt.system)
        order = [members[name] for name in self._policy(views, turn)]
        order.sort(key=lambda member: max(member.busy_until - now, 0.0))
        self._number += 1
        self._hedges.earn()
        self._retries.earn()
        late = self._pool.hedge_after(order[0]) if order else 0.0
        barred = [m for m in within if is_panic and m.id not in members]
        race = Race(
            order,
            self._embedded,
            start=start,
            timeout=timeout,
            rules=self._rules,
            hedges=self._hedges,
            retries=self._retries,
            hedge_after=late,
            is_panic=is_panic,
            barred=[
                Trouble(
                    text=f"{member.server.title}: {member.why_not}",
                    hint=member.hint,
                    lasts=member.is_barred,
                )
                for member in barred
            ],
        )
        scores = {view.id: score(view) for view in views}
        return race, Decision(
            at=start,
            strategy=self._strategy,
            order=tuple((member.id, scores[member.id]) for member in order),
            passed_over=tuple((m.id, m.why_not) for m in within if m.id not in members),
            is_panic=is_panic and bool(order),
            hedge_after=late,
        )

    def _note(self, race: Race, decision: Decision) -> None:
        now = self._clock()
        tried = tuple(attempt.account(race.start, now) for attempt in race.attempts)
        answered = tried[race.attempts.index(race.winner)].id if race.winner else ""
        self._pool.record(
            replace(
                decision,
                hedge=race.hedge,
                tried=tried,
                answered_by=answered,
                elapsed=now - race.start,
            )
        )

    def _completion(self, race: Race, winner: Attempt, *, is_fallback: bool) -> Completion:
        """``is_fallback``: if no server gave it."""
        return Completion(
            text=winner.text,
            backend=winner.backend.name,
            model=winner.backend.model,
            ttft=winner.first_at - race.start,
            elapsed=self._clock() - race.start,
            tokens=winner.deltas,
            is_fallback=winner.member is None and is_fallback,
            attempts=race.sentences,
            remedy=race.remedy,
            abilities=winner.abilities,
            is_cut=winner.is_cut,
            cold=winner.cold,
        )


async def _read(
    attempt: Attempt, prompt: Prompt, timeout: float, events: asyncio.Queue[_Event]
) -> None:
    """One member's answer, piece by piece, and its end; raises nothing."""
    end: _End = None
    try:
        asked = _form(prompt, attempt.abilities)
        most = asked.max_tokens * _CHARACTERS_PER_TOKEN
        backend = attempt.backend
        stream = cast("AsyncGenerator[str | Notice, None]", backend.stream(asked, timeout))
        async with aclosing(stream):
            async for piece in stream:
                await events.put((attempt, piece))
                most -= len(piece) if isinstance(piece, str) else 0
                if most <= 0:
                    end = BadCompletion(f"{backend.title} does not stop")
                    break
    except CmdaiError as error:
        end = error
    except Exception as error:  # another member answers in its place
        log.exception("a backend failed in a way of its own")
        end = BackendUnavailable(f"an error of our own ({type(error).__name__})", cause="garbage")
    await events.put((attempt, end))


async def _next(events: asyncio.Queue[_Event], seconds: float) -> _Event | None:
    """None if nothing comes in time."""
    if not events.empty():
        return events.get_nowait()
    try:
        async with asyncio.timeout(max(seconds, 0)):
            return await events.get()
    except TimeoutError:
        return None


def _log(race: Race, now: float) -> None:
    for attempt in race.attempts:
        log.debug("attempt", extra={"fields": attempt.fields(now)})


def _tell(race: Race, event: _Event | None, now: float) -> list[str | Notice]:
    """What comes of it for the person to see."""
    if event is None:
        return race.look(now)
    attempt, said = event
    if isinstance(said, str | Notice):
        return race.hear(attempt, said, now)
    return race.end(attempt, said, now)


def _form(prompt: Prompt, abilities: Abilities) -> Prompt:
    """The one of the prompt's two forms that is for a backend with these abilities."""
    if prompt.rich is None:
        return prompt
    return prompt.rich(abilities) if "large" in abilities else replace(prompt, rich=None)
