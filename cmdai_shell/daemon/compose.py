"""The composition root: the one place that knows which class plays which part."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast, get_args

from cmdai_shell.backends import load as load_backend
from cmdai_shell.config import load as load_config
from cmdai_shell.config import paths
from cmdai_shell.core import Shell
from cmdai_shell.daemon.host import HostLook
from cmdai_shell.daemon.recipes import opened
from cmdai_shell.errors import CmdaiError, ModelUnavailable
from cmdai_shell.history.memory import Memory
from cmdai_shell.history.store import Store as HistoryStore
from cmdai_shell.manual.keeper import Keeper
from cmdai_shell.routing import Pool, Router
from cmdai_shell.suggest import Suggester
from cmdai_shell.suggest.prompt import without_own

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence

    from cmdai_shell.backends.embedded.engine import EmbeddedBackend
    from cmdai_shell.config import Config
    from cmdai_shell.core import (
        Abilities,
        Backend,
        Clock,
        Endpoint,
        Handshake,
        History,
        Load,
        Notice,
        Probe,
        Prompt,
        Recipes,
        Server,
        SuggestRequest,
    )

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 0.6
"""Seconds the backends get to end when their chain does."""
WARM_AFTER = 0.5
"""Seconds a new daemon waits for the press that started it, before it warms on a guess."""


@dataclass(slots=True)
class Sent:
    """What backends were asked for one press, kept only while it lasts."""

    asked: list[tuple[str, Prompt]] = field(default_factory=list, repr=False)
    """Backend's title and prompt, in order."""

    def account(self) -> dict[str, Any]:
        """Who was asked, how much was sent in all, how much of it is not the same at every press,
        and what it tells of the person and the machine; never the words."""
        prompts = [prompt for _, prompt in self.asked]
        return {
            "to": " and ".join(dict.fromkeys(title for title, _ in self.asked)),
            "characters": sum(map(_characters, prompts)),
            "own_characters": sum(len(prompt.user) for prompt in prompts),
            "fields": list(dict.fromkeys(name for prompt in prompts for name in prompt.fields)),
        }


def _characters(prompt: Prompt) -> int:
    turns = (len(ask) + len(answer) for ask, answer in (*prompt.examples, *prompt.near))
    return len(prompt.system) + len(prompt.user) + sum(turns)


sent: ContextVar[Sent] = ContextVar("sent")
"""Where the present press notes what it sends."""


