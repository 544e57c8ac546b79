"""Ollama by its own API (docs/api.md in its repository): it holds answers to a schema, can be told
not to think, and keeps its model loaded, none of which its OpenAI dialect does as well."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from cmdai_shell.backends.dialects import schema_of
from cmdai_shell.backends.exchange import Answer, parsed
from cmdai_shell.backends.models import MOST_MODELS, Model, clean, size_of
from cmdai_shell.backends.schema import keeps_to
from cmdai_shell.backends.server import RemoteServer, Usage, count_of, text_of
from cmdai_shell.backends.thinking import Thinking, begins_opened
from cmdai_shell.core import Abilities, Notice, Probe
from cmdai_shell.errors import BackendError, BackendRejected, BadCompletion, ModelMissing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cmdai_shell.backends.http import Settings
    from cmdai_shell.core import Endpoint, Prompt

KEEP_ALIVE = "30m"
"""Its own default is 5 minutes; loading again takes seconds, which a press has not."""


class OllamaServer(RemoteServer):
    """``core.Server`` over ``/api/chat``, streamed as lines of JSON."""

    kind = "ollama"
    health_path = "/"
    metrics_path = ""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        super().__init__(endpoint, settings)
        self._holds_schema = True
        self._takes_think = True

    def _root(self, url: str) -> str:
        return url.removesuffix("/v1").removesuffix("/api")

    @property
    def abilities(self) -> Abilities:
        schema: Abilities = frozenset({"schema"}) if self._holds_schema else frozenset()
        return super().abilities | schema

    async def identify(self, timeout: float) -> Probe:
        async def version() -> str:
            try:
                document = (await self.client.get("/api/version", timeout)).json()
            except BackendError:
                return ""
            return clean(text_of(document.get("version"))) if isinstance(document, dict) else ""

        async with asyncio.TaskGroup() as group:
            task = group.create_task(version())
            try:
                reply = await self.client.get("/api/tags", timeout)
            except BackendError as error:
                failed: BackendError | None = error
            else:
                failed = None
        if failed is not None:
            raise failed
        models = _listed(reply.json())
        self.probe = Probe(
            kind=self.kind,
            version=task.result(),
            models=tuple(model.id for model in models),
            latency=reply.seconds,
        )
        self.choose_model(models, hint=f"ollama pull {self.endpoint.model or 'qwen2.5-coder:7b'}")
        return self.probe

    async def answer(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice | Usage]:
        clock = self.settings.clock
        deadline = clock() + timeout
        if self._model is None:
            await self.identify(timeout)
        renegotiated = False
        for _ in range(4):
            spoken = False
            try:
                async with aclosing(self._attempt(prompt, deadline - clock())) as pieces:
                    async for piece in pieces:
                        spoken = True
                        yield piece
            except ModelMissing:
                if spoken or renegotiated:
                    raise
                renegotiated = True
                await self.identify(deadline - clock())
            except BackendRejected as error:
                if spoken or not self._give_way(error.message):
                    raise
            else:
                return
        raise BackendRejected(f"{self.title} refuses every form of the request", self.client.hint)

    def _give_way(self, words: str) -> bool:
        if self._takes_think and "think" in words:  # "does not support thinking"
            self._takes_think = False
            return True
        if self._holds_schema and ("format" in words or "schema" in words or "grammar" in words):
            self._holds_schema = False
            return True
        return False

    def body(self, prompt: Prompt) -> dict[str, Any]:
        options: dict[str, Any] = {
            "temperature": prompt.temperature,
            "num_predict": prompt.max_tokens,
            "seed": prompt.seed,
        }
        if prompt.stop:
            options["stop"] = list(prompt.stop)
        body: dict[str, Any] = {
            "model": self.model,
            "messages": self.turns(prompt),
            "stream": True,
            "keep_alive": KEEP_ALIVE,
            "options": options,
        }
        if self._takes_think:
            body["think"] = False
        if prompt.schema and self._holds_schema:
            body["format"] = schema_of(prompt.schema)
        return body

    async def _attempt(
        self, prompt: Prompt, timeout: float
    ) -> AsyncGenerator[str | Notice | Usage]:
        body = self.body(prompt)
        thinking = Thinking(opened=begins_opened(self.model) and not self._takes_think)
        noticed, text, usage = False, "", Usage()
        async with self.client.open(
            "POST", "/api/chat", timeout, body=body, has_prompt=True
        ) as answer:
            async for line in answer.lines():
                part = _part(line, answer, self.name)
                message = part.get("message")
                delta = message if isinstance(message, dict) else {}
                piece = thinking.feed(text_of(delta.get("content")))
                thinks = bool(text_of(delta.get("thinking"))) or thinking.is_thinking
                if thinks and not noticed and not text:
                    noticed = True
                    yield Notice(text=f"{self.title} thinks")
                if piece:
                    text += piece
                    yield piece
                if part.get("done"):
                    usage = _usage(part)
                    await answer.drain()
                    break
            if not usage.ending and text:
                raise answer.broken()
            if not usage.ending:
                raise answer.garbage("ended its answer before it began")
        if rest := thinking.end():
            text += rest
            yield rest
        if not text and noticed:
            raise BadCompletion(
                f"{self.title} thought, and had no tokens left to answer",
                "choose a model that does not think, or one that can be told not to",
            )
        if "format" in body and not usage.is_cut:
            self._holds_schema = keeps_to(text, prompt.schema)
        yield usage


def _part(line: str, answer: Answer, name: str) -> dict[str, Any]:
    part = parsed(line, server=name)
    if not isinstance(part, dict):
        raise answer.garbage("sent a line that is no object")
    if part.get("error"):
        said = answer.complaint(line)
        raise answer.refused(said, 404 if "not found" in said.text else 500)
    return part


def _usage(part: dict[str, Any]) -> Usage:
    return Usage(
        generated=count_of(part.get("eval_count")),
        prompt=count_of(part.get("prompt_eval_count")),
        ending=text_of(part.get("done_reason")) or "stop",
        model=clean(text_of(part.get("model"))),
    )


def _listed(document: Any) -> tuple[Model, ...]:
    """``GET /api/tags``: names with their tag, and ``details.parameter_size`` ("7.6B")."""
    rows = document.get("models") if isinstance(document, dict) else None
    found = []
    for row in rows[:MOST_MODELS] if isinstance(rows, list) else ():
        if isinstance(row, dict) and (name := text_of(row.get("name") or row.get("model"))):
            details = row.get("details")
            size = text_of(details.get("parameter_size")) if isinstance(details, dict) else ""
            found.append(Model(id=clean(name), billions=size_of(size)))
    return tuple(found)
