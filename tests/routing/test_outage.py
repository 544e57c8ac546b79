"""Fifty shells press on while servers fail and come back."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, cast

import pytest

from cmdai_shell.core import Completion, Handshake, Load, Notice, Prompt
from cmdai_shell.routing import Keeper, Pool, Router
from tests.fakes import scripted_server as does
from tests.fakes.scripted_backend import Script, ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer, Turn, well
from tests.fakes.virtual_loop import now

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SHELLS, PRESSES, THINK_S = 50, 40, 2.0
ASK = Prompt(system="", user="go")


class Failing(ScriptedServer):
    """Well and ill by turns, some 20 s each."""

    def __init__(self, name: str, ill: Turn, seed: int) -> None:
        super().__init__(name)
        self.ill = ill
        self._begin = now()
        self._offset = Random(seed).uniform(0, 40)

    @property
    def is_ill(self) -> bool:
        return (now() - self._begin + self._offset) % 40 < 20

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice, None]:
        self.turns = [self.ill if self.is_ill else well()]
        async for piece in super().stream(prompt, timeout):
            yield piece

    async def handshake(self, timeout: float) -> Handshake:
        await asyncio.sleep(0.3)
        if self.is_ill:
            return Handshake(state="unreachable", detail="it does not compute")
        return Handshake(state="ok", ttft=0.1)

    async def load(self, timeout: float) -> Load:
        return Load(running=1, waiting=0)


@pytest.mark.parametrize(
    "ill",
    [does.REFUSED, does.BLACK_HOLE, does.WEDGED, does.ERROR_500, does.CUT, does.STALLED, does.BUSY],
    ids=["refused", "black hole", "wedged", "500", "cut", "stalled", "busy"],
)
async def test_every_press_is_answered_and_by_a_server_while_one_is_well(ill: Turn):
    servers = [Failing("a", ill, 1), Failing("b", ill, 2), ScriptedServer("good", well(ttft=0.2))]
    own = ScriptedBackend(cast("Script", {"go": [1.3, "own"]}), name="own")
    random = Random(7)
    pool = Pool(servers, random=random.random)
    keeper = Keeper(pool, clock=now)
    router = Router(pool, own, clock=now, freshen=keeper.freshen)
    answered: Counter[str] = Counter()
    slowest = 0.0

    async def shell() -> None:
        nonlocal slowest
        for _ in range(PRESSES):
            await asyncio.sleep(random.expovariate(1 / THINK_S))
            async for piece in router.complete(ASK, 30):
                if isinstance(piece, Completion):
                    answered[piece.backend] += 1
                    slowest = max(slowest, piece.elapsed)

    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keeper.run())
        async with asyncio.TaskGroup() as shells:
            for _ in range(SHELLS):
                shells.create_task(shell())
        keeping.cancel()
    assert sum(answered.values()) == SHELLS * PRESSES
    assert answered["own"] <= SHELLS * PRESSES / 1000
    assert slowest <= 5
    assert all(member.in_flight == 0 for member in pool)
