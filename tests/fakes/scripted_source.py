"""A ``core.Source`` from a script: what it says, seconds to wait, an error to raise.

Each ``watch`` takes the next of its turns; the last one is repeated. ``inf`` waits for ever.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.core import Added, Endpoint, Removed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

Turn: TypeAlias = "Sequence[Added | Removed | float | Exception]"


def there(id_: str, url: str = "http://192.168.1.7:8000", **more: object) -> Added:
    endpoint = Endpoint(id=id_, url=url, **{"source": "mdns", **more})  # type: ignore[arg-type]
    return Added(endpoint=endpoint)


class ScriptedSource:
    def __init__(self, name: str, *turns: Turn) -> None:
        self.name = name
        self.turns = list(turns)
        self.begun = 0
        self.closed = 0

    async def watch(self) -> AsyncGenerator[Added | Removed, None]:
        turn = self.turns[min(self.begun, len(self.turns) - 1)]
        self.begun += 1
        try:
            for step in turn:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, Added | Removed):
                    yield step
                elif step == float("inf"):
                    await asyncio.Event().wait()
                else:
                    await asyncio.sleep(step)
        finally:
            self.closed += 1
