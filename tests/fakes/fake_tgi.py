"""Text Generation Inference, as its router answers (docs/openapi.json, router/src/server.rs).

It refuses what the real one refuses, and computes: it adds the numbers of the last question. Asked
"hang" it makes tokens until nobody listens, "late error" fails after a token, "overloaded" is what
it says of itself; all else is answered with "ls -la".
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_TEXT = re.compile(r"\s*\S+\s*$|\s*\S+")


@dataclass
class FakeTgi:
    model_id: str = "Qwen/Qwen2.5-Coder-7B-Instruct"
    api_key: str = ""
    has_grammar: bool = True
    keeps_to_grammar: bool = True
    ignores_stop: bool = False
    is_healthy: bool = True
    max_total_tokens: int = 4096
    token_s: float = 0.0
    queue: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    """What was posted to generate_stream."""
    paths: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A reader went away in mid-answer."""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/info", self._info)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/generate", self._generate)
        app.router.add_post("/generate_stream", self._stream)
        app.router.add_post("/", self._compat)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.paths.append(request.path)
        is_known = request.headers.get("Authorization") == f"Bearer {self.api_key}"
        if self.api_key and request.method == "POST" and not is_known:
            return web.Response(status=401)  # with an empty body
        response: web.StreamResponse = await handler(request)
        return response

    async def _info(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "model_id": self.model_id,
                "model_sha": "e21aee8",
                "model_pipeline_tag": "text-generation",
                "max_concurrent_requests": 128,
                "max_best_of": 2,
                "max_stop_sequences": 4,
                "max_input_tokens": self.max_total_tokens - 1,
                "max_total_tokens": self.max_total_tokens,
                "validation_workers": 2,
                "max_client_batch_size": 4,
                "router": "text-generation-router",
                "version": "3.3.6",
                "sha": "null",
                "docker_label": "sha-0000000",
            }
        )

    async def _health(self, _: web.Request) -> web.Response:
        if self.is_healthy:
            return web.Response()
        return _error(503, "unhealthy", "healthcheck")

    async def _models(self, _: web.Request) -> web.Response:
        row = {"id": self.model_id, "object": "model", "created": 0, "owned_by": self.model_id}
        return web.json_response({"object": "list", "data": [row]})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            text="# TYPE tgi_queue_size gauge\n"
            f"tgi_queue_size {self.queue}\n"
            "# TYPE tgi_batch_current_size gauge\n"
            "tgi_batch_current_size 2\n"
            "# TYPE tgi_request_count counter\n"
            "tgi_request_count 7\n"
            "# TYPE tgi_request_generated_tokens histogram\n"
            "tgi_request_generated_tokens_sum 70\n"
        )

    async def _compat(self, request: web.Request) -> web.StreamResponse:
        """What huggingface_hub posts to; not streamed, the answer is a list."""
        body = await request.json()
        if body.get("stream"):
            return await self._answer(request, body)
        return await self._whole(body, as_list=True)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return await self._whole(await request.json(), as_list=False)

    async def _whole(self, body: dict[str, Any], *, as_list: bool) -> web.StreamResponse:
        if wrong := self._wrong(body):
            return _error(422, f"Input validation error: {wrong}", "validation")
        tokens, reason = self._tokens(body)
        text = "".join(tokens)
        details = {
            "finish_reason": reason,
            "generated_tokens": len(tokens),
            "seed": None,
            "prefill": [],
            "tokens": [_token(at, token) for at, token in enumerate(tokens)],
        }
        asked = body["parameters"].get("details")
        found = {"generated_text": text, "details": details if asked else None}
        headers = {"x-queue-time": "0", "x-generated-tokens": str(len(tokens))}
        return web.json_response([found] if as_list else found, headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json()
        except ValueError:
            return web.Response(status=400, text="Failed to parse the request body as JSON")
        if "inputs" not in body:
            why = "Failed to deserialize the JSON body into the target type: missing field `inputs`"
            return web.Response(status=422, text=why)  # axum's own, and plain
        self.requests.append(body)
        return await self._answer(request, body)

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """Whatever is wrong comes inside the stream: its headers are out before it is known."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        asked = question(body["inputs"])
        try:
            await response.write(b":\n\n")
            if wrong := self._wrong(body):
                await _send(response, _said(f"Input validation error: {wrong}", "validation"))
            elif asked.startswith("overloaded"):
                await _send(response, _said("Model is overloaded", "overloaded"))
            else:
                await self._tell(response, body, asked)
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise
        return response

    async def _tell(self, response: web.StreamResponse, body: dict[str, Any], asked: str) -> None:
        if asked.startswith("hang"):
            await self._hang(response)
        tokens, reason = self._tokens(body)
        for index, token in enumerate(tokens, 1):
            is_last = index == len(tokens)
            details = {
                "finish_reason": reason,
                "generated_tokens": index,
                "seed": None,
                "input_length": len(body["inputs"]) // 4,
            }
            event = {
                "index": index,
                "token": _token(index, token),
                "generated_text": "".join(tokens) if is_last else None,
                "details": details if is_last and body["parameters"].get("details") else None,
            }
            await _send(response, event)
            if asked.startswith("late error"):
                await _send(response, _said("Request failed during generation: boom", "generation"))
                return
            await asyncio.sleep(self.token_s)

    async def _hang(self, response: web.StreamResponse) -> None:
        index = 0
        while True:
            index += 1
            token = {"index": index, "token": _token(index, " word"), "generated_text": None}
            await _send(response, {**token, "details": None})
            await asyncio.sleep(0.02)

    def _tokens(self, body: dict[str, Any]) -> tuple[list[str], str]:
        """The answer, and why it ends. A stop string that was met is part of it."""
        parameters = body["parameters"]
        said = answer(question(body["inputs"]))
        if parameters.get("grammar") and self.keeps_to_grammar:
            said = json.dumps({"command": said})
        said, reason = said + "\n\nmore", "eos_token"
        for stop in () if self.ignores_stop else parameters.get("stop", []):
            if stop in said:
                said, reason = said[: said.index(stop) + len(stop)], "stop_sequence"
        tokens = _TEXT.findall(said)
        most = parameters.get("max_new_tokens", 100)
        return (tokens[:most], "length") if len(tokens) > most else (tokens, reason)

    def _wrong(self, body: dict[str, Any]) -> str:
        parameters = body.get("parameters", {})
        temperature = parameters.get("temperature")
        grammar = parameters.get("grammar")
        if temperature is not None and temperature <= 0:
            return "`temperature` must be strictly positive"
        if len(parameters.get("stop", [])) > 4:
            return "`stop` supports up to 4 stop sequences"
        if not body["inputs"]:
            return "`inputs` cannot be empty"
        if grammar and not self.has_grammar:
            return "Grammar is not supported"
        if grammar and grammar["type"] == "json" and "properties" not in grammar["value"]:
            return "Invalid grammar: Grammar must have a 'properties' field"
        if len(body["inputs"]) // 4 + parameters.get("max_new_tokens", 0) > self.max_total_tokens:
            return f"`inputs` tokens + `max_new_tokens` must be <= {self.max_total_tokens}"
        return ""


def question(text: str) -> str:
    """The last turn of the person, of ChatML."""
    return text.rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]


def answer(asked: str) -> str:
    if found := re.search(r"(\d+)\s*\+\s*(\d+)", asked):
        return str(int(found[1]) + int(found[2]))
    return "ls -la"


def _token(index: int, text: str) -> dict[str, Any]:
    return {"id": index, "text": text, "logprob": -0.1, "special": False}


def _said(error: str, kind: str) -> dict[str, str]:
    return {"error": error, "error_type": kind}


def _error(status: int, error: str, kind: str) -> web.Response:
    return web.json_response(_said(error, kind), status=status)


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    """No space after the colon, as axum's Event::json_data writes it."""
    await response.write(b"data:" + json.dumps(event, separators=(",", ":")).encode() + b"\n\n")
