"""The fault matrix: what each fault of the server that is asked first adds to the answer.

    python -m benchmarks.faults [--tries 200] [--only WORD ...] [--alone] [--json]

The faulty server has the higher priority, the second one is well, and a stand-in that needs 1.3 s
is in the embedded model's place; each is asked by its real adapter over real sockets, the servers
being processes of their own. Each try is a press to a pool that has only the well server (the
control), and one to both: "added" is the difference. First the faulty one was well a moment ago,
each time, so that every try meets the fault, with what the hedges' budget has left. Then, "in
life", the breaker remembers and the keeper looks after both; ``--alone`` leaves that out. Three
tries run at a time, or ten where they wait.

Where the kernel lets us, all of it runs in a network of its own, with a name server of our own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.faults import lab
from benchmarks.faults.stage import ILL, Stage, black_hole, nobody
from cmdai_shell.backends.http import CONNECT_FAR_S
from cmdai_shell.routing import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmdai_shell.routing import Router

ANSWER_S = 5.0
BUSY, WAITING = 3, 10
"""Tries at a time: of faults that show at once, and of those that are waited for."""
THINK_S = 0.1
"""Between presses. In life there is more time to find out."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: str
    budget: float | None = None
    """Seconds that it may add, DESIGN section 15."""
    at_a_time: int = BUSY
    by: str = "well"
    """Who should answer."""
    connect_timeout: float | None = None
    needs_names: bool = False


FAULTS = (
    Fault(name="refused", budget=0.05),
    Fault(name="black hole", budget=0.3),
    Fault(name="black hole, cloud", budget=1.1, at_a_time=WAITING, connect_timeout=CONNECT_FAR_S),
    Fault(name="reset at once"),
    Fault(name="reset mid-stream"),
    Fault(name="closed mid-stream"),
    Fault(name="wedged", budget=1.6, at_a_time=WAITING),
    Fault(name="wedged after the headers", budget=1.6, at_a_time=WAITING),
    Fault(name="stall mid-stream", at_a_time=WAITING),
    Fault(name="500"),
    Fault(name="503"),
    Fault(name="503, Retry-After"),
    Fault(name="429"),
    Fault(name="429, Retry-After"),
    Fault(name="401"),
    Fault(name="model gone"),
    Fault(name="garbage JSON"),
    Fault(name="garbage, no HTTP"),
    Fault(name="endless flood"),
    Fault(name="endless, 50 words a second", budget=3.2, at_a_time=WAITING),
    Fault(name="trickle of words", budget=3.2, at_a_time=WAITING),
    Fault(name="trickle of bytes", at_a_time=WAITING),
    Fault(name="expired certificate"),
    Fault(name="no such name", needs_names=True),
    Fault(name="no name server", at_a_time=WAITING, needs_names=True),
    Fault(name="restarted between presses", at_a_time=1, by="faulty"),
)


@dataclass
class Figures:
    totals: list[float] = field(default_factory=list)
    added: list[float] = field(default_factory=list)
    controls: list[float] = field(default_factory=list)
    by: Counter[str] = field(default_factory=Counter)
    why: str = ""

    def note(self, press: lab.Press, control: float) -> None:
        self.totals.append(press.seconds)
        self.added.append(press.seconds - control)
        self.by[press.by] += 1
        self.why = press.why or self.why

    @property
    def answered(self) -> int:
        return len(self.totals) - self.by[""]

    def brief(self) -> dict[str, object]:
        return {
            "tries": len(self.totals),
            "answered": self.answered,
            "by": dict(self.by),
            "p50": statistics.median(self.added),
            "p99": lab.percentile(self.added, 0.99),
            "max": max(self.totals),
        }


