"""Servers in a Kubernetes cluster: Services annotated ``cmdai.ai/backend-type`` with pods that take
requests, and InferencePools. Listed once, then watched.

Nothing is sent to what is found, and no prompt goes through the API server. To list and to watch
services and endpointslices has to be allowed; the same of inferencepools, httproutes, gateways and
ingresses, and to list nodes, shows more ways to them. ``rights`` names what is missing.
"""

from __future__ import annotations

import asyncio
import os
from importlib.util import find_spec
from random import Random
from typing import TYPE_CHECKING

from cmdai_shell.core import Added, Removed
from cmdai_shell.discovery.cluster.api import Api
from cmdai_shell.discovery.cluster.follow import Denied
from cmdai_shell.discovery.cluster.login import ACCOUNT, Logins
from cmdai_shell.discovery.cluster.session import Session
from cmdai_shell.discovery.cluster.shapes import name_of, namespace_of
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
    from pathlib import Path

    from cmdai_shell.core import Endpoint
    from cmdai_shell.discovery.rights import Right

if find_spec("kubernetes_asyncio") is None:  # ``cluster.kubeconfig`` imports it, in a child process
    raise ModuleNotFoundError("no kubernetes_asyncio", name="kubernetes_asyncio")

ALL = "*"
"""As a namespace: every one of the cluster."""


class KubernetesSource:
    """``core.Source`` for one cluster.

    ``namespaces``: where none is named, the context's own; ``*`` is all. ``service``: only that
    one, annotated or not. In a pod its service account logs in, elsewhere, and with a ``context``,
    the kubeconfig; ``environ`` and ``account`` are where these are looked for.
    """

    name = "kubernetes"

    def __init__(
        self,
        *,
        context: str = "",
        namespaces: Sequence[str] = (),
        service: str = "",
        environment: str = "",
        priority: int = 0,
        environ: Mapping[str, str] = os.environ,
        account: Path = ACCOUNT,
        random: Random | None = None,
    ) -> None:
        for namespace in namespaces:
            if namespace != ALL and not namespace_of(namespace):
                raise ConfigError(
                    f"no name of a Kubernetes namespace: {namespace[:80]!r}", "kubectl get ns"
                )
        if service and not name_of(service):
            raise ConfigError(
                f"no name of a Kubernetes service: {service[:80]!r}", "kubectl get services"
            )
        self._context = context
        self._namespaces = ("",) if ALL in namespaces else tuple(dict.fromkeys(namespaces))
        self._service = service
        self._environment = environment
        self._priority = priority
        self._logins = Logins(context, environ, account)
        self._random = random or Random()  # noqa: S311  spreads retries, no secret
        self._offered: dict[str, Endpoint] = {}
        self.unreachable: tuple[tuple[str, str, str], ...] = ()
        """(NAMESPACE/NAME, reason, what to type) of what is there and cannot be offered."""
        self.missing_rights: tuple[Right, ...] = ()
        """It goes on without these, and sees less."""

    async def watch(self) -> AsyncGenerator[Added | Removed, None]:
        """See ``core.Source``. Begun again, it adds all that is there again, and removes what has
        gone meanwhile. Only one runs at a time."""
        api = Api(self._logins)
        told: dict[str, Endpoint] = {}
        failure = None
        is_closed = True
        try:
            session = await self._begin(api)
            async with asyncio.TaskGroup() as group:
                tasks = session.start(group)
                try:
                    while (failure := await session.hear()) is None:
                        for change in self._changes(session, told):
                            yield change
                    is_closed = False
                except GeneratorExit:
                    pass  # a task group would wrap it; its end is told by is_closed
                finally:
                    for task in tasks:
                        task.cancel()
            if is_closed or failure is None:
                return
            raise await session.denied(failure.right) if isinstance(failure, Denied) else failure
        finally:
            await api.aclose()

    async def _begin(self, api: Api) -> Session:
        login = await api.open()
        return Session(
            api,
            namespaces=self._namespaces or (login.namespace,),
            is_inside=login.is_inside,
            context=self._context,
            service=self._service,
            random=self._random.random,
        )

    def _changes(self, session: Session, told: dict[str, Endpoint]) -> Iterator[Added | Removed]:
        """``told`` is what this watch has added; what an earlier one had is removed, if need be."""
        if not session.is_complete:
            return
        found, self.unreachable = session.world.outcome(self._environment, self._priority)
        self.missing_rights = session.missing_rights
        for name in [name for name in self._offered if name not in found]:
            del self._offered[name]
            told.pop(name, None)
            yield Removed(id=name)
        for name, endpoint in found.items():
            if told.get(name) != endpoint:
                told[name] = self._offered[name] = endpoint
                yield Added(endpoint=endpoint)
