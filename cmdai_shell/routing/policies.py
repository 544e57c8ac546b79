"""Who is asked first. Each policy is a pure function from what is known of the members to an order.

All of them ask members of higher priority first, and differ inside one priority; only ``adaptive``
goes on to the next priority when the wait would be felt.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

WAITING_S = 0.15
"""What each request in a server's queue adds to the wait."""
RUNNING_S = 0.01
"""What each one that it works on adds: little, as they are done in one batch."""
FULL, FULL_S = 0.9, 0.3
"""From this share of its KV cache on a server begins to throw work away and do it again."""
SLOW_START_S = 30.0
"""After a recovery a server's share grows for so long: its caches are cold, it may fall again."""
SPILL_FACTOR, SPILL_S, SPILL_WAITING = 4.0, 1.5, 16
"""The next priority is asked first when the wait in this one is so many times as long, and long
enough to be felt; or when so many requests wait. Priorities are the person's wish."""
NEAR = 0.05
"""Scores are blurred by this, so that many daemons do not all pick the same idle server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a policy sees of a member. What is unknown is 0."""

    id: str
    priority: int = 0
    weight: int = 1
    ttft: float = 0.5
    in_flight: int = 0
    """Our own requests."""
    waiting: int = 0
    running: int = 0
    cache_used: float = 0.0
    connect: float = 0.0
    """Seconds to a connection, if none stands open."""
    recovered: float = math.inf
    """Seconds since its breaker closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a policy knows of the request."""

    random: Callable[[], float]
    number: int = 0
    """Counts the requests."""
    session: str = ""
    """What stays the same from request to request, so that one server can keep it evaluated."""


Policy: TypeAlias = Callable[[Sequence[View], Turn], list[str]]


def score(view: View) -> float:
    """Seconds until the first token, as far as one can tell; less is better."""
    wait = view.ttft * (1 + view.in_flight) + WAITING_S * view.waiting + RUNNING_S * view.running
    wait += view.connect
    if view.cache_used > FULL:
        wait += FULL_S
    if view.recovered < SLOW_START_S:
        wait /= max(0.1, view.recovered / SLOW_START_S)
    return wait / view.weight


def adaptive(views: Sequence[View], turn: Turn) -> list[str]:
    scores = {view.id: score(view) * (1 + NEAR * (2 * turn.random() - 1)) for view in views}
    order: list[View] = []
    for tier in reversed(_tiers(views)):
        tier.sort(key=lambda view: scores[view.id])
        order = order + tier if order and _spills(tier[0], order[0]) else tier + order
    return [view.id for view in order]


def priority(views: Sequence[View], turn: Turn) -> list[str]:
    """As configured."""
    return [view.id for tier in _tiers(views) for view in tier]


def round_robin(views: Sequence[View], turn: Turn) -> list[str]:
    order: list[View] = []
    for tier in _tiers(views):
        first, place = 0, turn.number % sum(view.weight for view in tier)
        while place >= tier[first].weight:
            place -= tier[first].weight
            first += 1
        order += tier[first:] + tier[:first]
    return [view.id for view in order]


def latency_based(views: Sequence[View], turn: Turn) -> list[str]:
    """By what was measured, whatever the queues are."""
    return _sorted(views, lambda view: view.ttft / view.weight)


def random(views: Sequence[View], turn: Turn) -> list[str]:
    return _sorted(views, lambda view: -math.log(1 - turn.random()) / view.weight)


def sticky(views: Sequence[View], turn: Turn) -> list[str]:
    """The same server for the same session (rendezvous hashing: when one is added or lost, only
    its own sessions move)."""

    def distance(view: View) -> float:
        key = f"{turn.session}\0{view.id}".encode()
        number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
        return -math.log((number + 1) / (2**64 + 1)) / view.weight

    return _sorted(views, distance)


POLICIES: dict[str, Policy] = {
    "adaptive": adaptive,
    "priority": priority,
    "round_robin": round_robin,
    "latency_based": latency_based,
    "random": random,
    "sticky": sticky,
}
"""By the word in ``load_balancing.strategy``."""


def _tiers(views: Iterable[View]) -> list[list[View]]:
    ordered = sorted(views, key=lambda view: -view.priority)
    return [list(tier) for _, tier in groupby(ordered, key=lambda view: view.priority)]


def _sorted(views: Sequence[View], key: Callable[[View], float]) -> list[str]:
    return [view.id for tier in _tiers(views) for view in sorted(tier, key=key)]


def _spills(best: View, lower: View) -> bool:
    wait = score(best)
    return wait > max(SPILL_S, SPILL_FACTOR * score(lower)) or best.waiting > SPILL_WAITING
