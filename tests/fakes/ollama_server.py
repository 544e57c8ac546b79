"""Ollama, as its docs/api.md and server/routes.go have it. It adds the numbers of the last
question; asked "hang" it makes tokens until nobody listens, "late error" fails after a token,
"think" thinks first if it is let; all else is answered "ls -la"."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class FakeOllama:
    models: tuple[str, ...] = ("qwen2.5-coder:7b",)
    size: str = "7.6B"
    is_busy: bool = False
    takes_think: bool = True
    holds_schema: bool = True
    requests: list[dict[str, Any]] = field(default_factory=list)
    """What was posted to /api/chat."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A reader went away in mid-answer."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._root)
        app.router.add_get("/api/version", self._version)
        app.router.add_get("/api/tags", self._tags)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/api/chat", self._chat)
        return app

    async def _root(self, _: web.Request) -> web.Response:
        return web.Response(text="Ollama is running")

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "0.12.6"})

    async def _tags(self, _: web.Request) -> web.Response:
        details = {"format": "gguf", "family": "qwen2", "parameter_size": self.size}
        rows = [
            {"name": m, "model": m, "size": 4683087332, "details": details} for m in self.models
        ]
        return web.json_response({"models": rows})

    async def _models(self, _: web.Request) -> web.Response:
        base = {"object": "model", "created": 1795385234, "owned_by": "library"}
        rows = [{"id": model, **base} for model in self.models]
        return web.json_response({"object": "list", "data": rows})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        if self.is_busy:
            text = "server busy, please try again.  maximum pending requests exceeded"
            return web.json_response({"error": text}, status=503)
        if body["model"] not in self.models:
            return web.json_response({"error": f"model '{body['model']}' not found"}, status=404)
        if "think" in body and not self.takes_think:
            text = f'"{body["model"]}" does not support thinking'
            return web.json_response({"error": text}, status=400)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            await self._tell(response, body)
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise
        return response

    async def _tell(self, response: web.StreamResponse, body: dict[str, Any]) -> None:
        asked = body["messages"][-1]["content"]
        if asked.startswith("think") and body.get("think") is not False:
            await _line(response, body, {"content": "", "thinking": "They want a list."})
        while asked.startswith("hang"):
            await _line(response, body, {"content": " word"})
            await asyncio.sleep(0.02)
        tokens = re.findall(r"\s*\S+|\s+", self._answer(asked, body))
        most = body["options"]["num_predict"]
        for token in tokens[:most]:
            await _line(response, body, {"content": token})
            if asked.startswith("late error"):
                await response.write(b'{"error":"an error was encountered while running"}\n')
                return
        end = {
            "done": True,
            "done_reason": "length" if len(tokens) > most else "stop",
            "total_duration": 5191566416,
            "load_duration": 2154458,
            "prompt_eval_count": 26,
            "eval_count": len(tokens[:most]),
            "eval_duration": 4799921000,
        }
        await _line(response, body, {"content": ""}, end)

    def _answer(self, asked: str, body: dict[str, Any]) -> str:
        if "format" in body and self.holds_schema:
            return json.dumps({"command": "ls -la"})
        if found := re.search(r"(\d+)\+(\d+)", asked):
            return str(int(found[1]) + int(found[2]))
        return "ls -la"


async def _line(
    response: web.StreamResponse,
    body: dict[str, Any],
    message: dict[str, Any],
    end: dict[str, Any] | None = None,
) -> None:
    document = {
        "model": body["model"],
        "created_at": "2026-11-22T22:07:15.000000Z",
        "message": {"role": "assistant", **message},
        "done": False,
        **(end or {}),
    }
    await response.write(json.dumps(document).encode() + b"\n")
