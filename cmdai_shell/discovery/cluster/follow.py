"""One kind of object in one namespace: listed, then watched, for as long as somebody listens.

After 410 Gone, and whenever a connection was lost, it is listed again: nothing that happened
meanwhile is missed, and an API server that was restored from a backup is believed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.discovery.cluster.api import Fault
from cmdai_shell.discovery.cluster.shapes import key_of, mapping, text
from cmdai_shell.discovery.cluster.world import Changed, Listed
from cmdai_shell.discovery.rights import Right, refused
from cmdai_shell.errors import DiscoveryError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cmdai_shell.core import Clock
    from cmdai_shell.discovery.cluster.api import Api
    from cmdai_shell.discovery.cluster.world import Resource

FIRST_S, LONGEST_S = 0.5, 60.0
"""Seconds until it is tried again, the first time; each further time twice as long."""
STEADY_S = 10.0
"""A watch that held for so long was well: the next fault is a first one."""
GRACE_S = 60.0
"""An API server that begins knows some users, rights and kinds only after a while: what it let us
do before, it may yet let us do again."""
ABSENT_S = 300.0
"""What is not served, or not ours to read, may be one day."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """An optional kind that the cluster has not got, or (``right``) that is not ours to read."""

    resource: Resource
    namespace: str
    right: Right | None = None


class Denied(Exception):
    """A kind that is needed may not be read."""

    def __init__(self, right: Right) -> None:
        super().__init__(str(right))
        self.right = right


News: TypeAlias = "Listed | Changed | Without"


class Backoff:
    """Seconds to wait after one more fault; half of it by chance, so that all the machines that saw
    an API server go do not come back in step."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._faults = 0

    def again(self) -> float:
        whole: float = min(FIRST_S * 2 ** min(self._faults, 16), LONGEST_S)
        self._faults += 1
        return whole * (1 - 0.5 * self._random())

    def reset(self) -> None:
        self._faults = 0


class Follower:
    """Follows ``resource`` in ``namespace`` (all of them where it is empty). ``query`` narrows it
    down, as for ``Api.all``; ``tell`` hears what there is."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        namespace: str,
        tell: Callable[[News], Awaitable[None]],
        *,
        query: Mapping[str, str],
        random: Callable[[], float],
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self.resource = resource
        self.namespace = namespace
        self._path = resource.path(namespace)
        self._tell = tell
        self._query = query
        self._backoff = Backoff(random)
        self._clock = clock
        self._sleep = sleep
        self._has_listed = False
        self._well_at: float | None = None
        """When it was last being watched."""

    async def run(self) -> None:
        """Never returns. Raises Denied, and DiscoveryError when it cannot begin or go on."""
        while True:
            try:
                version = await self._list()
                while version:
                    version = await self._watch(version)
            except Fault as fault:
                await self._sleep(await self._wait(fault))

    async def _list(self) -> str:
        objects, version = await self._api.all(self._path, self._query)
        read = (self.resource.read(one) for one in objects)
        await self._tell(
            Listed(
                resource=self.resource,
                namespace=self.namespace,
                objects=tuple(one for one in read if one is not None),
            )
        )
        self._has_listed = True
        return version

    async def _watch(self, version: str) -> str:
        """The version to go on from, where the API server ended the watch in good order."""
        opened: float | None = None
        try:
            async with aclosing(self._api.watch(self._path, self._query, version)) as events:
                async for kind, value in events:
                    if opened is None:
                        opened = self._clock()
                    about = mapping(value.get("metadata"))
                    version = text(about.get("resourceVersion")) or version
                    if kind in ("ADDED", "MODIFIED", "DELETED"):
                        await self._change(kind, value)
        finally:
            if opened is not None:
                self._well_at = self._clock()
                if self._well_at - opened >= STEADY_S:
                    self._backoff.reset()
        if opened is None or self._clock() - opened < STEADY_S:
            await self._sleep(self._backoff.again())  # it would be asked again and again
        return version

    async def _change(self, kind: str, value: dict[str, object]) -> None:
        found = None if kind == "DELETED" else self.resource.read(value)
        key = found.key if found else key_of(value)
        if key:  # else it is of no form that we could have heard of before
            await self._tell(Changed(resource=self.resource, key=key, value=found))

    async def _wait(self, fault: Fault) -> float:
        """Seconds until it is worth another try."""
        resource = self.resource
        if fault.cause == "gone":
            return self._soon()
        is_new = self._well_at is None or self._clock() - self._well_at > GRACE_S
        if fault.cause == "login":
            if await self._api.renew(fault.login):
                return 0.0
            if is_new:
                raise DiscoveryError(
                    f"the Kubernetes API does not know us: {visible(fault.detail)[:200]}",
                    "kubectl get services",
                )
        elif fault.cause != "lost" and is_new:
            return await self._without(fault)
        said = visible(fault.detail)[:200]
        log.debug("%s: %s", self._path, said)
        if not self._has_listed and resource.is_needed:
            raise DiscoveryError(
                f"the Kubernetes API cannot be reached: {said}", "kubectl cluster-info"
            )
        if not self._has_listed:
            await self._tell(Without(resource=resource, namespace=self.namespace))
        return self._backoff.again()

    def _soon(self) -> float:
        """At once the first time; an API server that says Gone each time is not run after."""
        wait = self._backoff.again()
        return 0.0 if wait <= FIRST_S else wait

    async def _without(self, fault: Fault) -> float:
        resource = self.resource
        asked = Right(
            verb="list", resource=resource.name, group=resource.group, namespace=self.namespace
        )
        right = refused(fault.detail, asked) if fault.cause == "rights" else None
        if resource.is_needed and right:
            raise Denied(right)
        if resource.is_needed:
            raise DiscoveryError(
                f"the cluster serves no {resource.name} ({resource.group or 'core'}/v1)",
                "discovery needs Kubernetes 1.21 or newer",
            )
        await self._tell(Without(resource=resource, namespace=self.namespace, right=right))
        return ABSENT_S
