"""Servers of the OpenAI dialect, by chat completions; how they differ is ``dialects``' table."""

from __future__ import annotations

import re
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from cmdai_shell.backends.dialects import DIALECTS, Dialect, schema_of
from cmdai_shell.backends.exchange import Answer, parsed
from cmdai_shell.backends.identify import Found, identify, split
from cmdai_shell.backends.models import clean
from cmdai_shell.backends.schema import keeps_to
from cmdai_shell.backends.server import RemoteServer, Usage, count_of, text_of
from cmdai_shell.backends.thinking import Thinking, begins_opened
from cmdai_shell.core import Abilities, Notice, Probe
from cmdai_shell.errors import BackendRejected, BackendUnavailable, BadCompletion, ModelMissing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cmdai_shell.backends.http import Settings
    from cmdai_shell.core import Endpoint, Prompt

_MOST_TRIES = 5
_AFTERWARDS_S = 0.5
_NEEDED = frozenset({"model", "messages", "stream"})
_SCHEMA_WORDS = re.compile(r"schema|structured|response_format|guided|grammar|nvext", re.I)
_NOT_TAKEN = re.compile(
    r"un(?:supported|recognized|known|expected|permitted)"
    r"|(?:not|n't) (?:\w+ )?(?:support|permit|allow)"
    r"|extra (?:inputs|fields)|invalid|must be|is not|cannot be",
    re.I,
)
_SCHEMA_FIELDS = frozenset({"response_format", "structured_outputs", "guided_json", "nvext"})


