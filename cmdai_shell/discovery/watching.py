"""Sources that are kept going: begun again after a failure, each by itself."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from cmdai_shell.core import Added, Removed
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from cmdai_shell.core import Clock, Source

log = logging.getLogger(__name__)

AGAIN_S, AGAIN_LONGEST_S = 1.0, 60.0
"""Until a source that failed is begun again: doubled each time, up to the longest."""
JITTER = 0.2
"""Of that, so that a whole office does not knock in step after an outage."""
WELL_AFTER_S = 30.0
"""A source that went on for so long begins at the shortest pause again."""
_ENDED = DiscoveryError("it ended by itself", "cmdai-shell daemon logs")

WatchState = Literal["listening", "failed"]


@dataclass(slots=True, kw_only=True)
class Watched:
    """How one source does."""

    source: Source
    name: str
    """Its own, and a number where several have the same."""
    state: WatchState = "listening"
    problem: str = ""
    """The last failure, and"""
    hint: str = ""
    """what to do about it; they count while its state is failed."""
    failures: int = 0
    """In a row."""
    known: set[str] = field(default_factory=set)
    """Ids of what it says is there."""


class Watcher:
    """``hear`` is called with a source's name and what it said. ``run`` ends when cancelled, and no
    source's failure ends it."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        hear: Callable[[str, Added | Removed], None],
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        names = Counter[str]()
        watched = []
        for source in sources:
            names[source.name] += 1
            count = names[source.name]
            name = source.name if count == 1 else f"{source.name}:{count}"
            watched.append(Watched(source=source, name=name))
        self.watched = tuple(watched)
        self._hear = hear
        self._clock = clock
        self._random = random

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for one in self.watched:
                group.create_task(self._keep(one))

    async def _keep(self, one: Watched) -> None:
        while True:
            begun = self._clock()
            try:
                await self._follow(one)
                raise _ENDED  # noqa: TRY301  a source that ends has failed, like one that says so
            except DiscoveryError as error:
                self._fail(one, error)
            except Exception as error:
                log.exception("a source failed in a way of its own")
                what = f"an error of our own ({type(error).__name__})"
                self._fail(one, DiscoveryError(what, "cmdai-shell daemon logs"))
            if self._clock() - begun > WELL_AFTER_S:
                one.failures = 1
            await asyncio.sleep(self._pause(one.failures))

    async def _follow(self, one: Watched) -> None:
        """What was there before and is not said again has gone when it says that it has: a source
        that was begun anew forgets nothing by itself."""
        stream = cast("AsyncGenerator[Added | Removed, None]", one.source.watch())
        one.state = "listening"
        async with aclosing(stream):
            async for said in stream:
                if isinstance(said, Added):
                    one.known.add(said.endpoint.id)
                else:
                    one.known.discard(said.id)
                self._hear(one.name, said)

    def _fail(self, one: Watched, error: DiscoveryError) -> None:
        if one.problem != error.message:  # said once, not at each try
            fields = {"source": one.name, "problem": error.message}
            log.warning("no discovery", extra={"fields": fields})
        one.state, one.problem, one.hint = "failed", error.message, error.hint
        one.failures += 1

    def _pause(self, failures: int) -> float:
        pause = min(AGAIN_S * 2.0 ** min(failures - 1, 10), AGAIN_LONGEST_S)
        return pause * (1 + JITTER * (2 * self._random() - 1))
