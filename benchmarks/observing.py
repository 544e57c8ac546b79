"""What metrics, trace and audit log cost a press, beside the same desk without them.

    python -m benchmarks.observing [--rounds 40]

The desks are in this process, over an instant server and an instant model, and take turns press by
press; what is added is the median of the differences of neighbours. A second desk without it is the
control: what it adds to the first is noise. "To the reply" is what a person waits for, "in all" is
until the desk has let go of the press: what comes after the reply holds up nobody but who presses
again in the same millisecond.
The share is of what a press takes in a real shell (``--press-ms``, from ``keypress.py``).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import statistics
import tempfile
import time
from types import SimpleNamespace
from typing import Any

from cmdai_shell.config import Config
from cmdai_shell.core import SuggestRequest
from cmdai_shell.daemon import desk as desks
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.observe import traces
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer

EACH = 50
BUDGET_PERCENT = 2.0
WITHOUT = "without", "again"
BETWEEN_S = 0.002
"""Seconds between two presses: a person takes longer."""


class Nothing:
    """A meter that does nothing."""

    traces = ()

    def begin(self, *_: Any) -> Any:
        return SimpleNamespace(ready_at=0.0)

    def end(self, *_: Any, **__: Any) -> None:
        return


def desk(*, has_server: bool, is_on: bool) -> Desk:
    servers = [ScriptedServer("lab/spark", ("ls -la",))] if has_server else []
    model = ScriptedBackend(name="embedded")
    made = Desk(
        lambda _: Chain(Config(), time.perf_counter, [model], remote=servers),
        clock=time.perf_counter,
    )
    chain: Any = made.chain()
    if not is_on:
        chain.meter = Nothing()
        chain.pool.on_decision = lambda _: None
        suggester = chain.suggester
        plain = suggester._completer._completer  # noqa: SLF001
        suggester._completer = suggester._sampler._completer = plain  # noqa: SLF001
    return made


async def press(made: Desk, line: str) -> tuple[float, float]:
    """Seconds to the reply, and in all."""
    start = time.perf_counter()
    reply = 0.0
    async for _ in made.answer(SuggestRequest(line=line)):
        reply = time.perf_counter() - start
    return reply, time.perf_counter() - start


async def measure(kind: str, rounds: int, press_ms: float) -> None:
    has_server = kind == "server"
    desks_of = {
        name: desk(has_server=has_server, is_on=name == "with") for name in ("with", *WITHOUT)
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in desks_of}
    names = list(desks_of)
    for number in range(rounds * EACH):
        line = "list files" if kind == "cached" else f"words {number}"
        for name in names[number % 3 :] + names[: number % 3]:
            traces.present.set(None)
            unset = SimpleNamespace(set=lambda _: None)
            desks.present = traces.present if name == "with" else unset  # type: ignore[attr-defined]
            took[name].append(await press(desks_of[name], line))
            await asyncio.sleep(BETWEEN_S)
    for at, what in enumerate(("to the reply", "in all")):
        columns = {name: [pair[at] for pair in pairs[4 * EACH :]] for name, pairs in took.items()}
        on, off = (statistics.median(columns[name]) * 1e6 for name in ("with", "without"))
        added, noise = (
            statistics.median(a - b for a, b in zip(columns[name], columns["without"], strict=True))
            for name in ("with", "again")
        )
        share = added / press_ms * 1e5
        told = f"{added * 1e6:+6.1f} us, {share:+.2f} % of {press_ms:g} ms (of {BUDGET_PERCENT:g})"
        again = f"the same twice: {noise * 1e6:+5.1f} us"
        print(f"{kind:8} {what:13} {on:7.1f} us, without {off:7.1f} us: {told}; {again}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--press-ms", type=float, default=2.0, help="budget of zsh's key to reply")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        names = ("CONFIG", "DATA", "CACHE", "LOG", "RUNTIME")
        os.environ.update({f"CMDAI_{name}_DIR": folder for name in names})
        for kind in ("cached", "server"):
            asyncio.run(measure(kind, given.rounds, given.press_ms))


if __name__ == "__main__":
    main()
