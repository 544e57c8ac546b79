"""NVIDIA Triton by KServe's protocol and its own generate extension.

Sources: triton-inference-server/server, docs/protocol/extension_generate.md and
extension_model_repository.md; what a running tritonserver 2.51 answers (tests/fakes/triton_server).
``generate_stream`` is used for all models: for one that answers once it gives one event, while
``generate`` answers with 200 and an error for one that answers more than once.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from cmdai_shell.auth.authenticator import NoLogin
from cmdai_shell.backends.exchange import parsed
from cmdai_shell.backends.http import HttpClient
from cmdai_shell.backends.models import Model, clean
from cmdai_shell.backends.prometheus import read_load
from cmdai_shell.backends.server import Usage, text_of
from cmdai_shell.backends.text_server import TextServer
from cmdai_shell.backends.triton_shapes import TextModel, body, steps, text_models
from cmdai_shell.core import Load, Probe
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendUnavailable,
    ConfigError,
    ModelMissing,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cmdai_shell.backends.exchange import Answer
    from cmdai_shell.backends.http import Settings
    from cmdai_shell.core import Endpoint, Prompt

METRICS_PORT = 8002
_MOST_CONFIGS = 32
"""Models of a repository that are looked at; one with more names the one to ask."""
_AWAY = re.compile(r"unknown model|has no available versions|is not ready|not found", re.I)
"""Words of triton-inference-server/core for a model that is not there, or not now."""


class TritonServer(TextServer):
    """``core.Server`` over ``/v2/models/NAME/generate_stream``."""

    health_path = "/v2/health/live"

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        super().__init__(endpoint, settings)
        self._metrics = HttpClient(
            _metrics_root(endpoint), name=endpoint.id, settings=replace(settings, auth=NoLogin())
        )
        """A port of its own, which gets no credentials."""
        self._has_metrics = True
        self._text_models: dict[str, TextModel] = {}

    @property
    def known_as(self) -> str:
        found = self._text_models.get(self.model)
        return f"{self.model} {found.known_as}" if found else self.model

    async def identify(self, timeout: float) -> Probe:
        deadline = self.settings.clock() + timeout
        reply = await self.client.get("/v2", timeout)
        said = reply.json()
        if not isinstance(said, dict) or said.get("name") != "triton":
            raise BackendUnavailable(f"{self.title} is no Triton", self.client.hint, "garbage")
        found = await self._ready_models(deadline - self.settings.clock())
        self._text_models = {model.name: model for model in found}
        chosen = self.choose_model(tuple(Model(id=m.name, root=m.known_as) for m in found))
        await self._check_ready(chosen.id, deadline - self.settings.clock())
        self.guides, self._has_metrics = self._text_models[chosen.id].guides, True
        self.probe = Probe(
            kind="triton",
            version=clean(text_of(said.get("version"))),
            models=tuple(self._text_models),
            latency=reply.seconds,
        )
        return self.probe

    async def _ready_models(self, timeout: float) -> tuple[TextModel, ...]:
        """Those that can be asked. Raises BackendBusy while there is none yet, and ModelMissing."""
        deadline = self.settings.clock() + timeout
        try:
            states = await self._states(timeout)
        except BackendDenied:
            # Only the list is restricted, perhaps: then a model that is named can still be asked.
            if not self._endpoint.model:
                raise
            states = {self._endpoint.model: "READY"}
        wanted = self._endpoint.model
        names = [wanted] if wanted in states else [n for n, s in states.items() if s == "READY"]
        configs = await self._configs(names, deadline)
        parts = [part for config in configs for part in steps(config) if part not in names]
        found = text_models(configs + await self._configs(parts, deadline))
        if not found and "LOADING" in states.values():
            raise BackendBusy(f"{self.title} is loading its model", self.client.hint)
        if not found:
            there = ", ".join(states) or "none"
            raise ModelMissing(
                f"{self.title} has no model that takes text; its models: {there}",
                "load one: the vLLM backend's, or TensorRT-LLM's ensemble",
            )
        return found

    async def _states(self, timeout: float) -> dict[str, str]:
        """Name and state of each model, the newest version's."""
        reply = await self.client.post("/v2/repository/index", {}, timeout)
        rows = reply.json()
        states: dict[str, str] = {}
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and (name := text_of(row.get("name"))):
                known = states.get(name) == "READY"
                states[name] = "READY" if known else text_of(row.get("state"))
        return states

    async def _configs(self, names: Sequence[str], deadline: float) -> list[dict[str, Any]]:
        """One after the other, over one connection; without those that cannot be had."""
        configs = []
        for name in names[:_MOST_CONFIGS]:
            path = f"/v2/models/{quote(name, safe='')}/config"
            left = deadline - self.settings.clock()
            reply = await self.client.get(path, left, any_status=True)
            if reply.status == 200 and isinstance(found := reply.json(), dict):
                configs.append(found)
        return configs

    async def _check_ready(self, name: str, timeout: float) -> None:
        """The repository calls a model ready whose engine has died; this does not (the vLLM
        backend's docs/health_check.md). Not ready is 400 with an empty body."""
        path = f"/v2/models/{quote(name, safe='')}/ready"
        reply = await self.client.get(path, timeout, any_status=True)
        if reply.status != 200:
            words = f"{self.title} says that its model {name} is not ready"
            raise BackendUnavailable(words, self.client.hint, "status")

    async def load(self, timeout: float) -> Load:
        await self.look(timeout)
        """Where the metrics cannot be reached they are not asked for before the next
        ``identify``."""
        if not self._has_metrics:
            return Load()
        try:
            reply = await self._metrics.get("/metrics", timeout, any_status=True)
        except BackendError:
            self._has_metrics = False
            return Load()
        return read_load(reply.body.decode("utf-8", "replace")) if reply.status == 200 else Load()

    async def aclose(self) -> None:
        await self._metrics.aclose()
        await super().aclose()

    async def pieces(
        self, prompt: Prompt, text: str, stop: Sequence[str], guide: str, timeout: float
    ) -> AsyncGenerator[str | Usage, None]:
        model = self._text_models[self.model]
        path = f"/v2/models/{quote(model.name, safe='')}/generate_stream"
        sent = body(model, prompt, text, stop, guide)
        whole, events = "", 0
        async with self.client.open(
            "POST", path, timeout, body=sent, any_status=True, has_prompt=True
        ) as answer:
            if answer.status != 200:
                raise await self._refused(answer)
            async for event in answer.events():
                found = parsed(event.data, server=self.title)
                if not isinstance(found, dict):
                    raise answer.garbage("sent what is no event of Triton's")
                if error := text_of(found.get("error")):
                    raise self._failed(answer, error)
                events += 1
                piece = text_of(found.get("text_output"))
                if model.is_cumulative and piece.startswith(whole):
                    piece, whole = piece[len(whole) :], piece
                if piece:
                    yield piece
            if not events or not answer.says_its_end:
                raise answer.broken()
        # An event is a token where the model streams, else the count is not known.
        yield Usage(generated=events if model.is_decoupled else 0, ending="stop")

    async def _refused(self, answer: Answer) -> BackendError:
        """A status other than 200. With an event for a body it is the model that failed, whatever
        the status: Triton gives the first event's error as 400."""
        data = (await answer.read()).decode("utf-8", "replace")
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            error = answer.refused(answer.complaint(data))
            is_away = answer.status in (400, 404, 503) and _AWAY.search(error.message)
            return ModelMissing(error.message, error.hint) if is_away else error
        return self._failed(answer, data.removeprefix("data:").strip())

    def _failed(self, answer: Answer, words: str) -> BackendError:
        """The model itself said that it failed."""
        said = answer.complaint(words)
        return BackendUnavailable(f"{self.title}: {said.text}", self.client.hint, "status")


def _metrics_root(endpoint: Endpoint) -> str:
    """Triton has its metrics on another port: ``--metrics-port``."""
    label = endpoint.labels.get("metrics_port", "") or str(METRICS_PORT)
    if not (label.isdecimal() and 0 < int(label) < 65_536):
        raise ConfigError(f"metrics_port of {endpoint.id}: {label[:20]!r} is no port")
    parts = urlsplit(endpoint.url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{label}"
