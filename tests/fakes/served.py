"""Any ``core.Backend`` as a ``core.Server``: well, and at no address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.core import Endpoint, Handshake, Load, Probe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cmdai_shell.core import Abilities, Backend, Notice, Prompt


class Served:
    """``core.Server`` around ``backend``."""

    is_warm = True

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name, self.title = backend.name, backend.title
        self.endpoint = Endpoint(id=backend.name, url=f"http://{backend.name}:8000")

    @property
    def model(self) -> str:
        return self._backend.model

    @property
    def abilities(self) -> Abilities:
        return self._backend.abilities

    def stream(self, prompt: Prompt, timeout: float) -> AsyncIterator[str | Notice]:
        return self._backend.stream(prompt, timeout)

    async def identify(self, timeout: float) -> Probe:
        return Probe(kind="openai")

    async def handshake(self, timeout: float) -> Handshake:
        return Handshake(state="ok")

    async def load(self, timeout: float) -> Load:
        return Load()

    async def warm(self, timeout: float) -> None:
        pass

    async def aclose(self) -> None:
        await self._backend.aclose()
