"""Triton as tritonserver 2.51 answered when it was asked (see triton_server, the real one), for
tests that cannot have it. The same models, the same questions, the same answers and refusals."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

_INPUTS = {
    "vllm": "stream sampling_parameters exclude_input_in_output return_finish_reason",
    "ensemble": "bad_words stop_words top_k temperature seed stream guided_decoding_guide_type "
    "guided_decoding_guide",
    "llmapi": "streaming sampling_param_max_tokens sampling_param_top_k sampling_param_stop "
    "sampling_param_temperature sampling_param_seed",
}
_SHAPES = {"vllm_model": "vllm", "older_vllm": "vllm", "ensemble": "ensemble", "llmapi": "llmapi"}


@dataclass
class FakeTriton:
    header: str = ""
    """What Authorization has to be, with ``--http-restricted-api=inference,model-repository``."""
    states: dict[str, str] = field(default_factory=lambda: dict.fromkeys(_SHAPES, "READY"))
    dead: set[str] = field(default_factory=set)
    """Models whose engine has died."""
    url: str = ""
    metrics_port: int = 0
    metrics_headers: list[dict[str, str]] = field(default_factory=list)
    _seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def seen(self, kind: str) -> dict[str, Any]:
        return self._seen.get(kind, {})

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v2", self._about)
        app.router.add_get("/v2/health/live", _empty)
        app.router.add_get("/v2/models/{name}/ready", self._ready)
        app.router.add_get("/v2/models/{name}/config", self._config)
        app.router.add_post("/v2/repository/index", self._index)
        app.router.add_post("/v2/models/{name}/generate_stream", self._generate)
        return app

    def metrics(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        return app

    async def _about(self, _: web.Request) -> web.Response:
        known = ["classification", "model_repository", "model_configuration", "statistics"]
        return web.json_response({"name": "triton", "version": "2.51.0", "extensions": known})

    async def _index(self, request: web.Request) -> web.Response:
        if refused := self._restricted(request):
            return refused
        rows = [
            {"name": name, "version": "1", "state": state} for name, state in self.states.items()
        ]
        return web.json_response(rows)

    async def _ready(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        is_ready = self.states.get(name) == "READY" and name not in self.dead
        return web.Response(status=200 if is_ready else 400)

    async def _config(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if self.states.get(name) != "READY":
            return _unknown(name)
        shape = _SHAPES[name]
        required = ["text_input", *(["max_tokens"] if shape == "ensemble" else [])]
        inputs = [{"name": word, "dims": [1], "optional": False} for word in required]
        inputs += [{"name": w, "dims": [1], "optional": True} for w in _INPUTS[shape].split()]
        found: dict[str, Any] = {"name": name, "platform": "", "backend": "python"}
        found |= {"max_batch_size": 0, "input": inputs, "parameters": {}}
        found["output"] = [{"name": "text_output", "data_type": "TYPE_STRING", "dims": [-1]}]
        if shape != "ensemble":
            found["model_transaction_policy"] = {"decoupled": True}
        return web.json_response(found)

    async def _metrics(self, request: web.Request) -> web.Response:
        self.metrics_headers.append(dict(request.headers))
        return web.Response(
            text="# TYPE nv_inference_pending_request_count gauge\n"
            'nv_inference_pending_request_count{model="vllm_model",version="1"} 0\n'
            'nv_inference_pending_request_count{model="ensemble",version="1"} 0\n'
        )

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        if refused := self._restricted(request):
            return refused
        name = request.match_info["name"]
        if self.states.get(name) != "READY":
            return _unknown(name)
        sent = await request.json()
        shape = _SHAPES[name]
        if shape == "ensemble" and "max_tokens" not in sent:
            error = "expected number of inputs between 2 and 10 but got 1 inputs"
            return web.json_response({"error": error}, status=400)
        return await self._answer(request, name, shape, sent)

    async def _answer(
        self, request: web.Request, name: str, shape: str, sent: dict[str, Any]
    ) -> web.StreamResponse:
        text = sent["text_input"]
        asked = question(text)
        parameters = json.loads(sent.get("sampling_parameters", "{}"))
        stop = sent.get("stop_words") or sent.get("sampling_param_stop") or []
        self._seen[shape] = {
            "text": text,
            "stop": [stop] if isinstance(stop, str) else stop,
            "parameters": parameters,
            "top_k": sent.get("top_k", 0),
            "stream": sent.get("stream", sent.get("streaming", False)),
            "guide": [g] if (g := sent.get("guided_decoding_guide_type")) else [],
        }
        if name == "older_vllm" and "structured_outputs" in parameters:
            return _failed("'NoneType' object has no attribute 'lora_name'")
        if asked.startswith("error"):
            return _failed("boom: asked for an error")
        schema = sent.get("guided_decoding_guide") or parameters.get("structured_outputs")
        schema = schema or parameters.get("guided_decoding")
        said = answer(asked, is_json=bool(schema))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        if shape == "ensemble":
            if asked.startswith("hang"):
                await asyncio.sleep(3)
            echo = re.sub(r"<\|[^|]*\|>", "", text)
            pieces = [echo + said + (stop[0] if stop else "")]
        elif asked.startswith("hang"):
            pieces = [" word"] * 2000
        else:
            pieces = re.findall(r"\s*\S+", said)
        await response.prepare(request)
        try:
            await self._tell(response, name, asked, pieces)
        except (ConnectionError, asyncio.CancelledError):
            self._seen["cancelled"] = {"after": 1}
            raise
        return response

    async def _tell(
        self, response: web.StreamResponse, name: str, asked: str, pieces: list[str]
    ) -> None:
        for piece in pieces:
            event = {"model_name": name, "model_version": "1", "text_output": piece}
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            if asked.startswith("late error"):
                await response.write(b'data: {"error":"boom: after a piece"}\n\n')
                return
            await asyncio.sleep(0.005)

    def _restricted(self, request: web.Request) -> web.Response | None:
        if not self.header or request.headers.get("Authorization") == self.header:
            return None
        error = "This API is restricted, expecting header 'Authorization'"
        return web.json_response({"error": error}, status=403)


class Running:
    """Both of its ports."""

    def __init__(self, fake: FakeTriton) -> None:
        self._fake = fake
        self._servers = TestServer(fake.app()), TestServer(fake.metrics())

    async def __aenter__(self) -> FakeTriton:
        for server in self._servers:
            await server.start_server()
        self._fake.url = str(self._servers[0].make_url("/")).rstrip("/")
        self._fake.metrics_port = self._servers[1].port or 0
        return self._fake

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            await server.close()


def question(text: str) -> str:
    turns = text.split("<|im_start|>user\n")
    return turns[-1].partition("<|im_end|>")[0]


def answer(asked: str, *, is_json: bool) -> str:
    found = re.search(r"(\d+)\s*\+\s*(\d+)", asked)
    said = str(int(found[1]) + int(found[2])) if found else "ls -la"
    return json.dumps({"command": said}) if is_json else said


async def _empty(_: web.Request) -> web.Response:
    return web.Response()


def _unknown(name: str) -> web.Response:
    error = f"Request for unknown model: '{name}' is not found"
    return web.json_response({"error": error}, status=404)


def _failed(error: str) -> web.Response:
    """The status of the first event; the body is an event all the same."""
    return web.Response(
        status=400,
        text=f"data: {json.dumps({'error': error})}\n\n",
        headers={"Content-Type": "text/event-stream; charset=utf-8"},
    )
