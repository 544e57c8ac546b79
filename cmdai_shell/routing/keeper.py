"""The health keeper: looks after the members, so that requests need not find out."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cmdai_shell.core import Handshake, Load
from cmdai_shell.errors import BackendError
from cmdai_shell.routing.member import BARRED_S
from cmdai_shell.routing.ttft import Ttft

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.core import Clock
    from cmdai_shell.routing.member import Member
    from cmdai_shell.routing.pool import Pool

log = logging.getLogger(__name__)

Job = Literal["handshake", "load", "warm"]
HANDSHAKE: Job = "handshake"
LOAD: Job = "load"
WARM: Job = "warm"

JITTER = 0.2
"""Of every interval, so that many daemons do not knock in step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds. The person is active for ``active_for`` after a press; after ``away_after`` all is
    done ``away_factor`` times as rarely."""

    handshake: float = 300.0
    """Since the last handshake or request: a server in use needs none."""
    barred: float = BARRED_S
    """Where a login or a model is missing."""
    loading: float = 5.0
    load_active: float = 5.0
    load_idle: float = 60.0
    load_at_use: float = 1.0
    """A press wants none that is older."""
    warm: float = 3.0
    active_for: float = 60.0
    away_after: float = 3_600.0
    away_factor: float = 6.0
    handshake_timeout: float = 10.0
    look_timeout: float = 2.0
    freshen_timeout: float = 0.03
    """What a press waits at most for that; servers nearby tell in three thousandths."""


class Chart:
    """What is to be done for one member, and when: one thing at a time. Times are passed in."""

    def __init__(self, member: Member, pace: Pace) -> None:
        self.member = member
        self.model = member.server.model
        self.wake = asyncio.Event()
        self._pace = pace
        self._last: dict[Job, float] = {}
        """When each job ended."""
        self._stretch = 1.0
        """The jitter of this round."""
        self._wanted_from = -math.inf

    def want(self, since: float) -> None:
        """A press wants no load that is older."""
        self._wanted_from = since
        self.wake.set()

    @property
    def is_stale(self) -> bool:
        """A choice would be made in ignorance of it."""
        return self.member.has_metrics and self._last.get("load", -math.inf) < self._wanted_from

    def done(self, job: Job, now: float, random: float) -> None:
        self._last[job] = now
        self._stretch = 1 + JITTER * (2 * random - 1)

    def suspect(self) -> None:
        """The next job is a handshake."""
        self._last.pop("handshake", None)

    def next(self, now: float, pressed: float) -> tuple[float, Job]:
        """When to do what."""
        handshake = self._handshake_at(now, pressed), HANDSHAKE
        if self.member.breaker.state != "closed":
            return handshake  # that comes first
        plan = [handshake, (self._load_at(now, pressed), LOAD)]
        if self._is_in_use(now, pressed) and not self.member.server.is_warm:
            plan.append((self._since(WARM, self._pace.warm), WARM))
        return min(plan)

    def _handshake_at(self, now: float, pressed: float) -> float:
        """A sum is work: one that asked to be left alone for a while is."""
        return max(self._proof_at(now, pressed), self.member.busy_until)

    def _proof_at(self, now: float, pressed: float) -> float:
        member, last = self.member, self._last.get(HANDSHAKE, -math.inf)
        if member.breaker.state == "half-open":
            return math.inf  # the trial's end decides
        if member.breaker.state == "open":
            rarely = self._pace.handshake if now - pressed > self._pace.away_after else 0.0
            return max(member.breaker.retry_at, last + rarely)
        if self.model and member.server.model != self.model:
            return -math.inf
        if member.state == "loading":
            return self._since(HANDSHAKE, self._pace.loading)
        if member.state == "no-model" and member.asked_at > last:
            return -math.inf  # a request found that out: perhaps there is another one
        if member.is_barred:
            return self._since(HANDSHAKE, self._pace.barred * self._rarely(now, pressed))
        if last == -math.inf:
            return last
        interval = self._pace.handshake * self._rarely(now, pressed) * self._stretch
        return max(member.asked_at, last) + interval

    def _load_at(self, now: float, pressed: float) -> float:
        if self.is_stale:
            return -math.inf
        if self._is_in_use(now, pressed) and self.member.has_metrics:
            return self._since(LOAD, self._pace.load_active)
        return self._since(LOAD, self._pace.load_idle * self._rarely(now, pressed))

    def _is_in_use(self, now: float, pressed: float) -> bool:
        return self._is_wanted and now - pressed < self._pace.active_for

    @property
    def _is_wanted(self) -> bool:
        return self.member.is_active and not self.member.is_drained

    def _since(self, job: Job, seconds: float) -> float:
        return self._last.get(job, -math.inf) + seconds * self._stretch

    def _rarely(self, now: float, pressed: float) -> float:
        is_rare = now - pressed > self._pace.away_after or not self._is_wanted
        return self._pace.away_factor if is_rare else 1.0


class Keeper:
    """``run`` it in a task group; ``pressed`` at each press, ``freshen`` before members are put in
    order."""

    def __init__(
        self,
        pool: Pool,
        *,
        clock: Clock,
        pace: Pace | None = None,
        paces: Mapping[str, Pace] | None = None,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        """``paces`` are for members of environments that have their own. ``on_news`` is called
        whenever more is known of a member."""
        self._paces = paces or {}
        self._on_news = on_news
        self._pool = pool
        self._clock = clock
        self._pace = pace or Pace()
        self._charts: dict[Member, Chart] = {}
        self._pressed = clock()
        self._changed = asyncio.Event()
        self._news = asyncio.Event()
        """Replaced at each job that ends."""
        pool.on_change = self._changed.set
        pool.on_record = self._look

    async def run(self) -> None:
        """Ends when cancelled. Begins when the one before has ended: a pool has one keeper."""
        tasks: dict[Member, asyncio.Task[None]] = {}
        try:
            async with self._pool.keeping, asyncio.TaskGroup() as group:
                while True:
                    self._changed.clear()
                    members = set(filter(self._pool.is_watched, self._pool))
                    for gone in tasks.keys() - members:
                        tasks.pop(gone).cancel()
                        del self._charts[gone]
                    for chart in self._charts.values():
                        chart.wake.set()  # it may be in use now
                    for member in members - tasks.keys():
                        pace = self._paces.get(member.environment, self._pace)
                        chart = self._charts[member] = Chart(member, pace)
                        tasks[member] = group.create_task(self._keep(chart))
                    await self._changed.wait()
        finally:
            self._charts.clear()

    def pressed(self) -> None:
        """A request comes: its members are asked meanwhile how busy they are."""
        self._pressed = self._clock()
        for chart in self._charts.values():
            chart.wake.set()
        charts = self._candidates()
        if len(charts) > 1:  # else there is no choice
            for chart in charts:
                chart.want(self._pressed - self._pace.load_at_use)

    async def freshen(self) -> None:
        """Return when that is known, or after 30 ms: what is known from before counts for five
        seconds."""
        self.pressed()
        charts = self._candidates()
        try:
            async with asyncio.timeout(self._pace.freshen_timeout):
                while any(chart.is_stale for chart in charts):
                    await self._news.wait()
        except TimeoutError:
            pass

    async def scarcity(self, wanted: bool) -> None:
        """Return when it is ``wanted`` that at most one member could answer."""
        while (len(self._pool.candidates(self._clock())) <= 1) is not wanted:
            await self._news.wait()

    def _candidates(self) -> list[Chart]:
        return [
            chart
            for chart in self._charts.values()
            if chart.member.is_active and chart.member.is_candidate
        ]

    def _tell(self) -> None:
        self._on_news()
        self._news.set()
        self._news = asyncio.Event()

    def _look(self) -> None:
        """A request may have opened a breaker, or found that a model is gone."""
        for chart in self._charts.values():
            if not chart.member.is_candidate:
                chart.wake.set()
        self._tell()

    async def _keep(self, chart: Chart) -> None:
        while True:
            await asyncio.sleep(0)  # whatever is due, others have their turn
            now = self._clock()
            at, job = chart.next(now, self._pressed)
            if now < at:
                await _wait(chart.wake, at - now)
                continue
            try:
                await self._do(chart, job)
            except Exception:  # a look that fails shows in the next request, if it matters
                log.exception("the %s of a server failed in a way of its own", job)
            chart.done(job, self._clock(), self._pool.random())
            self._tell()

    async def _do(self, chart: Chart, job: Job) -> None:
        if job == HANDSHAKE:
            await self._handshake(chart)
        elif job == LOAD:
            await self._load(chart)
        else:
            await chart.member.server.warm(self._pace.look_timeout)

    async def _load(self, chart: Chart) -> None:
        timeout, load = self._pace.look_timeout, Load()
        try:
            async with asyncio.timeout(timeout):
                load = await chart.member.server.load(timeout)
        except TimeoutError:
            pass
        except BackendError:
            chart.suspect()
        had_metrics = chart.member.load and chart.member.has_metrics
        chart.member.note_load(load, self._clock())
        if had_metrics and not chart.member.has_metrics:
            chart.suspect()  # it may be dead

    async def _handshake(self, chart: Chart) -> None:
        """Where a breaker is due this is its one trial."""
        member, breaker = chart.member, chart.member.breaker
        if breaker.state != "closed" and not breaker.begin_trial(self._clock()):
            return
        if chart.model and member.server.model != chart.model:
            member.ttft = Ttft()
        try:
            found = await self._shaken(member)
            chart.model = member.server.model
            member.note_handshake(found, self._clock())
        finally:
            breaker.cancel_trial()  # if nothing came of it

    async def _shaken(self, member: Member) -> Handshake:
        timeout = self._pace.handshake_timeout
        detail = f"no answer within {timeout:.0f} s"
        try:
            async with asyncio.timeout(timeout):
                return await member.server.handshake(timeout)
        except TimeoutError:
            pass
        except Exception as error:
            log.exception("a handshake failed in a way of its own")
            detail = f"an error of our own ({type(error).__name__})"
        return Handshake(state="unreachable", detail=detail)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()
