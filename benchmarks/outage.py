"""Fifty shells press on while two of three servers fail and come back, by real processes.

    python -m benchmarks.outage [--shells 50] [--presses 100] [--think 2] [--seed 1]

One daemon's router and keeper over the real adapters. Two servers are ill and well by turns, some
eight seconds each: killed with SIGKILL and started again, answering 503, or accepting requests that
they never answer. The third is well. A stand-in that needs 1.3 s is in the embedded model's place.
The control is the same presses while all three are well.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.faults import lab
from benchmarks.faults.stage import Stage
from cmdai_shell.routing import Pool

if TYPE_CHECKING:
    from cmdai_shell.routing import Router

HOSTS = {"one": "127.0.0.1", "two": "127.0.0.2", "well": "127.0.0.3"}
ILLS = ("killed", "503", "wedged")
TURN_S = 8.0
ANSWER_S, REMOTE = 5.0, 0.999
MOST_S = 400.0


class Outages:
    def __init__(self, stage: Stage, urls: dict[str, str], random: Random) -> None:
        self._stage = stage
        self._urls = urls
        self._random = random
        self._turn = asyncio.Lock()
        self.count: Counter[str] = Counter()

    async def run(self, name: str, offset: int) -> None:
        """Ends when cancelled, with the server as it is."""
        turn = offset
        while True:
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * TURN_S)
            ill = ILLS[turn % len(ILLS)]
            turn += 1
            self.count[ill] += 1
            if ill == "killed":
                await self._do(self._stage.kill, name)
            else:
                await self._mood(name, ill)
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * TURN_S)
            if ill == "killed":
                port = int(self._urls[name].rpartition(":")[2])
                await self._do(self._stage.serve, name, HOSTS[name], port)
            else:
                await self._mood(name, "ok")

    async def _do(self, command: object, *words: object) -> None:
        async with self._turn:
            await asyncio.shield(asyncio.to_thread(command, *words))  # type: ignore[arg-type]

    async def _mood(self, name: str, mood: str) -> None:
        url = f"{self._urls[name]}/mood"
        async with aiohttp.ClientSession() as session, session.post(url, data=mood) as response:
            response.raise_for_status()


async def shells(
    router: Router, options: argparse.Namespace, random: Random, pool: Pool
) -> tuple[list[lab.Press], Counter[str]]:
    presses: list[lab.Press] = []
    told: Counter[str] = Counter()

    def tell() -> None:
        keeper_looks()
        told.update([pool.decisions[-1].hedge or "none"])

    keeper_looks, pool.on_record = pool.on_record, tell

    async def shell() -> None:
        for _ in range(options.presses):
            await asyncio.sleep(random.expovariate(1 / options.think))
            presses.append(await lab.press(router))

    try:
        async with asyncio.timeout(MOST_S), asyncio.TaskGroup() as group:
            for _ in range(options.shells):
                group.create_task(shell())
    except TimeoutError:
        print(f"ended after {MOST_S:.0f} s, before all had pressed")
    return presses, told


async def phase(
    stage: Stage, urls: dict[str, str], options: argparse.Namespace, *, ill: bool
) -> bool:
    random = Random(options.seed)
    async with AsyncExitStack() as stack:
        pool = Pool()
        for name, url in urls.items():
            server = lab.server(name, url)
            stack.push_async_callback(server.aclose)
            pool.add(server)
        keeper = lab.kept(pool)
        router = lab.router(pool, keeper)
        outages = Outages(stage, urls, random)
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keeper.run())]
            await asyncio.sleep(1)
            if ill:
                tasks += [
                    group.create_task(outages.run(name, turn))
                    for turn, name in enumerate(("one", "two"))
                ]
            presses, hedges = await shells(router, options, random, pool)
            for task in tasks:
                task.cancel()
        seconds = time.monotonic() - begun
    assert all(member.in_flight == 0 for member in pool)
    return report("two fail" if ill else "control", presses, hedges, outages.count, seconds)


def report(
    name: str,
    presses: list[lab.Press],
    hedges: Counter[str],
    outages: Counter[str],
    seconds: float,
) -> bool:
    by = Counter(press.by for press in presses)
    answered = len(presses) - by[""]
    remote = answered - by["embedded"]
    times = [press.seconds for press in presses]
    print(
        f"{name:<9} answered {answered}/{len(presses)}, remotely {remote / len(presses):.3%}; "
        f"p50 {1000 * statistics.median(times):.0f} ms, p99 "
        f"{1000 * lab.percentile(times, 0.99):.0f}, worst {1000 * max(times):.0f}; "
        f"{seconds:.0f} s, {len(presses) / seconds:.0f} presses/s"
    )
    hedged = ", ".join(f"{word} {count}" for word, count in hedges.items() if word != "none")
    print(f"          by {dict(by)}; outages {dict(outages)}; hedges {hedged or 'none'}")
    for press in sorted(presses, key=lambda press: -press.seconds)[:3]:
        print(f"          slow: {press.seconds:.2f} s by {press.by or 'NOBODY'}: {press.why}")
    for why, count in Counter(p.why for p in presses if p.by in ("", "embedded")).most_common(5):
        print(f"          not by a server: {count} x {why}")
    is_well = answered == len(presses) and max(times) <= ANSWER_S
    return is_well and remote >= REMOTE * len(presses)


async def measure(options: argparse.Namespace) -> bool:
    with Stage() as stage:
        urls = {name: stage.serve(name, host) for name, host in HOSTS.items()}
        print(f"{lab.load()}; {options.shells} shells x {options.presses} presses")
        control = argparse.Namespace(**{**vars(options), "presses": max(options.presses // 5, 1)})
        await phase(stage, urls, control, ill=False)
        is_well = await phase(stage, urls, options, ill=True)
        print(f"{lab.load()}; {'as it should be' if is_well else 'NOT as it should be'}")
    return is_well


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shells", type=int, default=50)
    parser.add_argument("--presses", type=int, default=100)
    parser.add_argument("--think", type=float, default=2.0, help="seconds, on average")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lab.isolate("benchmarks.outage")
    sys.exit(not asyncio.run(measure(options)))


if __name__ == "__main__":
    main()