class OpenAIServer(RemoteServer):
    """``core.Server`` over ``/v1/chat/completions``, streamed."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        kind = endpoint.kind if endpoint.kind in DIALECTS else "openai"
        self.kind = kind
        self.dialect: Dialect = DIALECTS[kind]
        self._api = split(endpoint.url)[1]
        super().__init__(endpoint, settings)
        self.health_path = self.dialect.health
        self.metrics_path = self.dialect.metrics
        self._version = ""
        self._holds_schema = self.dialect.schema is not None
        self._refused: set[str] = set()
        """Optional fields that the server does not take."""
        self._tokens_field = self.dialect.tokens

    def _root(self, url: str) -> str:
        return split(url)[0]

    @property
    def abilities(self) -> Abilities:
        schema: Abilities = frozenset({"schema"}) if self._holds_schema else frozenset()
        return super().abilities | schema

    async def identify(self, timeout: float) -> Probe:
        """Its models, and where dialects differ by version, that. Raises ModelMissing too."""
        found = await identify(self.client, self._api, timeout, kind=self.kind)
        self.learn(found)
        return found.probe

    def learn(self, found: Found) -> None:
        if found.probe.version != self._version:  # an upgrade may have mended what was refused
            self._version = found.probe.version
            self._holds_schema = self.dialect.schema is not None
            self._refused.clear()
        super().learn(found)

    async def answer(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice | Usage]:
        """Asks again, before a word is out, if the server does not know the model any more, or
        refuses a field that it can do without."""
        clock = self.settings.clock
        deadline = clock() + timeout
        if self._model is None:
            await self.identify(timeout)
        renegotiated = False
        for _ in range(_MOST_TRIES):
            body = self.body(prompt)
            spoken = False
            try:
                async with aclosing(self._attempt(body, prompt, deadline - clock())) as pieces:
                    async for piece in pieces:
                        spoken = True
                        yield piece
            except ModelMissing:
                if spoken or renegotiated or self._has_no_list:
                    raise
                renegotiated = True
                await self.identify(deadline - clock())
            except BackendRejected as error:
                if spoken or not self._give_way(error.message, body):
                    raise
            else:
                return
        raise BackendRejected(f"{self.title} refuses every form of the request", self.client.hint)

    @property
    def _has_no_list(self) -> bool:
        """Its models cannot be listed: there is nothing to choose from."""
        return False

    def _path(self) -> str:
        return f"{self._api}/chat/completions"

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """The request, without what the server is known to refuse."""
        dialect = self.dialect
        optional: dict[str, Any] = {
            self._tokens_field: prompt.max_tokens,
            "temperature": prompt.temperature,
            "stream_options": {"include_usage": True},
            **dialect.extra,
        }
        if prompt.temperature and dialect.has_seed:
            optional["seed"] = prompt.seed
        if prompt.stop:
            optional["stop"] = list(prompt.stop[: dialect.most_stops])
        if prompt.schema and self._holds_schema and dialect.schema:
            optional |= dialect.schema(schema_of(prompt.schema), self._version)
        kept = {name: value for name, value in optional.items() if name not in self._refused}
        return {"model": self.model, "messages": self.turns(prompt), "stream": True, **kept}

    def _give_way(self, words: str, body: dict[str, Any]) -> bool:
        """The server refused: whether a field that it named, or its form, can be left out."""
        if "max_completion_tokens" in words and self._tokens_field == "max_tokens":
            # OpenAI's and Azure's reasoning models: "Use 'max_completion_tokens' instead."
            self._tokens_field = "max_completion_tokens"
            return True
        if _SCHEMA_FIELDS & body.keys() and _SCHEMA_WORDS.search(words):
            self._holds_schema = False
            return True
        optional = body.keys() - _NEEDED - {self._tokens_field}
        is_form = bool(_NOT_TAKEN.search(words))
        named = {n for n in optional if is_form and re.search(rf"(?<!\w){n}(?!\w)", words)}
        self._refused |= named
        return bool(named)

    async def _attempt(
        self, body: dict[str, Any], prompt: Prompt, timeout: float
    ) -> AsyncGenerator[str | Notice | Usage]:
        reader = _Reader(self, self.model)
        async with self.client.open(
            "POST", self._path(), timeout, body=body, has_prompt=True
        ) as answer:
            if "json" in answer.headers.get("Content-Type", ""):
                whole = (await answer.read()).decode("utf-8", "replace")  # it does not stream
                for piece in reader.read(whole, answer):
                    yield piece
                reader.close()
            else:
                async for data in _told(answer, reader):
                    for piece in reader.read(data, answer):
                        yield piece
                await answer.drain()
            for piece in reader.end(answer):
                yield piece
        if _SCHEMA_FIELDS & body.keys() and not reader.usage.is_cut:
            self._holds_schema = keeps_to(reader.text, prompt.schema)
        yield reader.usage


async def _told(answer: Answer, reader: _Reader) -> AsyncGenerator[str]:
    """The data of its events, up to the last one. Once the model has ended only its usage can
    follow, which is not waited for long: proxies keep a stream open with comments."""
    try:
        async for event in answer.events():
            if event.data.strip() == "[DONE]":
                reader.close()
                return
            yield event.data
            if reader.usage.ending:
                answer.hurry(_AFTERWARDS_S)
    except BackendUnavailable:
        if not reader.usage.ending:
            raise


class _Reader:
    """Chunks of an answer to pieces of text. Raises what the server says in mid-stream."""

    def __init__(self, server: OpenAIServer, model: str) -> None:
        self._server = server
        self._thinking = Thinking(opened=begins_opened(model))
        self._noticed = False
        self._usage: dict[str, int] = {}
        self._ending = ""
        self._is_closed = False
        self._model = ""
        self.text = ""

    @property
    def usage(self) -> Usage:
        return Usage(ending=self._ending, model=self._model, **self._usage)

    def read(self, data: str, answer: Answer) -> list[str | Notice]:
        chunk = parsed(data, server=self._server.name)
        if not isinstance(chunk, dict):
            raise answer.garbage("sent a chunk that is no object")
        if chunk.get("error") or chunk.get("object") == "error":
            raise self._refusal(data, chunk, answer)
        self._model = clean(text_of(chunk.get("model"))) or self._model
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = {
                "generated": count_of(usage.get("completion_tokens")),
                "prompt": count_of(usage.get("prompt_tokens")),
            }
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return []  # usage at the end; Azure's prompt_filter_results at the beginning
        self._ending = text_of(choices[0].get("finish_reason")) or self._ending
        delta = choices[0].get("delta") or choices[0].get("message")
        return self._delta(delta) if isinstance(delta, dict) else []

    def _delta(self, delta: dict[str, Any]) -> list[str | Notice]:
        """``reasoning`` is vLLM's and Ollama's, ``reasoning_content`` DeepSeek's, SGLang's,
        llama.cpp's and older vLLM's: the model is alive, and it is no answer."""
        pieces: list[str | Notice] = []
        thought = text_of(delta.get("reasoning")) or text_of(delta.get("reasoning_content"))
        text = self._thinking.feed(text_of(delta.get("content")))
        if (thought or self._thinking.is_thinking) and not self._noticed and not self.text:
            self._noticed = True
            pieces.append(Notice(text=f"{self._server.title} thinks"))
        if text:
            self.text += text
            pieces.append(text)
        return pieces

    def close(self) -> None:
        """The server has said all, though it may not say why it ended."""
        self._is_closed = True

    def end(self, answer: Answer) -> list[str | Notice]:
        """Raises BackendUnavailable for half an answer too: without a length or chunks (RFC 9112
        6.3) a connection that broke looks like one that was closed."""
        if not self._ending and not self.text and not self._noticed:
            raise answer.garbage("ended its answer before it began")
        if not self._ending and not self._is_closed:
            raise answer.broken()
        text = self._thinking.end()
        self.text += text
        if not self.text and self._noticed:
            raise BadCompletion(
                f"{self._server.title} thought, and had no tokens left to answer",
                "choose a model that does not think, or one that can be told not to",
            )
        return [text] if text else []

    def _refusal(self, data: str, chunk: dict[str, Any], answer: Answer) -> Exception:
        """An error in a stream whose HTTP status was 200 (vLLM, TGI, LiteLLM): its own status is
        in ``code`` or ``http_status_code``, if anywhere."""
        error = chunk.get("error")
        details = error if isinstance(error, dict) else chunk
        status = 500
        for key in ("code", "status", "http_status_code", "status_code"):
            found: Any = details.get(key)
            with suppress(TypeError, ValueError):
                status = int(found) if 400 <= int(found) < 600 else status
        return answer.refused(answer.complaint(data), status)
