"""What all adapters of remote servers share: an endpoint's name, its client, the handshake."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cmdai_shell.backends import handshake as shaking
from cmdai_shell.backends.http import HttpClient, Settings
from cmdai_shell.backends.models import Model, choose, names
from cmdai_shell.backends.prometheus import read_load
from cmdai_shell.core import Abilities, Cut, Load, Notice
from cmdai_shell.errors import BackendError, BackendUnavailable, BadCompletion, ModelMissing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from cmdai_shell.backends.identify import Found
    from cmdai_shell.core import Endpoint, Handshake, Probe, Prompt

_CUT = frozenset({"length", "max_tokens", "content_filter"})
CHARACTERS_PER_TOKEN = 64
"""A server that sends more text than this for each token it was allowed does not stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The end of an answer, as the server counts it; 0 where it does not. ``ending``: "stop",
    "length", or the server's own word."""

    generated: int = 0
    prompt: int = 0
    ending: str = ""
    model: str = ""

    @property
    def is_cut(self) -> bool:
        """The answer is not whole."""
        return self.ending in _CUT


class RemoteServer:
    """``core.Server``, but for what is the protocol's: ``identify`` and ``answer``."""

    health_path = "/health"
    """What a GET of costs nothing."""
    metrics_path = "/metrics"
    """Empty: it has none that we read."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self._endpoint = endpoint
        self.settings = settings
        self.client = HttpClient(self._root(endpoint.url), name=endpoint.id, settings=settings)
        self.probe: Probe | None = None
        self.models: tuple[Model, ...] = ()
        self._model: Model | None = Model(id=endpoint.model) if endpoint.model else None
        self._is_proven = False
        """A handshake has succeeded before."""

    def _root(self, url: str) -> str:
        return url

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    @property
    def name(self) -> str:
        return self._endpoint.id

    @property
    def title(self) -> str:
        return self._endpoint.id

    @property
    def model(self) -> str:
        return self._model.id if self._model else ""

    @property
    def is_large(self) -> bool:
        configured = self.settings.is_large
        return configured if configured is not None else bool(self._model and self._model.is_large)

    @property
    def abilities(self) -> Abilities:
        return frozenset({"large"}) if self.is_large else frozenset()

    @property
    def is_warm(self) -> bool:
        return self.client.is_warm

    async def warm(self, timeout: float) -> None:
        await self.client.warm(self.health_path, timeout)

    async def aclose(self) -> None:
        await self.client.aclose()

    async def identify(self, timeout: float) -> Probe:
        raise NotImplementedError

    def learn(self, found: Found) -> None:
        """What asking has found. Raises ModelMissing."""
        self.probe = found.probe
        self.choose_model(found.models)

    def answer(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice | Usage]:
        """Like ``stream``; last, if the server counts, a ``Usage``."""
        raise NotImplementedError

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncIterator[str | Notice]:
        """See ``core.Backend``. Raises BadCompletion for an answer without a word, too."""
        size, limit = 0, CHARACTERS_PER_TOKEN * (prompt.max_tokens + 16)
        async with aclosing(self.answer(prompt, timeout)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Usage):
                    if piece.is_cut:
                        yield Cut()
                    continue
                if isinstance(piece, str):
                    size += len(piece)
                    if size > limit:
                        raise BadCompletion(f"{self.title} does not stop", self.client.hint)
                yield piece
        if not size:
            raise BadCompletion(f"{self.title} answered with nothing", self.client.hint)

    async def look(self, timeout: float) -> str:
        """What it says of how it is, where the settings name a path; else nothing. Raises
        BackendError."""
        path, wanted = self.settings.health_path, self.settings.health_status
        if not path:
            return ""
        reply = await self.client.get(path, timeout, any_status=True)
        if reply.status != wanted:
            raise BackendUnavailable(
                f"{self.title} says {reply.status} at {path}, not {wanted}", self.client.hint
            )
        return f"{reply.status} at {path}"

    async def handshake(self, timeout: float) -> Handshake:
        found = await shaking.shake(
            self,
            timeout,
            clock=self.settings.clock,
            random=self.settings.random,
            is_first=not self._is_proven,
        )
        self._is_proven = found.state in ("ok", "slow")
        if self.client.via_gateway and found.probe:  # some only say so of a model's answer
            self.probe = replace(found.probe, via_gateway=True)
            found = replace(found, probe=self.probe)
        return found

    async def load(self, timeout: float) -> Load:
        await self.look(timeout)
        if not self.metrics_path or (self.probe and self.probe.via_gateway):
            return Load()
        try:
            reply = await self.client.get(self.metrics_path, timeout, any_status=True)
        except BackendError:
            return Load()
        return read_load(reply.body.decode("utf-8", "replace")) if reply.status == 200 else Load()

    def choose_model(self, models: tuple[Model, ...], *, hint: str = "") -> Model:
        """Of what is there, the one the configuration wants. Raises ModelMissing."""
        self.models = models
        wanted = self._endpoint.model
        found = choose(wanted, models)
        if found is None:
            what = f"has no model {wanted!r}" if wanted else "has no model"
            raise ModelMissing(
                f"{self.title} {what}; there is: {names(models)}",
                hint or "set model in its environment's file to one of these",
            )
        self._model = found
        return found

    @staticmethod
    def turns(prompt: Prompt) -> list[dict[str, str]]:
        """The conversation as chat messages."""
        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        for asked, answered in (*prompt.examples, *prompt.near):
            messages.append({"role": "user", "content": asked})
            messages.append({"role": "assistant", "content": answered})
        return [*messages, {"role": "user", "content": prompt.user}]


def text_of(value: Any) -> str:
    """Text where a server may send null, or something else."""
    return value if isinstance(value, str) else ""


def count_of(value: Any) -> int:
    known = isinstance(value, int) and not isinstance(value, bool)
    return max(0, value) if known else 0
