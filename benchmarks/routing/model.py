"""Servers as others keep them busy, on a virtual clock. Synthetic: read it for directions.

Each server has a base time to first token (lognormal, 0.09 to 0.30 s), is busy some 30 % of the
time with other people's requests (then each takes exp(1.2 s) longer), and once in some 3,000 s is
wedged for 5 to 60 s: it accepts, and says nothing.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmdai_shell.core import Endpoint, Handshake, Load, Probe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from random import Random

    from cmdai_shell.core import Abilities, Clock, Notice, Prompt

BUSY_SHARE, BUSY_S, BUSY_DELAY_S = 0.3, 10.0, 1.2
WEDGE_EVERY_S, WEDGE_SHORTEST_S, WEDGE_LONGEST_S = 3_000.0, 5.0, 60.0
WAITING = 8
"""In the queue of a busy server: 0.15 s each are the 1.2 s."""
BLUR = 0.25
"""Sigma of a time to first token."""
TOKENS, TOKEN_S = 12, 0.015
PATIENCE_S = 5.0
"""Of one request, and of a press."""


@dataclass(slots=True)
class Spells:
    """Times at which something begins and ends, drawn as they are needed."""

    random: Random
    every: float
    shortest: float
    longest: float
    """Length: even between these two; if they are equal, exponential with that mean."""
    edges: list[float]
    """Begin, end, begin, end ..."""

    def end_of(self, now: float) -> float:
        """Of the spell that is on; 0 if none is."""
        while self.edges[-1] <= now:
            begin = self.edges[-1] + self.random.expovariate(1 / self.every)
            self.edges += [begin, begin + self._length()]
        place = bisect_right(self.edges, now)
        return self.edges[place] if place % 2 else 0.0

    def _length(self) -> float:
        if self.shortest == self.longest:
            return self.random.expovariate(1 / self.longest)
        return self.random.uniform(self.shortest, self.longest)


class SimulatedServer:
    """A ``core.Server``."""

    abilities: Abilities = frozenset()
    is_warm = True
    model = "simulated"

    def __init__(self, name: str, random: Random, clock: Clock, *, metrics: bool) -> None:
        self.endpoint = Endpoint(id=name, url=f"http://{name}:8000", kind="vllm")
        self.name = self.title = name
        self.asked = self.checked = 0
        self._random = random
        self._clock = clock
        self._metrics = metrics
        self._base = random.uniform(0.09, 0.30)
        free = BUSY_S * (1 - BUSY_SHARE) / BUSY_SHARE
        begin = clock()
        self._busy = Spells(random, free, BUSY_S, BUSY_S, [begin - 2, begin - 1])
        self._wedged = Spells(
            random, WEDGE_EVERY_S, WEDGE_SHORTEST_S, WEDGE_LONGEST_S, [begin - 2, begin - 1]
        )

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice, None]:
        self.asked += 1
        await self._first_token()
        for _ in range(TOKENS):
            yield "ls "
            await asyncio.sleep(TOKEN_S)

    async def identify(self, timeout: float) -> Probe:
        return Probe(kind="vllm")

    async def handshake(self, timeout: float) -> Handshake:
        self.checked += 1
        start = self._clock()
        await self._first_token()
        seconds = self._clock() - start
        return Handshake(state="ok", ttft=seconds, elapsed=seconds)

    async def load(self, timeout: float) -> Load:
        await asyncio.sleep(0.003)
        if not self._metrics:
            return Load()
        now = self._clock()
        is_busy, is_wedged = bool(self._busy.end_of(now)), bool(self._wedged.end_of(now))
        return Load(
            running=int(is_busy or is_wedged),
            waiting=WAITING if is_busy else 0,
            cache_used=0.2,
            generated=-1.0 if is_wedged else now,
        )

    async def warm(self, timeout: float) -> None:
        pass

    async def aclose(self) -> None:
        pass

    async def _first_token(self) -> None:
        now = self._clock()
        seconds = self._base * math.exp(BLUR * self._random.gauss(0, 1))
        if self._busy.end_of(now):
            seconds += self._random.expovariate(1 / BUSY_DELAY_S)
        if end := self._wedged.end_of(now):
            seconds += end - now
        await asyncio.sleep(seconds)
