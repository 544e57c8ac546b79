"""An endpoint of kind ``auto``: asks the server what it is, and becomes the right adapter then."""

from __future__ import annotations

from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell import backends
from cmdai_shell.backends.handshake import IDENTIFY_S, not_reached
from cmdai_shell.backends.http import HttpClient, Settings
from cmdai_shell.backends.identify import Found, identify, split
from cmdai_shell.backends.server import RemoteServer
from cmdai_shell.core import Abilities, Handshake, Load, Notice, Probe, Server
from cmdai_shell.errors import BackendError, BackendUnavailable, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cmdai_shell.core import Endpoint, Prompt

NONE: Abilities = frozenset()


class AutoServer:
    """``core.Server`` that delegates to another one, once it knows to which."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        root, self._api = split(endpoint.url)
        self.client = HttpClient(root, name=endpoint.id, settings=settings)
        self._server: Server | None = None
        self._by_kind: dict[str, Server] = {}
        """All that it ever was: an answer that runs goes on, and unused connections end soon."""
        self._seen = ""
        """The kind at the last look."""

    @property
    def endpoint(self) -> Endpoint:
        return self._server.endpoint if self._server else self._endpoint

    @property
    def name(self) -> str:
        return self._endpoint.id

    @property
    def title(self) -> str:
        return self._endpoint.id

    @property
    def model(self) -> str:
        return self._server.model if self._server else self._endpoint.model

    @property
    def abilities(self) -> Abilities:
        """Unknown is none: until it is known the server is asked as a small model."""
        return self._server.abilities if self._server else NONE

    @property
    def is_warm(self) -> bool:
        return self._server.is_warm if self._server else self.client.is_warm

    async def warm(self, timeout: float) -> None:
        with suppress(BackendError):
            server = await self._known(timeout)
            await server.warm(timeout)

    async def identify(self, timeout: float) -> Probe:
        """Anew: behind the same address there may be another one by now."""
        clock = self._settings.clock
        deadline = clock() + timeout
        server = await self._asked(timeout)
        return await server.identify(deadline - clock())

    async def handshake(self, timeout: float) -> Handshake:
        clock = self._settings.clock
        begun = clock()
        try:
            server = await self._asked(min(timeout, IDENTIFY_S))
        except BackendError as error:
            return await not_reached(self, error, clock() - begun)
        return await server.handshake(timeout - (clock() - begun))

    async def load(self, timeout: float) -> Load:
        return await self._server.load(timeout) if self._server else Load()

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice]:
        clock = self._settings.clock
        deadline = clock() + timeout
        server = await self._known(timeout)
        pieces: AsyncGenerator[str | Notice] = server.stream(  # type: ignore[assignment]
            prompt, deadline - clock()
        )
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        await self.client.aclose()
        for server in self._by_kind.values():
            await server.aclose()

    async def _known(self, timeout: float) -> Server:
        return self._server or await self._asked(timeout)

    async def _asked(self, timeout: float) -> Server:
        """Another kind counts from the second look on that finds it: behind one address there can
        be several, in turns."""
        found = await identify(self.client, self._api, timeout)
        kind = found.probe.kind
        is_twice, self._seen = kind == self._seen, kind
        now = self._server
        if now is None or (is_twice and now.endpoint.kind != kind):
            now = self._server = self._become(found)
        return now

    def _become(self, found: Found) -> Server:
        kind = found.probe.kind
        server = self._by_kind.get(kind)
        if server is None:
            endpoint = replace(self._endpoint, kind=kind)
            try:
                server = self._by_kind[kind] = backends.connect(endpoint, self._settings)
            except ConfigError as error:
                raise BackendUnavailable(error.message, error.hint, "status") from error
        if isinstance(server, RemoteServer):
            server.learn(found)
        return server
