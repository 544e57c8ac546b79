"""Servers of the OpenAI dialect, as their documents and sources have them; ``FLAVOURS`` is how they
differ. vLLM's is held to what a real 0.32.0 sent (``tests/backends/captures``).

It computes: it adds the numbers of the last question. Asked "hang" it makes tokens until nobody
listens, "late error" fails after a token, "think" thinks first; all else is answered "ls -la".
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS: dict[str, Callable[[int, str], Any]] = {
    "object": lambda status, text: {
        "error": {"message": text, "type": "BadRequestError", "param": None, "code": status}
    },
    "top": lambda status, text: {
        "object": "error",
        "message": text,
        "type": "BadRequestError",
        "param": None,
        "code": status,
    },
    "detail": lambda _, text: {"detail": text},
    "string": lambda _, text: {"error": text},
}


@dataclass(frozen=True)
class Flavour:
    """``answers``: what else than the API it answers by GET; ``schemas``: fields of a request that
    hold the answer to a schema, and where in them it is."""

    owner: str
    answers: dict[str, Any] = field(default_factory=dict)
    schemas: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"response_format": ("json_schema", "schema")}
    )
    error: str = "object"
    reasoning: str = "reasoning_content"
    refuses: tuple[str, ...] = ()
    """Fields that it does not take."""
    row: dict[str, Any] = field(default_factory=dict)
    metrics: str = ""


_VLLM_METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="m"}} 2.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="m"}} {queue}.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{engine="0",model_name="m"}} 0.25
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="m"}} 195.0
"""
_VLLM_ROW = {"root": "Qwen/Qwen2.5-Coder-7B-Instruct", "parent": None, "max_model_len": 512}

FLAVOURS: dict[str, Flavour] = {
    "vllm": Flavour(
        "vllm",
        {"/version": {"version": "0.32.0"}, "/health": ""},
        {"structured_outputs": ("json",), "response_format": ("json_schema", "schema")},
        reasoning="reasoning",
        row=_VLLM_ROW,
        metrics=_VLLM_METRICS,
    ),
    "vllm-old": Flavour(
        "vllm",
        {"/version": {"version": "0.8.4"}, "/health": ""},
        {"guided_json": (), "response_format": ("json_schema", "schema")},
        error="top",
        row=_VLLM_ROW,
        metrics=_VLLM_METRICS.replace("kv_cache", "gpu_cache"),
    ),
    "nim": Flavour(
        "system",
        {
            "/v1/metadata": {"modelInfo": [{"shortName": "m"}], "version": "1.10.1"},
            "/v1/version": {"release": "1.10.1", "api": "1.10.1"},
            "/v1/health/live": {"object": "health.response", "message": "Service is live."},
        },
        {"nvext": ("guided_json",)},
        error="top",
        metrics=_VLLM_METRICS,
    ),
    "sglang": Flavour("sglang", {"/health": ""}, error="top"),
    "trtllm": Flavour(
        "tensorrt_llm", {"/version": {"version": "1.0.0"}, "/health": ""}, error="top"
    ),
    "llama.cpp": Flavour(
        "llamacpp",
        {"/props": {"default_generation_settings": {}, "build_info": "b6000-abc"}},
        row={"meta": {"n_params": 7_615_616_512, "n_ctx_train": 32768}},
        metrics="llamacpp:requests_processing 2\nllamacpp:requests_deferred {queue}\n"
        "llamacpp:tokens_predicted_total 195\n",
    ),
    "lmstudio": Flavour("organization_owner", error="string"),
    "ray": Flavour(
        "serve", {"/-/routes": {"/": "default"}, "/-/healthz": "success"}, row=_VLLM_ROW
    ),
    "triton-openai": Flavour(
        "Triton Inference Server",
        {"/health/ready": ""},
        {},
        error="detail",
        refuses=("chat_template_kwargs",),
        metrics='nv_inference_pending_request_count{{model="m",version="1"}} {queue}\n',
    ),
    "openai": Flavour("openai"),
    "litellm": Flavour("openai", {"/health/liveliness": '"I\'m alive!"'}, metrics=_VLLM_METRICS),
}


