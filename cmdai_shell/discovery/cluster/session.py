"""One login at the API server, all that is followed with it, and what has been heard."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.discovery import rights
from cmdai_shell.discovery.cluster.api import Fault
from cmdai_shell.discovery.cluster.follow import Denied, Follower
from cmdai_shell.discovery.cluster.world import (
    GATEWAYS,
    INGRESSES,
    NODES,
    POOLS,
    ROUTES,
    SERVICES,
    SLICES,
    Changed,
    Listed,
    World,
)
from cmdai_shell.discovery.rights import Right, refused
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cmdai_shell.core import Clock
    from cmdai_shell.discovery.cluster.api import Api
    from cmdai_shell.discovery.cluster.follow import News
    from cmdai_shell.discovery.cluster.shapes import Key
    from cmdai_shell.discovery.cluster.world import Resource

MOST_UNHEARD = 64
ASK_AGAIN_S, ASK_SOON_S = 300.0, 10.0
"""For what is asked for and not watched (nodes, Gateways of other namespaces); sooner when there
was no answer."""
MOST_FOREIGN = 32
MOST_REVIEWS = 64

Failure: TypeAlias = "Denied | DiscoveryError"


log = logging.getLogger(__name__)


class Session:
    """``namespaces``: one that is empty is all of them. ``service`` as for ``World``."""

    def __init__(
        self,
        api: Api,
        *,
        namespaces: Sequence[str],
        is_inside: bool,
        context: str,
        service: str,
        random: Callable[[], float],
        clock: Clock = time.monotonic,
    ) -> None:
        self.world = World(is_inside=is_inside, context=context, service=service)
        self._api = api
        self._namespaces = tuple(namespaces)
        self._clock = clock
        self._events: asyncio.Queue[News | Failure] = asyncio.Queue(MOST_UNHEARD)
        self._followers = list(self._made(is_inside, service, random))
        self._awaited = {(one.resource.name, one.namespace) for one in self._followers}
        self._asked: dict[Key, float] = {}
        """When what is not watched is due again."""
        self._missing: dict[tuple[str, str], Right] = {}

    @property
    def is_complete(self) -> bool:
        """All has been heard once: what is not there is not there."""
        return not self._awaited

    @property
    def missing_rights(self) -> tuple[Right, ...]:
        return tuple(dict.fromkeys(self._missing.values()))

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Tasks that never fail; the caller cancels them."""
        return [group.create_task(self._follow(one), name="kubernetes") for one in self._followers]

    async def hear(self) -> Failure | None:
        """Waits until there is news, and takes all of it; or returns what ends it."""
        try:
            async with asyncio.timeout(self._until_due()):
                events = [await self._events.get()]
        except TimeoutError:
            events = []
        while not self._events.empty():
            events.append(self._events.get_nowait())
        for event in events:
            if isinstance(event, Denied | DiscoveryError):
                return event
            self._take(event)
        if self.is_complete:
            await self._ask()
        return None

    async def denied(self, first: Right) -> DiscoveryError:
        """Every right that is needed and missing, so that one look for an administrator does."""
        needed = [
            Right(verb=verb, resource=one.name, group=one.group, namespace=namespace)
            for namespace in self._namespaces
            for one in (SERVICES, SLICES)
            for verb in ("list", "watch")
        ]
        missing = [] if first in needed else [first]
        for right in needed[:MOST_REVIEWS]:
            if right == first or not await self._may(right):
                missing.append(right)
        return rights.denied(missing, first.user)

    async def _may(self, right: Right) -> bool:
        """True, too, where it cannot be asked."""
        try:
            return rights.is_allowed(await self._api.post(rights.REVIEWS, rights.review(right)))
        except Fault:
            return True

    def _made(
        self, is_inside: bool, service: str, random: Callable[[], float]
    ) -> Iterator[Follower]:
        queries = {}
        if service:
            queries = {
                SERVICES.name: {"fieldSelector": f"metadata.name={service}"},
                SLICES.name: {"labelSelector": f"kubernetes.io/service-name={service}"},
            }
        followed: list[Resource] = [SERVICES, SLICES]
        followed += [] if service else [POOLS]
        followed += [] if service and is_inside else [ROUTES, GATEWAYS]
        followed += [] if is_inside else [INGRESSES]
        for namespace in self._namespaces:
            for resource in followed:
                yield Follower(
                    self._api,
                    resource,
                    namespace,
                    self._events.put,
                    query=queries.get(resource.name, {}),
                    random=random,
                    clock=self._clock,
                )

    async def _follow(self, follower: Follower) -> None:
        try:
            await follower.run()
        except (Denied, DiscoveryError) as failure:
            await self._events.put(failure)
        except Exception as error:  # a task that fails would cancel whoever reads from us
            log.exception("following %s failed in a way of its own", follower.resource.name)
            said = f"an error of our own ({type(error).__name__})"
            await self._events.put(DiscoveryError(said, "cmdai-shell daemon logs"))

    def _take(self, news: News) -> None:
        if isinstance(news, Changed):
            self.world.hear(news)
            return
        about = news.resource.name, news.namespace
        self._awaited.discard(about)
        self._missing.pop(about, None)
        if isinstance(news, Listed):
            self.world.hear(news)
            return
        self.world.hear(Listed(resource=news.resource, namespace=news.namespace, objects=()))
        if news.right:
            self._missing[about] = news.right

    # --- what is asked for when something that is watched names it

    def _wanted(self) -> list[tuple[Resource, Key]]:
        foreign, nodes = self.world.wants(self._namespaces)
        found: list[tuple[Resource, Key]] = [(GATEWAYS, key) for key in foreign[:MOST_FOREIGN]]
        return [*found, *([(NODES, ("", ""))] if nodes else [])]

    def _until_due(self) -> float | None:
        if not self.is_complete:
            return None
        due = [self._asked.get(key, 0.0) for _, key in self._wanted()]
        return max(0.0, min(due) - self._clock()) if due else None

    async def _ask(self) -> None:
        for resource, key in self._wanted():
            if self._clock() < self._asked.get(key, float("-inf")):
                continue
            again = ASK_AGAIN_S
            try:
                await self._fetch(resource, key)
                self._missing.pop((resource.name, key[0]), None)
            except Fault as fault:
                if fault.cause == "rights":
                    asked = Right(verb="get" if key[1] else "list", resource=resource.name)
                    self._missing[resource.name, key[0]] = refused(fault.detail, asked)
                elif fault.cause == "absent":
                    self.world.hear(Changed(resource=resource, key=key, value=None))
                else:
                    again = ASK_SOON_S
            self._asked[key] = self._clock() + again

    async def _fetch(self, resource: Resource, key: Key) -> None:
        if key[1]:
            value = await self._api.get(resource.path(*key))
            self.world.hear(Changed(resource=resource, key=key, value=resource.read(value)))
            return
        objects, _ = await self._api.all(resource.path(), {})
        read = (resource.read(one) for one in objects)
        found = tuple(one for one in read if one is not None)
        self.world.hear(Listed(resource=resource, namespace="", objects=found))
