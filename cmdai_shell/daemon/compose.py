"""The composition root: the one place that knows which class plays which part."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from cmdai_shell.backends import load as load_backend
from cmdai_shell.config import load as load_config
from cmdai_shell.config import paths
from cmdai_shell.core import Completion, Shell
from cmdai_shell.daemon.host import HostLook
from cmdai_shell.errors import CmdaiError
from cmdai_shell.routing import Router
from cmdai_shell.suggest import Suggester

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from cmdai_shell.backends.embedded.engine import EmbeddedBackend
    from cmdai_shell.config import Config
    from cmdai_shell.core import Backend, Clock, Notice, Prompt

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 0.6
"""Seconds the backends get to end when their chain does."""
WARM_AFTER = 0.5
"""Seconds a new daemon waits for the press that started it, before it warms on a guess."""


@dataclass(slots=True)
class Sent:
    """What went to a backend for one press: whose, how much, and never the words."""

    to: str = ""
    characters: int = 0
    user: str = field(default="", repr=False)
    """The last turn, kept only while the press lasts, to tell which fields were in it."""


sent: ContextVar[Sent] = ContextVar("sent")
"""Where the present press notes what it sends."""


class _Noting:
    """``core.Completer`` that notes what passes, for ``status``."""

    def __init__(self, completer: Router) -> None:
        self._completer = completer

    async def complete(
        self, prompt: Prompt, timeout: float
    ) -> AsyncIterator[str | Notice | Completion]:
        note = sent.get(Sent())
        note.user += prompt.user
        note.characters += len(prompt.system) + len(prompt.user)
        note.characters += sum(len(ask) + len(answer) for ask, answer in prompt.examples)
        async for piece in self._completer.complete(prompt, timeout):
            if isinstance(piece, Completion):
                note.to = piece.backend
            yield piece


class Chain:
    """Everything from the suggester down, made from one reading of the configuration."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        backends: Sequence[Backend] | None = None,
        former: Chain | None = None,
    ) -> None:
        """``former`` leaves us its engine, with the loaded model, if both are set up alike."""
        self.config = config
        alike = former is not None and former.config.embedded == config.embedded
        kept = former.engine if former and alike else None
        self.engine: EmbeddedBackend | None = None if backends else kept or _engine(config, clock)
        self._backends = tuple(backends or filter(None, [self.engine]))
        router = Router(self._backends, clock=clock)
        self.suggester = Suggester(
            completer=_Noting(router), look=HostLook(), config=config, clock=clock
        )
        self._users = 0
        self._retired = asyncio.Event()
        self._unused = asyncio.Event()

    @contextmanager
    def in_use(self) -> Iterator[Suggester]:
        """Its suggester, for one request: while any is answered the backends stay open."""
        self._users += 1
        try:
            yield self.suggester
        finally:
            self._users -= 1
            if self._retired.is_set() and not self._users:
                self._unused.set()

    def retire(self, successor: Chain) -> None:
        """``successor`` answers from now on; this one ends with its last request, and closes what
        it does not leave to the other."""
        self._backends = tuple(b for b in self._backends if b is not successor.engine)
        self._retired.set()
        if not self._users:
            self._unused.set()

    def maker(self, backend: str) -> str:
        """A backend's name as a person reads it: which model, and where it runs."""
        if self.engine and backend == self.engine.name:
            return f"{self.engine.status().model} on this CPU"
        return backend

    async def live(self, hurried: asyncio.Event) -> None:
        """Until retired and unused. Until retired: the model loaded ahead of the first press, and
        unloaded when idle.

        ``hurried`` is set by a press, which loads the model itself, for its own shell.
        """
        try:
            async with asyncio.TaskGroup() as group:
                background = group.create_task(self._background(hurried))
                await self._retired.wait()
                background.cancel()
                await self._unused.wait()
        finally:
            await self._aclose()

    async def _background(self, hurried: asyncio.Event) -> None:
        if self.engine is None:
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.engine.run())
                group.create_task(self._warm(self.engine, hurried))
        except Exception:  # presses still find the model, or say what is wrong with it
            log.exception("the model's background work failed")

    async def _aclose(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                for backend in self._backends:
                    await backend.aclose()
        except TimeoutError:
            log.warning("a backend did not close")

    async def _warm(self, engine: EmbeddedBackend, hurried: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(WARM_AFTER):
                await hurried.wait()
        except TimeoutError:
            pass
        else:
            return
        try:
            await engine.warm(self.suggester.prefix(_likely_shell(self.config, os.environ)))
        except CmdaiError as error:  # the press that needs the model will say it to the person
            log.warning("not warmed", extra={"fields": {"code": error.code}})


def compose(
    clock: Clock,
    backends: Callable[[], Sequence[Backend]] | None = None,
    former: Chain | None = None,
) -> Chain:
    """Read the configuration and build. Raises ConfigError."""
    return Chain(load_config(), clock, backends() if backends else None, former)


def _engine(config: Config, clock: Clock) -> EmbeddedBackend:
    from cmdai_shell.backends.embedded.store import Store

    store = Store(paths.data_dir())
    embedded = config.embedded
    engine: EmbeddedBackend = load_backend(embedded.engine)(
        model=lambda: store.chosen(embedded.model),
        threads=embedded.threads,
        context_tokens=embedded.context_tokens,
        idle_unload_s=embedded.idle_unload_s,
        cache_dir=paths.cache_dir(),
        clock=clock,
    )
    return engine


def _likely_shell(config: Config, environ: Mapping[str, str]) -> Shell:
    """The login shell, or the configured one: whose prompt to have ready."""
    login = os.path.basename(environ.get("SHELL", ""))  # noqa: PTH119
    return login if login in get_args(Shell) else config.default_shell  # type: ignore[return-value]
