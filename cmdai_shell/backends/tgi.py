"""Hugging Face's Text Generation Inference by its own protocol.

Sources: huggingface/text-generation-inference, docs/openapi.json and router/src/server.rs (3.3).
All that can go wrong after the headers comes inside the stream, with HTTP 200. The key of
``--api-key`` guards the POST routes only.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cmdai_shell.backends.exchange import parsed
from cmdai_shell.backends.models import Model, clean
from cmdai_shell.backends.server import Usage, count_of, text_of
from cmdai_shell.backends.text_server import TextServer
from cmdai_shell.core import Probe
from cmdai_shell.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cmdai_shell.backends.exchange import Answer
    from cmdai_shell.backends.http import Settings
    from cmdai_shell.core import Endpoint, Load, Prompt

GRAMMAR = "grammar"
MOST_STOPS = 4
"""``--max-stop-sequences``, where ``/info`` does not say it."""
_DRAIN_S = 0.1
_STATUSES = {
    "overloaded": 429,
    "validation": 422,
    "template_error": 422,
    "tool_error": 422,
    "generation": 424,
    "incomplete_generation": 500,
    "healthcheck": 503,
}
"""The status that TGI gives each ``error_type`` where it still can."""


class TgiServer(TextServer):
    """``core.Server`` over ``/generate_stream``."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        super().__init__(endpoint, settings)
        self._most_stops = MOST_STOPS

    async def identify(self, timeout: float) -> Probe:
        reply = await self.client.get("/info", timeout)
        info = reply.json()
        if not isinstance(info, dict) or not text_of(info.get("model_id")):
            raise BackendUnavailable(f"{self.title} is no TGI server", self.client.hint, "garbage")
        model = Model(id=clean(info["model_id"]))
        self.choose_model((model,))
        self._most_stops = count_of(info.get("max_stop_sequences")) or MOST_STOPS
        self.guides = (GRAMMAR, "")
        self.probe = Probe(
            kind="tgi",
            version=clean(text_of(info.get("version"))),
            models=(model.id,),
            latency=reply.seconds,
        )
        return self.probe

    async def load(self, timeout: float) -> Load:
        # It counts tokens when a request ends: flat while it runs, which is not wedged.
        return replace(await super().load(timeout), generated=None)

    async def pieces(
        self, prompt: Prompt, text: str, stop: Sequence[str], guide: str, timeout: float
    ) -> AsyncGenerator[str | Usage, None]:
        sent = body(prompt, text, stop[: self._most_stops], guide)
        async with self.client.open("POST", "/generate_stream", timeout, body=sent) as answer:
            async for event in answer.events():
                found = parsed(event.data, server=self.title)
                if not isinstance(found, dict):
                    raise answer.garbage("sent what is no event of TGI's")
                if "error" in found:
                    status = _STATUSES.get(text_of(found.get("error_type")), 500)
                    raise answer.refused(answer.complaint(event.data), status)
                if piece := token(found):
                    yield piece
                if text_of(found.get("generated_text")) or found.get("details"):
                    yield usage(found)
                    await _drain(answer)
                    return
        raise BackendUnavailable(f"{self.title} broke off in mid-answer", self.client.hint, "reset")


async def _drain(answer: Answer) -> None:
    """To the end, which follows at once: the connection can be used again."""
    with suppress(TimeoutError, BackendUnavailable):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in answer.chunks():
                pass


def body(prompt: Prompt, text: str, stop: Sequence[str], guide: str = "") -> dict[str, Any]:
    """What is posted. A temperature must be above 0 where it is given at all, and makes TGI draw
    whatever ``do_sample`` says; a JSON grammar needs ``properties`` (router/src/validation.rs)."""
    parameters: dict[str, Any] = {
        "max_new_tokens": prompt.max_tokens,
        "do_sample": prompt.temperature > 0,
        "return_full_text": False,
        "details": True,
        "stop": list(stop),
    }
    if prompt.temperature > 0:
        parameters |= {"temperature": prompt.temperature, "seed": prompt.seed}
    if guide and prompt.schema:
        parameters[GRAMMAR] = {"type": "json", "value": json.loads(prompt.schema)}
    return {"inputs": text, "parameters": parameters}


def token(event: dict[str, Any]) -> str:
    """The text of an event; special tokens are none of it."""
    found = event.get("token")
    if not isinstance(found, dict) or found.get("special") is True:
        return ""
    return text_of(found.get("text"))


def usage(event: dict[str, Any]) -> Usage:
    """Of the last event."""
    details = event.get("details")
    told = details if isinstance(details, dict) else {}
    reason = text_of(told.get("finish_reason"))
    return Usage(
        generated=count_of(told.get("generated_tokens")),
        prompt=count_of(told.get("input_length")),
        ending={"length": "length"}.get(reason, "stop"),
    )
