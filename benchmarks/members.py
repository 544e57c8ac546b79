"""What a press costs with more members in the pool, all of them found: the router's own time.

    python -m benchmarks.members [--rounds 400]

One server that answers at once, and 0, 9, 99 others beside it that could be asked; the control is
that server asked without a router. In turns, in one process; the sources' own work is not in it
(benchmarks/discovery_idle.py). Budget: DESIGN section 15.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from cmdai_shell.core import Handshake, Probe, Prompt
from cmdai_shell.routing import Pool, Router
from tests.fakes.scripted_server import ScriptedServer

BUDGET_MS = (1.0, 5.0)
PROMPT = Prompt(system="one command", user="list files")


def router(members: int) -> Router:
    pool = Pool([ScriptedServer(f"spark{number}", (0.0, "ls -la")) for number in range(members)])
    for member in pool:
        member.note_handshake(Handshake(state="ok", ttft=0.1, probe=Probe(kind="vllm")), 0.0)
    return Router(pool, None, clock=time.monotonic)


async def timed(backend: object) -> float:
    begun = time.perf_counter()
    if isinstance(backend, Router):
        async for _ in backend.complete(PROMPT, 5.0):
            pass
    else:
        async for _ in backend.stream(PROMPT, 5.0):  # type: ignore[attr-defined]
            pass
    return (time.perf_counter() - begun) * 1000


async def measure(rounds: int) -> None:
    ways: dict[str, object] = {"no router": ScriptedServer("spark", (0.0, "ls -la"))}
    ways |= {f"{count} members": router(count) for count in (1, 10, 100)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-5, rounds):
        for name, backend in ways.items():
            taken = await timed(backend)
            if number >= 0:
                times[name].append(taken)
    control = times["no router"]
    print(f"{rounds} rounds in turns      p50     p99   +p50    +p99  (ms)")
    for name, taken in times.items():
        cuts, base = (statistics.quantiles(each, n=100) for each in (taken, control))
        added = [cuts[q] - base[q] for q in (49, 98)]
        within = all(a <= b for a, b in zip(added, BUDGET_MS, strict=True))
        verdict = "" if taken is control else "within" if within else "OVER"
        print(
            f"  {name:<18}{cuts[49]:8.3f}{cuts[98]:8.3f}{added[0]:8.3f}{added[1]:8.3f}  {verdict}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400)
    asyncio.run(measure(parser.parse_args().rounds))
