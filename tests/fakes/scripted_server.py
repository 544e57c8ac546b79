"""A ``core.Server`` from a script, for a virtual clock: each request takes the next of its turns.

A turn is a list of steps: text to send; seconds to wait (inf: for ever); a notice; an error to
raise. The last turn is repeated. The ways in which servers fail are named below.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from cmdai_shell.core import Abilities, Endpoint, Handshake, Load, Notice, Probe, Prompt
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendRejected,
    BackendUnavailable,
    ModelMissing,
)
from cmdai_shell.observe.traces import prompt_written

Step = str | float | Notice | Exception
Turn = Sequence[Step]

REFUSED: Turn = (0.001, BackendUnavailable("connection refused", cause="refused"))
BLACK_HOLE: Turn = (0.25, BackendUnavailable("no connection within 0.25 s", cause="connect"))
NO_NAME: Turn = (0.005, BackendUnavailable("no such host", cause="dns"))
EXPIRED: Turn = (0.01, BackendUnavailable("its certificate has expired", cause="tls"))
WEDGED: Turn = (math.inf,)
ERROR_500: Turn = (0.01, BackendUnavailable("status 500", cause="status"))
GARBAGE: Turn = (0.01, BackendUnavailable("its answer cannot be read", cause="garbage"))
BUSY: Turn = (0.005, BackendBusy("it has too much to do"))
BUSY_20S: Turn = (0.005, BackendBusy("too many requests", retry_after=20))
DENIED: Turn = (0.01, BackendDenied("it does not know the key", hint="cmdai-shell auth login"))
NO_MODEL: Turn = (0.01, ModelMissing("it has no model of that name"))
REJECTED: Turn = (0.01, BackendRejected("it takes no schema"))
EMPTY: Turn = (0.01, " \n")
CUT: Turn = (0.1, "rm", 0.01, BackendUnavailable("connection reset", cause="reset"))
STALLED: Turn = (0.1, "rm", math.inf)
TRICKLE: Turn = (0.2, *["a", 0.9] * 100)
ENDLESS: Turn = (0.1, *["a", 0.02] * 1000)
FLOOD: Turn = (0.1, *["x" * 1000] * 1000)

_NOT_THERE = frozenset({"refused", "connect", "dns", "tls"})
"""Nothing was sent then."""


def well(text: str = "ls -la", ttft: float = 0.1) -> Turn:
    """Two deltas."""
    middle = len(text) // 2
    return (ttft, text[:middle], 0.02, text[middle:])


class ScriptedServer:
    """``asked`` counts requests, ``cancelled`` those closed before their end; ``handshakes`` and
    ``loads`` are given out in turn, the last one for ever."""

    def __init__(
        self,
        name: str,
        *turns: Turn,
        url: str = "",
        kind: str = "vllm",
        priority: int = 0,
        weight: int = 1,
        abilities: Abilities = frozenset(),
        environment: str = "",
        **more: Any,
    ) -> None:
        self.endpoint = Endpoint(
            id=name,
            url=url or f"http://{name.rpartition('/')[2]}:8000",
            priority=priority,
            weight=weight,
            kind=kind,
            environment=environment or name.rpartition("/")[0],
            **more,
        )
        self.name = self.title = name
        self.model = "scripted-model"
        self.abilities = abilities
        self.is_warm = True
        self.turns = list(turns or [well()])
        self.prompts: list[Prompt] = []
        self.cancelled = 0
        self.closed = False
        self.handshakes: list[Handshake] = [Handshake(state="ok", ttft=0.1, elapsed=0.2)]
        self.handshaken = 0
        self.loads: list[Load | Exception | float] = [Load()]
        self.loaded = 0
        self.warmed = 0

    @property
    def asked(self) -> int:
        return len(self.prompts)

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice, None]:
        turn = self.turns[min(self.asked, len(self.turns) - 1)]
        self.prompts.append(prompt)
        finished = False
        if not any(getattr(step, "cause", "") in _NOT_THERE for step in turn):
            prompt_written()
        try:
            for step in turn:
                if isinstance(step, str | Notice):
                    yield step
                elif isinstance(step, Exception):
                    finished = True
                    raise step
                else:
                    await _pause(step)
            finished = True
        finally:
            self.cancelled += not finished

    async def identify(self, timeout: float) -> Probe:
        return Probe(kind=self.endpoint.kind, models=(self.model,))

    async def handshake(self, timeout: float) -> Handshake:
        found = self.handshakes[min(self.handshaken, len(self.handshakes) - 1)]
        self.handshaken += 1
        await asyncio.sleep(found.elapsed)
        return found

    async def load(self, timeout: float) -> Load:
        found = self.loads[min(self.loaded, len(self.loads) - 1)]
        self.loaded += 1
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Load):
            return found
        await _pause(found)
        return Load()

    async def warm(self, timeout: float) -> None:
        self.warmed += 1
        self.is_warm = True

    async def aclose(self) -> None:
        self.closed = True


async def _pause(seconds: float) -> None:
    """For ever too: a virtual clock must have something to wait for."""
    await asyncio.sleep(min(seconds, 1e6) if math.isinf(seconds) else seconds)