@dataclass
class FakeOpenAI:
    flavour: str = "vllm"
    models: tuple[str, ...] = ("Qwen/Qwen2.5-Coder-7B-Instruct",)
    api_key: str = ""
    key_header: str = "Authorization"
    holds_schema: bool = True
    is_canned: bool = False
    """It says 42 to everything."""
    prefix: str = "/v1"
    token_s: float = 0.0
    queue: int = 3
    headers: dict[str, str] = field(default_factory=dict)
    """Of all answers but streams; of those:"""
    stream_headers: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    """What was posted to chat/completions."""
    paths: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A reader went away in mid-answer."""

    @property
    def kind(self) -> Flavour:
        return FLAVOURS[self.flavour]

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get(f"{self.prefix}/models", self._models)
        app.router.add_post(f"{self.prefix}/chat/completions", self._chat)
        for path, document in self.kind.answers.items():
            app.router.add_get(path, _told(document))
        if self.kind.metrics:
            path = "/v1/metrics" if self.flavour == "nim" else "/metrics"
            app.router.add_get(path, self._metrics)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.paths.append(request.path)
        self.queries.append(request.query_string)
        given = request.headers.get(self.key_header, "").removeprefix("Bearer ")
        if self.api_key and request.path.startswith(self.prefix) and given != self.api_key:
            if self.flavour.startswith("vllm"):
                return web.json_response({"error": "Unauthorized"}, status=401)
            return self.error(401, f"Incorrect API key provided: {given}")
        response: web.StreamResponse = await handler(request)
        response.headers.update({} if response.prepared else self.headers)
        return response

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=self.kind.metrics.format(queue=self.queue))

    async def _models(self, _: web.Request) -> web.Response:
        base = {"object": "model", "created": 1795385234, "owned_by": self.kind.owner}
        rows = [{"id": model, **base, **self.kind.row} for model in self.models]
        return web.json_response({"object": "list", "data": rows})

    def error(self, status: int, text: str) -> web.Response:
        return web.json_response(ERRORS[self.kind.error](status, text), status=status)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        for name in self.kind.refuses:
            if name in body:
                return self.error(400, f"Unrecognized request argument supplied: {name}")
        if body.get("model") not in self.models:
            names = ", ".join(self.models)
            text = f"The model `{body.get('model')}` does not exist. Valid aliases: {names}."
            return self.error(404, text)
        kind = {"Content-Type": "text/event-stream; charset=utf-8"}
        response = web.StreamResponse(headers={**kind, **self.stream_headers})
        await response.prepare(request)
        try:
            await self._tell(response, body)
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise
        return response

    async def _tell(self, response: web.StreamResponse, body: dict[str, Any]) -> None:
        asked = body["messages"][-1]["content"]
        await self._send(response, {"role": "assistant", "content": ""})
        if asked.startswith("think"):
            await self._send(response, {self.kind.reasoning: "They want "})
            await self._send(response, {self.kind.reasoning: "a list."})
        while asked.startswith("hang"):
            await self._send(response, {"content": " word"})
            await asyncio.sleep(0.02)
        tokens = re.findall(r"\s*\S+|\s+", self._answer(asked, body))
        most = body.get("max_tokens") or body.get("max_completion_tokens") or 9999
        for token in tokens[:most]:
            await self._send(response, {"content": token})
            if asked.startswith("late error"):
                await _event(response, ERRORS["object"](500, "EngineCore died"))
                return
            await asyncio.sleep(self.token_s)
        ending = "length" if len(tokens) > most else "stop"
        await self._send(response, {"content": ""}, ending)
        if body.get("stream_options", {}).get("include_usage"):
            count = len(tokens[:most])
            usage = {"prompt_tokens": 17, "total_tokens": 17 + count, "completion_tokens": count}
            await _event(response, {**self._chunk(), "choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")

    def _answer(self, asked: str, body: dict[str, Any]) -> str:
        if self.is_canned:
            return "42"
        for name in self.kind.schemas if self.holds_schema else ():
            if name in body:
                return json.dumps({"command": "ls -la"})
        if found := re.search(r"(\d+)\+(\d+)", asked):
            return str(int(found[1]) + int(found[2]))
        return "ls -la"

    def _chunk(self) -> dict[str, Any]:
        return {
            "id": "chatcmpl-8d3d72cf7ea86866",
            "object": "chat.completion.chunk",
            "created": 1795390219,
            "model": self.models[0] if self.models else "",
        }

    async def _send(
        self, response: web.StreamResponse, delta: dict[str, Any], ending: str | None = None
    ) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": ending}
        await _event(response, {**self._chunk(), "choices": [choice]})


async def _event(response: web.StreamResponse, document: Any) -> None:
    await response.write(f"data: {json.dumps(document)}\n\n".encode())


def _told(document: Any) -> Any:
    async def tell(_: web.Request) -> web.Response:
        if isinstance(document, str):
            return web.Response(text=document)
        return web.json_response(document)

    return tell
