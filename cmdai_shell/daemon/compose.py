"""The composition root: the one place that knows which class plays which part."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, get_args

from cmdai_shell.backends import load as load_backend
from cmdai_shell.config import paths
from cmdai_shell.config.environments import NONE
from cmdai_shell.config.loading import load_in_use as load_config
from cmdai_shell.core import Hint, Shell
from cmdai_shell.daemon.active import Active, meant
from cmdai_shell.daemon.finder import Finder
from cmdai_shell.daemon.forgiving import Forgiving
from cmdai_shell.daemon.host import HostLook
from cmdai_shell.daemon.listener import listen
from cmdai_shell.daemon.metering import Meter, Metered
from cmdai_shell.daemon.noted import Noted
from cmdai_shell.daemon.recipes import Shelf
from cmdai_shell.daemon.remote import (
    alike,
    health_pace,
    noted,
    own_paces,
    race_rules,
    servers,
    servers_of,
    watched,
)
from cmdai_shell.errors import CmdaiError
from cmdai_shell.history.memory import Memory
from cmdai_shell.history.store import Store as HistoryStore
from cmdai_shell.manual.keeper import Keeper as ManualKeeper
from cmdai_shell.routing import Keeper, Pool, Router
from cmdai_shell.suggest import Suggester

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cmdai_shell.backends.embedded.engine import EmbeddedBackend
    from cmdai_shell.config import Config
    from cmdai_shell.core import (
        Backend,
        Clock,
        Recipes,
        Server,
        SuggestRequest,
    )

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 0.6
"""Seconds the backends get to end when their chain does."""
WARM_AFTER = 0.5
"""Seconds a new daemon waits for the press that started it, before it warms on a guess."""


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
        """``former`` leaves us its engine, with the loaded model, and its servers, with all that
        is known of them, if both are set up alike, the manual and the recipes. ``recipes`` are
        others than this version's; ``backends`` (one, in the model's place) and ``remote`` others
        than the configured ones."""
        self.config = config
        meter = former.meter if former else Meter(clock, wall=time.time, folder=paths.log_dir())
        self.meter: Meter = meter
        same_model = former is not None and former.config.embedded == config.embedded
        kept = former.engine if former and same_model else None
        self.engine: EmbeddedBackend | None = None if backends else kept or _engine(config, clock)
        own = backends[0] if backends else self.engine
        if remote is None and backends:
            remote = ()
        self.pool = _pool(config, clock, former, remote, self.meter)
        self.pool.on_decision = self.meter.decided
        self._clock = clock
        self._own = own
        self._to_close: list[Backend] | None = None
        """What is not left to a successor, once there is one."""
        self.ended: asyncio.Event = asyncio.Event()
        self._before = former.ended if former else None
        self.active = Active(config, self.pool, clock)
        self.finder: Finder | None = None
        if remote is None and config.active_environment != NONE:
            self.finder = self._found_before(former) or Finder(
                config,
                self.pool,
                clock=clock,
                admit=lambda server: noted(server, config, meter),
                former=former.finder if former and former.pool is self.pool else None,
            )
        balancing = config.load_balancing
        self.keeper: Keeper | None = None
        if (len(self.pool) or self.finder) and balancing.health_check_enabled:
            self.keeper = Keeper(
                self.pool,
                clock=clock,
                pace=health_pace(balancing),
                paces=own_paces(config),
                on_news=self._heard,
            )
        knows_person = own is self.engine or config.suggest.share_history
        router = Router(
            self.pool,
            Noted(own, knows_person=knows_person) if own else None,
            clock=clock,
            strategy=balancing.strategy,
            rules=race_rules(balancing),
            hedge_percent=balancing.hedge_budget_percent,
            freshen=self.keeper.freshen if self.keeper else None,
            trials=self.keeper is None,
        )
        self.manual: ManualKeeper | None = None
        if config.manual.enabled:
            self.manual = (former and former.manual) or ManualKeeper(paths.cache_dir())
        self.shelf: Shelf | None = None
        if config.suggest.recipes and not recipes:
            self.shelf = (former and former.shelf) or Shelf(paths.cache_dir())
        self.history = _history(config)
        self.suggester = Suggester(
            completer=Metered(router, clock),
            look=HostLook(),
            config=config,
            clock=clock,
            recipes=recipes or self.shelf,
            manual=self.manual.index if self.manual else None,
            history=Forgiving(self.history) if self.history else None,
        )
        self._leaves_meter = False
        self._users = 0
        self._retired = asyncio.Event()
        self._unused = asyncio.Event()

    @property
    def _backends(self) -> list[Backend]:
        return [*(member.server for member in self.pool), *filter(None, [self._own])]

    def addressed(self, request: SuggestRequest) -> SuggestRequest:
        """The request with the names that it means; their servers are in the pool then. Raises
        ConfigError for a name that is not there."""
        self.active.look()
        request = meant(request, self.config, self.active, self.pool, self.finder)
        wanted = self.config.environments.get(request.environment)
        if wanted and not any(member.environment == wanted.id for member in self.pool):
            for server in servers_of(wanted, self.config, self._clock):
                self.pool.add(noted(server, self.config, self.meter))
        return request

    def _found_before(self, former: Chain | None) -> Finder | None:
        if former and former.pool is self.pool and former.config.discovery == self.config.discovery:
            return former.finder
        return None

    def _heard(self) -> None:
        """More is known of a server."""
        self.active.look()
        if self.finder:
            self.finder.look()

    @contextmanager
    def in_use(self) -> Iterator[Suggester]:
        """Its suggester, for one request: while any is answered the backends stay open."""
        self._users += 1
        if self.keeper:
            self.keeper.pressed()
        try:
            yield self.suggester
        finally:
            self._users -= 1
            if self._retired.is_set() and not self._users:
                self._unused.set()

    def retire(self, successor: Chain) -> None:
        """``successor`` answers from now on; this one ends with its last request, and closes what
        it does not leave to the other."""
        left = set(map(id, successor._backends))
        self._leaves_meter = successor.meter is self.meter
        self._to_close = [b for b in self._backends if id(b) not in left]
        self._retired.set()
        if not self._users:
            self._unused.set()

    async def stocked(self) -> None:
        """At the first press of a version: a moment's wait for its recipes."""
        if self.shelf:
            await self.shelf.stocked()

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

    def lacks(self) -> Hint | None:
        """What to do first, where there is nobody yet who could answer."""
        if self.engine is None or self.engine.model or len(self.pool):
            return None
        return Hint(
            text="first: cmdai-shell model pull, or for a server of yours cmdai-shell setup"
        )

    def maker(self, backend: str) -> str:
        """A backend's name as a person reads it: which model, and where it runs."""
        if self.engine and backend == self.engine.name:
            return f"{self.engine.status().model} on this CPU"
        return backend

    async def live(self, hurried: asyncio.Event) -> None:
        """Until retired and unused, and the one before, whose requests may be at what it left us,
        has ended. Until retired: the model loaded ahead of the first press, and unloaded when idle.
        ``hurried`` is set by a press, which loads the model itself, for its own shell."""
        try:
            async with asyncio.TaskGroup() as group:
                background = group.create_task(self._background(hurried))
                reading = group.create_task(self._reading())
                remembering = group.create_task(self._remembering())
                keeping = group.create_task(self._keeping())
                stocking = group.create_task(self._stocking())
                finding = group.create_task(self._finding())
                telling = group.create_task(self._telling())
                await self._retired.wait()
                finding.cancel()
                telling.cancel()
                keeping.cancel()
                stocking.cancel()
                background.cancel()
                reading.cancel()
                await self._unused.wait()
                remembering.cancel()
                if self._before:
                    await self._before.wait()
        finally:
            await self._aclose()
            self.ended.set()

    async def _background(self, hurried: asyncio.Event) -> None:
        if self.engine is None:
            return
        # Presses still find the model, or say what is wrong with it.
        with _doing_without("the model's background work"):
            async with asyncio.TaskGroup() as group:
                group.create_task(self.engine.run())
                group.create_task(self._warm(self.engine, hurried))

    async def _keeping(self) -> None:
        if self.keeper:
            with _doing_without("the servers' background work"):
                await self.keeper.run()

    async def _finding(self) -> None:
        if self.finder:
            with _doing_without("discovery"):
                await self.finder.run()

    async def _telling(self) -> None:
        if self.config.metrics.enabled:
            with _doing_without("the metrics' listener"):
                port = self.config.metrics.port
                tell = self.meter.told_of_port
                await listen(port, lambda: self.meter.families(self, self._users), tell)

    async def _stocking(self) -> None:
        if self.shelf:
            with _doing_without("the recipes' background work"):
                await self.shelf.make()

    async def _reading(self) -> None:
        if self.manual:
            with _doing_without("the manual's background work"):
                await self.manual.run()

    async def _remembering(self) -> None:
        if self.history:
            with _doing_without("the history's background work"):
                await self.history.run()

    async def _aclose(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                if self.history:
                    await self.history.flush()
                for backend in self._backends if self._to_close is None else self._to_close:
                    await _closed(backend)
        except TimeoutError:
            log.warning("a backend did not close")
        finally:
            if not self._leaves_meter:
                await asyncio.to_thread(self.meter.close)

    async def _warm(self, engine: EmbeddedBackend, hurried: asyncio.Event) -> None:
        """With servers: whenever there is one at most that can answer."""
        if self.keeper and len(self.pool):
            while True:
                await self.keeper.scarcity(True)
                await self._warm_now(engine)
                await self.keeper.scarcity(False)
        try:
            async with asyncio.timeout(WARM_AFTER):
                await hurried.wait()
        except TimeoutError:
            pass
        else:
            return
        await self._warm_now(engine)

    async def _warm_now(self, engine: EmbeddedBackend) -> None:
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


def _pool(
    config: Config,
    clock: Clock,
    former: Chain | None,
    remote: Sequence[Server] | None,
    meter: Meter,
) -> Pool:
    if remote is None and former and alike(former.config, config):
        return former.pool
    balancing = config.load_balancing
    found = servers(config, clock) if remote is None else remote
    return Pool(
        [noted(server, config, meter) for server in found],
        failures=balancing.failure_threshold,
        successes=balancing.success_threshold,
        watched=watched(config),
        drained=former.pool.drained if former else (),
    )


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
        lora=embedded.lora,
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
