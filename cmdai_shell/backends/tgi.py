"""Hugging Face's Text Generation Inference by its own protocol.

Sources: huggingface/text-generation-inference, docs/openapi.json and router/src/server.rs (3.3).
All that can go wrong after the headers comes inside the stream, with HTTP 200. The key of
``--api-key`` guards the POST routes only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell.backends.exchange import parsed
from cmdai_shell.backends.models import Model, clean
from cmdai_shell.backends.server import Usage, count_of, text_of
from cmdai_shell.backends.text_server import TextServer
from cmdai_shell.backends.tgi_shapes import GRAMMAR, body, status_of, token, usage
from cmdai_shell.core import Probe
from cmdai_shell.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cmdai_shell.backends.http import Settings
    from cmdai_shell.core import Endpoint, Load, Prompt

MOST_STOPS = 4
"""``--max-stop-sequences``, where ``/info`` does not say it."""


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
        async with self.client.open(
            "POST", "/generate_stream", timeout, body=sent, has_prompt=True
        ) as answer:
            async for event in answer.events():
                found = parsed(event.data, server=self.title)
                if not isinstance(found, dict):
                    raise answer.garbage("sent what is no event of TGI's")
                if "error" in found:
                    status = status_of(found)
                    raise answer.refused(answer.complaint(event.data), status)
                if piece := token(found):
                    yield piece
                if text_of(found.get("generated_text")) or found.get("details"):
                    yield usage(found)
                    await answer.drain()
                    return
            raise answer.broken()
