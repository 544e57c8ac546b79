"""Compare policies and settings of the real router on simulated servers; seconds cost nothing.

    python -m benchmarks.routing.run [--requests 4000] [--seed 1] [--servers 2 4 10 20]

One person presses (think time exp(20 s)); see model.py for the servers. Each cell is mean / p95 /
p99 of the time to first token in s, the share of presses that waited more than 5 s, and requests
beyond one a press. The same servers with the same moods in every row.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from benchmarks.routing.model import PATIENCE_S, SimulatedServer
from cmdai_shell.core import Completion, Prompt
from cmdai_shell.errors import NoBackendAvailable
from cmdai_shell.routing import Pool, Router, Rules
from cmdai_shell.routing.keeper import Keeper, Pace
from cmdai_shell.routing.policies import score
from cmdai_shell.routing.ttft import percentile
from tests.fakes.virtual_loop import now, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.routing.policies import Turn, View

THINK_S = 20.0
ASK = Prompt(system="You are a shell.", user="list files")


def two_choices(views: Sequence[View], turn: Turn) -> list[str]:
    """What most proxies do: of two by chance the better one."""
    left = sorted(views, key=lambda view: turn.random())
    first = sorted(left[:2], key=score)
    return [view.id for view in first + left[2:]]


@dataclass(frozen=True, kw_only=True)
class Setting:
    name: str
    strategy: str = "adaptive"
    metrics: bool = True
    checks: bool = True
    """The keeper runs."""
    hedge: bool = True
    """With it, and with failover from a server that is late; else one server a press."""
    router: dict[str, Any] = field(default_factory=dict)


SETTINGS = (
    Setting(name="round robin", strategy="round_robin", metrics=False, hedge=False),
    Setting(name="two choices", router={"policy": two_choices}, metrics=False, hedge=False),
    Setting(name="latency, passive", strategy="latency_based", checks=False, hedge=False),
    Setting(name="adaptive, no queues", metrics=False, hedge=False),
    Setting(name="adaptive, queues at use", hedge=False),
    Setting(name="round robin + hedge", strategy="round_robin", metrics=False),
    Setting(name="sticky + hedge", strategy="sticky"),
    Setting(name="adaptive, no queues + hedge", metrics=False),
    Setting(name="adaptive, no hedge budget", router={"hedge_percent": 0}),
    Setting(name="adaptive + hedge (default)"),
    Setting(name="same, hedge budget 20 %", router={"hedge_percent": 20}),
)


@dataclass(frozen=True, kw_only=True)
class Figures:
    mean: float
    p95: float
    p99: float
    late: float
    """Share of presses that waited for more than 5 s, or for nothing."""
    extra: float
    """Requests beyond one, a press."""
    checks: float
    """Handshakes, a server and an hour."""

    def __str__(self) -> str:
        late = f"{100 * self.late:.2f}".rstrip("0").rstrip(".")
        return f"{self.mean:.2f}/{self.p95:.2f}/{self.p99:.2f}; {late} %; {100 * self.extra:.0f} %"


def simulate(setting: Setting, servers: int, requests: int, seed: int) -> Figures:
    return run(_simulate(setting, servers, requests, seed))


async def _simulate(setting: Setting, count: int, requests: int, seed: int) -> Figures:
    begin = now()
    servers = [
        SimulatedServer(f"s{n}", Random(f"{seed} {n}"), now, metrics=setting.metrics)
        for n in range(count)
    ]
    random = Random(seed)
    pool = Pool(servers, random=random.random)
    keeper = Keeper(pool, clock=now, pace=Pace())
    router = Router(
        pool,
        clock=now,
        strategy=setting.strategy,
        rules=Rules() if setting.hedge else Rules(most=1, hedge=False),
        freshen=keeper.freshen if setting.checks else None,
        trials=not setting.checks,
        **setting.router,
    )
    waits = []
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keeper.run()) if setting.checks else None
        for _ in range(requests):
            await asyncio.sleep(random.expovariate(1 / THINK_S))
            waits.append(await _press(router))
        if keeping:
            keeping.cancel()
    waits.sort()
    hours = (now() - begin) / 3600
    return Figures(
        mean=sum(waits) / len(waits),
        p95=percentile(waits, 0.95),
        p99=percentile(waits, 0.99),
        late=sum(wait >= PATIENCE_S for wait in waits) / len(waits),
        extra=sum(server.asked for server in servers) / requests - 1,
        checks=sum(server.checked for server in servers) / count / hours,
    )


async def _press(router: Router) -> float:
    try:
        async for piece in router.complete(ASK, PATIENCE_S):
            if isinstance(piece, Completion):
                return piece.ttft
    except NoBackendAvailable:
        pass
    return PATIENCE_S


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--servers", type=int, nargs="+", default=[2, 4, 10, 20])
    parser.add_argument("--only", default="", help="settings whose name has this text in it")
    chosen = parser.parse_args()
    print("| setting |", *(f"n={n} |" for n in chosen.servers), "checks/h |")
    print("|---|", *("---|" for _ in chosen.servers), "---|", sep="")
    began = time.perf_counter()
    for setting in SETTINGS:
        if chosen.only in setting.name:
            cells = [simulate(setting, n, chosen.requests, chosen.seed) for n in chosen.servers]
            print(f"| {setting.name} |", *(f"{cell} |" for cell in cells), end=" ")
            print(f"{cells[-1].checks:.0f} |", flush=True)
    print(f"\n{chosen.requests} presses a cell, seed {chosen.seed}, "
          f"{time.perf_counter() - began:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