class Matrix:
    def __init__(self, stage: Stage, stack: contextlib.ExitStack, has_names: bool) -> None:
        self._stage = stage
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cmdai-bench-"))
        self.authority = f"{folder}/ca.pem"
        self.well = stage.serve("well")
        self.urls = stage.faulty(folder)
        self.urls["refused"] = nobody(stack)
        self.urls["black hole"] = self.urls["black hole, cloud"] = black_hole(stack)
        self.urls["restarted between presses"] = stage.serve("restarted", ILL)
        if has_names:
            stage.name_server()
            self.urls["no such name"] = "http://gpu.lab.test:8000"
            self.urls["no name server"] = "http://silent.lab.test:8000"

    def restart(self) -> None:
        """Our loop sees nothing of it before the next press is on its way."""
        port = self.urls["restarted between presses"].rpartition(":")[2]
        self._stage.kill("restarted")
        self._stage.serve("restarted", ILL, int(port))

    def pools(self, fault: Fault, stack: contextlib.AsyncExitStack) -> tuple[Pool, Pool]:
        """The control's, and the one with the fault."""
        faulty = lab.server(
            "faulty",
            self.urls[fault.name],
            priority=10,
            connect_timeout=fault.connect_timeout,
            authority=self.authority if fault.name == "expired certificate" else "",
        )
        wells = [lab.server("well", self.well) for _ in range(2)]
        control, pool = Pool(), Pool()
        lab.proven(control, wells[0])
        lab.proven(pool, faulty)
        lab.proven(pool, wells[1])
        for server in (faulty, *wells):
            stack.push_async_callback(server.aclose)
        return control, pool

    async def each_time(self, fault: Fault, tries: int) -> Figures:
        figures = Figures()

        async def lane(tries: int) -> None:
            async with contextlib.AsyncExitStack() as stack:
                control, pool = self.pools(fault, stack)
                faulty = next(iter(pool)).server
                plain, router = lab.router(control), lab.router(pool)
                await lab.press(plain)
                for _ in range(tries):
                    alone = await lab.press(plain)
                    figures.controls.append(alone.seconds)
                    lab.proven(pool, faulty)
                    self._before(fault)
                    figures.note(await lab.press(router), alone.seconds)

        await _lanes(fault, tries, lane)
        return figures

    async def as_in_life(self, fault: Fault, tries: int, control: float) -> Figures:
        figures = Figures()

        async def lane(tries: int) -> None:
            async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
                _, pool = self.pools(fault, stack)
                keeper = lab.kept(pool)
                router = lab.router(pool, keeper)
                keeping = group.create_task(keeper.run())
                await self._presses(fault, router, tries, figures, control)
                keeping.cancel()

        await _lanes(fault, tries, lane)
        return figures

    async def _presses(
        self, fault: Fault, router: Router, tries: int, figures: Figures, control: float
    ) -> None:
        for _ in range(tries):
            self._before(fault)
            figures.note(await lab.press(router), control)
            await asyncio.sleep(THINK_S)

    def _before(self, fault: Fault) -> None:
        if fault.name == "restarted between presses":
            self.restart()


async def _lanes(fault: Fault, tries: int, lane: Callable[[int], object]) -> None:
    lanes = min(fault.at_a_time, tries)
    async with asyncio.TaskGroup() as group:
        for number in range(lanes):
            share = tries // lanes + (number < tries % lanes)
            group.create_task(lane(share))  # type: ignore[arg-type]


def row(fault: Fault, figures: Figures, life: Figures | None) -> str:
    shares = ", ".join(f"{by or 'LOST'} {count}" for by, count in figures.by.most_common())
    cells = [f"{fault.name:<27}", *_cells(figures), f"{shares:<25}"]
    if life:
        remote = life.by["well"] + life.by["faulty"]
        cells += [*_cells(life), f"{remote / len(life.totals):6.1%}"]
    return " ".join([*cells, "; ".join(complaints(fault, figures, life)) or "ok"])


def _cells(figures: Figures) -> list[str]:
    brief = figures.brief()
    answered = f"{brief['answered']}/{brief['tries']}"
    times = (f"{1000 * float(str(brief[name])):7.0f}" for name in ("p50", "p99", "max"))
    return [f"{answered:>9}", *times]


def complaints(fault: Fault, figures: Figures, life: Figures | None) -> list[str]:
    """What is not as it should be."""
    found = []
    for kind in filter(None, (figures, life)):
        if kind.answered < len(kind.totals):
            found.append(f"LOST {len(kind.totals) - kind.answered} ({kind.why})")
        if max(kind.totals) > ANSWER_S:
            found.append(f"LATE {max(kind.totals):.2f} s")
    if fault.budget is not None and (middle := statistics.median(figures.added)) > fault.budget:
        found.append(f"OVER its budget of {1000 * fault.budget:.0f} ms: {1000 * middle:.0f}")
    if fault.by and figures.by[fault.by] < 0.95 * len(figures.totals):
        found.append(f"NOT BY {fault.by}")
    return found


HEADER = (
    f"{'fault (ms)':<27} {'answered':>9} {'+p50':>7} {'+p99':>7} {'max':>7} {'by':<25} "
    f"{'in life':>9} {'+p50':>7} {'+p99':>7} {'max':>7} {'remote':>6}"
)


async def measure(options: argparse.Namespace) -> bool:
    has_names = lab.is_isolated()
    chosen = [f for f in FAULTS if not options.only or any(w in f.name for w in options.only)]
    with contextlib.ExitStack() as stack:
        matrix = Matrix(stack.enter_context(Stage()), stack, has_names)
        print(f"{lab.load()}, Python {sys.version.split()[0]}", file=sys.stderr)
        if not options.json:
            print(HEADER)
        is_well, document = True, {}
        for fault in chosen:
            if fault.needs_names and not has_names:
                print(f"{fault.name}: skipped, needs a network of its own", file=sys.stderr)
                continue
            figures = await matrix.each_time(fault, options.tries)
            control = statistics.median(figures.controls)
            life = None if options.alone else await matrix.as_in_life(fault, options.tries, control)
            is_well &= not complaints(fault, figures, life)
            document[fault.name] = figures.brief()
            if not options.json:
                print(row(fault, figures, life), f" control {1000 * control:.0f}", flush=True)
        if options.json:
            print(json.dumps(document))
        print(lab.load(), file=sys.stderr)
    return is_well


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--only", nargs="+", default=[], help="faults with one of these words")
    parser.add_argument("--alone", action="store_true", help="without the presses as in life")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lab.isolate("benchmarks.faults")
    sys.exit(not asyncio.run(measure(options)))


if __name__ == "__main__":
    main()
