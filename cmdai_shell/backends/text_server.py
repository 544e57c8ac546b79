"""What TGI and Triton have in common: they take one text and give one, and know of no turns."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell.backends import templates
from cmdai_shell.backends.identify import split
from cmdai_shell.backends.schema import keeps_to
from cmdai_shell.backends.server import RemoteServer, Usage
from cmdai_shell.backends.stops import Echo, Stops
from cmdai_shell.backends.thinking import Thinking
from cmdai_shell.core import Notice
from cmdai_shell.errors import (
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ModelMissing,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cmdai_shell.backends.http import Settings
    from cmdai_shell.backends.identify import Found
    from cmdai_shell.core import Abilities, Endpoint, Prompt


class TextServer(RemoteServer):
    """``RemoteServer``, but for ``identify`` and ``pieces``.

    ``guides`` are the ways the protocol may have to hold an answer to a schema, the best first; the
    empty one is none, and the last. One that the server refuses is left out from then on, and so
    are all once an answer did not keep to its schema: then this server ignores them.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        super().__init__(endpoint, settings)
        self._family = endpoint.labels.get("chat_template", "")
        templates.choose("", self._family)  # a wrong word shows when the server is made
        self.guides: tuple[str, ...] = ("",)

    def _root(self, url: str) -> str:
        return split(url)[0]

    def learn(self, found: Found) -> None:
        """Nothing: what is needed here is more than who asked in general has found."""

    @property
    def abilities(self) -> Abilities:
        return super().abilities | ({"schema"} if self.guides[0] else set())

    @property
    def known_as(self) -> str:
        """What tells the model's family."""
        return self.model

    def pieces(
        self, prompt: Prompt, text: str, stop: Sequence[str], guide: str, timeout: float
    ) -> AsyncGenerator[str | Usage]:
        """The answer to ``text`` as it comes, with all that does not belong to it."""
        raise NotImplementedError

    async def answer(
        self, prompt: Prompt, timeout: float
    ) -> AsyncGenerator[str | Notice | Usage, None]:
        clock = self.settings.clock
        deadline = clock() + timeout
        if self.probe is None:
            await self.identify(timeout)
        ways = self.guides if prompt.schema else ("",)
        for at, guide in enumerate(ways):
            said, end = "", Usage()
            try:
                async with aclosing(self._clean(prompt, guide, deadline - clock())) as pieces:
                    async for piece in pieces:
                        said += piece if isinstance(piece, str) else ""
                        end = piece if isinstance(piece, Usage) else end
                        yield piece
            except ModelMissing:
                self.probe = None  # the next request looks what there is now
                raise
            except BackendError as error:
                if said or at + 1 == len(ways) or not _may_be_the_guide(error):
                    raise
                continue
            if prompt.schema:
                ignored = guide and not end.is_cut and not keeps_to(said, prompt.schema)
                self.guides = ("",) if ignored else ways[at:]
            return

    async def _clean(
        self, prompt: Prompt, guide: str, timeout: float
    ) -> AsyncGenerator[str | Notice | Usage, None]:
        template = templates.choose(self.known_as, self._family)
        text = template.render(prompt)
        stop = tuple(dict.fromkeys((template.stop[0], *prompt.stop, *template.stop)))
        echo, thinking, stops = Echo(text), Thinking(), Stops(stop)
        noticed = False
        async with aclosing(self.pieces(prompt, text, stop, guide, timeout)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Usage):
                    yield replace(piece, ending="stop") if stops.met else piece
                    continue
                if stops.met:
                    break  # the server does not know this one; closing makes it stop
                if found := stops.feed(thinking.feed(echo.feed(piece))):
                    yield found
                if thinking.is_thinking and not noticed:
                    noticed = True
                    yield Notice(text=f"{self.title} is thinking")
        rest = thinking.feed(echo.feed("", final=True)) + thinking.end()
        if found := stops.feed(rest, final=True):
            yield found


def _may_be_the_guide(error: BackendError) -> bool:
    """Whether the server may answer if it is asked without one."""
    is_status = isinstance(error, BackendUnavailable) and error.cause == "status"
    return isinstance(error, BackendRejected) or is_status