class _Noted:
    """``core.Backend`` of which is noted what it is asked, whether or not it ever answers. It is
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
        asked, entry = sent.get(Sent()).asked, (self.title, prompt)
        asked.append(entry)
        stream = cast("AsyncGenerator[str | Notice, None]", self._backend.stream(prompt, timeout))
        try:
            async with aclosing(stream):
                async for piece in stream:
                    yield piece
        except ModelUnavailable:
            asked.remove(entry)  # there was nobody to ask
            raise

    async def aclose(self) -> None:
        await self._backend.aclose()


class _NotedServer(_Noted):
    """The same of a ``core.Server``."""

    def __init__(self, server: Server, *, knows_person: bool) -> None:
        super().__init__(server, knows_person=knows_person)
        self._server = server

    @property
    def endpoint(self) -> Endpoint:
        return self._server.endpoint

    @property
    def is_warm(self) -> bool:
        return self._server.is_warm

    async def identify(self, timeout: float) -> Probe:
        return await self._server.identify(timeout)

    async def handshake(self, timeout: float) -> Handshake:
        return await self._server.handshake(timeout)

    async def load(self, timeout: float) -> Load:
        return await self._server.load(timeout)

    async def warm(self, timeout: float) -> None:
        await self._server.warm(timeout)


class _Forgiving:
    """``core.History`` that fails no press."""

    def __init__(self, history: History) -> None:
        self._history = history

    def own(self, words: str, shell: Shell) -> str:
        try:
            return self._history.own(words, shell)
        except Exception:
            log.exception("history failed")
            return ""

    def near(
        self, words: str, shell: Shell, most: int, fits: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        try:
            return self._history.near(words, shell, most, fits)
        except Exception:
            log.exception("history failed")
            return ()


class Chain:
    """Everything from the suggester down, made from one reading of the configuration."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        backends: Sequence[Backend] | None = None,
        former: Chain | None = None,
        recipes: Recipes | None = None,
        remote: Sequence[Server] | None = None,
    ) -> None:
        """``former`` leaves us its engine, with the loaded model, if both are set up alike, and
        the manual. ``recipes`` are others than this version's; ``backends`` (one, in the model's
        place) and ``remote`` others than the configured ones."""
        self.config = config
        alike = former is not None and former.config.embedded == config.embedded
        kept = former.engine if former and alike else None
        self.engine: EmbeddedBackend | None = None if backends else kept or _engine(config, clock)
        own = backends[0] if backends else self.engine
        if remote is None:
            remote = () if backends else servers(config)
        self._backends: tuple[Backend, ...] = (*remote, *filter(None, [own]))
        share = config.suggest.share_history
        self.pool = Pool([_NotedServer(server, knows_person=share) for server in remote])
        noted = _Noted(own, knows_person=own is self.engine or share) if own else None
        router = Router(self.pool, noted, clock=clock)
        self.manual: Keeper | None = None
        if config.manual.enabled:
            self.manual = (former and former.manual) or Keeper(paths.cache_dir())
        self.history = _history(config)
        self.suggester = Suggester(
            completer=router,
            look=HostLook(),
            config=config,
            clock=clock,
            recipes=recipes or _recipes(config),
            manual=self.manual.index if self.manual else None,
            history=_Forgiving(self.history) if self.history else None,
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

    def hear(self, request: SuggestRequest) -> None:
        """What a request tells of the suggestion before it."""
        if self.history:
            with _doing_without("history"):
                self.history.heard(request)

    def note(self, request: SuggestRequest, final: object) -> None:
        """What it was answered with: None if that did not reach it."""
        if self.history:
            with _doing_without("history"):
                self.history.answered(request, final)

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
                reading = group.create_task(self._reading())
                remembering = group.create_task(self._remembering())
                await self._retired.wait()
                background.cancel()
                reading.cancel()
                await self._unused.wait()
                remembering.cancel()
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

    async def _reading(self) -> None:
        if self.manual is None:
            return
        try:
            await self.manual.run()
        except Exception:  # presses do without
            log.exception("the manual's background work failed")

    async def _remembering(self) -> None:
        if self.history is None:
            return
        try:
            await self.history.run()
        except Exception:  # presses do without
            log.exception("the history's background work failed")

    async def _aclose(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                if self.history:
                    await self.history.flush()
                for backend in self._backends:
                    await _closed(backend)
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


async def _closed(backend: Backend) -> None:
    try:
        await backend.aclose()
    except Exception:  # of no consequence to the next chain
        log.exception("a backend failed to close")


def compose(
    clock: Clock,
    backends: Callable[[], Sequence[Backend]] | None = None,
    former: Chain | None = None,
) -> Chain:
    """Read the configuration and build. Raises ConfigError."""
    return Chain(load_config(), clock, backends() if backends else None, former)


def servers(config: Config) -> Sequence[Server]:
    """Those of the active environment."""
    return ()


def _recipes(config: Config) -> Recipes | None:
    return opened(paths.cache_dir()) if config.suggest.recipes else None


def _history(config: Config) -> Memory | None:
    if not config.history.enabled:
        return None
    return Memory(
        HistoryStore(paths.data_dir()),
        most=config.history.max_entries,
        share_cwd=config.suggest.share_cwd,
        now=time.time,
    )


@contextmanager
def _doing_without(what: str) -> Iterator[None]:
    """No press fails for it."""
    try:
        yield
    except Exception:
        log.exception("%s failed", what)


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
