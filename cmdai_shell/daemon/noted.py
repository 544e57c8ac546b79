"""What is sent to backends, noted for ``status``: whether or not they ever answer."""

from __future__ import annotations

from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from cmdai_shell.errors import CmdaiError
from cmdai_shell.observe.traces import present, written
from cmdai_shell.suggest.prompt import without_own

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from cmdai_shell.core import (
        Abilities,
        Backend,
        Endpoint,
        Handshake,
        Load,
        Notice,
        Probe,
        Prompt,
        Server,
    )


@dataclass(slots=True)
class Sent:
    """What was written to backends for one press, kept only while it lasts."""

    prompts: dict[str, list[Prompt]] = field(default_factory=dict, repr=False)
    """By the backend's title, in order."""

    def add(self, title: str, prompt: Prompt) -> None:
        self.prompts.setdefault(title, []).append(prompt)

    def account(self) -> list[dict[str, Any]]:
        """Each backend that was sent something: how often, how much at most, how much of that is
        not the same at every press, and what it tells of the person and the machine; never the
        words."""
        return [
            {
                "to": title,
                "times": len(prompts),
                "characters": max(map(_characters, prompts)),
                "own_characters": max(len(prompt.user) for prompt in prompts),
                "fields": list(dict.fromkeys(name for prompt in prompts for name in prompt.fields)),
            }
            for title, prompts in self.prompts.items()
        ]


def _characters(prompt: Prompt) -> int:
    turns = (len(ask) + len(answer) for ask, answer in (*prompt.examples, *prompt.near))
    return len(prompt.system) + len(prompt.user) + sum(turns)


sent: ContextVar[Sent] = ContextVar("sent")
"""Where the present press notes what it sends."""


class Noted:
    """``core.Backend`` of which is noted what it is sent, whether or not it ever answers. It is
    told what the person did before only if ``knows_person``."""

    def __init__(self, backend: Backend, *, knows_person: bool) -> None:
        self._backend = backend
        self._knows_person = knows_person
        self.name = backend.name
        self.title = backend.title

    @property
    def model(self) -> str:
        return self._backend.model

    @property
    def abilities(self) -> Abilities:
        return self._backend.abilities

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice, None]:
        if not self._knows_person:
            prompt = without_own(prompt)
        account, is_sent = sent.get(Sent()), False

        def note() -> None:
            nonlocal is_sent
            if not is_sent:  # on a connection that was stale it may be written twice
                account.add(self.title, prompt)
            is_sent = True

        written.set(note)
        trace = present.get()
        span = trace.asked(self.name) if trace else None
        stream = cast("AsyncGenerator[str | Notice, None]", self._backend.stream(prompt, timeout))
        try:
            async with aclosing(stream):
                async for piece in stream:
                    if span and trace and not span.first_at and piece and isinstance(piece, str):
                        span.first_at = trace.clock()
                    yield piece
            if span and trace:
                span.end(trace.clock(), "answered")
        except CmdaiError as error:
            if span and trace:
                span.end(trace.clock(), "failed", getattr(error, "cause", "") or error.code)
            raise
        finally:
            if span and trace:
                span.end(trace.clock(), "cancelled")

    async def aclose(self) -> None:
        await self._backend.aclose()


class NotedServer(Noted):
    """The same of a ``core.Server``; ``heard`` is told of each handshake."""

    def __init__(
        self,
        server: Server,
        *,
        knows_person: bool,
        heard: Callable[[str, Handshake], None] = lambda name, found: None,
    ) -> None:
        super().__init__(server, knows_person=knows_person)
        self._server = server
        self._heard = heard

    @property
    def endpoint(self) -> Endpoint:
        return self._server.endpoint

    @property
    def is_warm(self) -> bool:
        return self._server.is_warm

    async def identify(self, timeout: float) -> Probe:
        return await self._server.identify(timeout)

    async def handshake(self, timeout: float) -> Handshake:
        found = await self._server.handshake(timeout)
        self._heard(self._server.endpoint.id, found)
        return found

    async def load(self, timeout: float) -> Load:
        return await self._server.load(timeout)

    async def warm(self, timeout: float) -> None:
        await self._server.warm(timeout)
