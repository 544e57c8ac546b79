"""SageMaker's runtime by its service description (botocore/data/sagemaker-runtime/2017-05-13): it
checks the signature with botocore's own signer, and cuts what the container says into frames
without a look at where its events end.

The container is one of four: ``openai`` (vLLM, LMI, newer TGI), ``tgi`` (older TGI, which knows no
messages), ``jsonlines`` (LMI's own stream), ``whole`` (one that does not stream).
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cmdai_shell.backends.eventstream import frame

ACCESS, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI-secret", "FwoGZXIvYXdzEJr-token"
PART = {
    ":message-type": "event",
    ":event-type": "PayloadPart",
    ":content-type": "application/octet-stream",
}


@dataclass
class FakeSageMaker:
    container: str = "openai"
    name: str = "llm-1"
    region: str = "eu-central-1"
    frame_bytes: int = 7
    """Of the container's answer in each frame."""
    holds_schema: bool = True
    requests: list[dict[str, Any]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ping", _healthy)
        app.router.add_post("/endpoints/{name}/invocations-response-stream", self._invoke)
        return app

    async def _invoke(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        if not self._is_signed(request, data):
            words = "The request signature we calculated does not match the signature you provided."
            return _service(403, "InvalidSignatureException", words)
        if request.match_info["name"] != self.name:
            words = f"Endpoint {request.match_info['name']} of account 123456789012 not found."
            return _service(400, "ValidationError", words)
        body = json.loads(data)
        asked = question(body)
        if asked.startswith("throttled"):
            return _service(400, "ThrottlingException", "Rate exceeded")
        if asked.startswith("not ready"):
            return _service(429, "ModelNotReadyException", "The model is being downloaded")
        if asked.startswith("unavailable"):
            return _service(503, "ServiceUnavailable", "The service is unavailable")
        self.requests.append(body)
        if wrong := self._wrong(body):
            return self._container_says(422, wrong)
        if asked.startswith("container error"):
            return self._container_says(500, '{"error":"CUDA out of memory"}')
        return await self._answer(request, body, asked)

    def _is_signed(self, request: web.Request, data: bytes) -> bool:
        sent = request.headers.get("Authorization", "")
        names = re.search(r"SignedHeaders=([^,]+)", sent)
        if not names:
            return False
        headers = {n: request.headers[n] for n in names[1].split(";") if n in request.headers}
        again = AWSRequest("POST", str(request.url), data=data, headers=headers)
        again.context["timestamp"] = request.headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials(ACCESS, SECRET, TOKEN), "sagemaker", self.region)
        signer._modify_request_before_signing(again)
        text = signer.string_to_sign(again, signer.canonical_request(again))
        return sent.endswith(f"Signature={signer.signature(text, again)}")

    def _wrong(self, body: dict[str, Any]) -> str:
        if self.container == "tgi" and "inputs" not in body:
            return "Failed to deserialize the JSON body into the target type: missing field inputs"
        if "response_format" in body and not self.holds_schema:
            return '{"error":"unknown variant json_schema","error_type":"validation"}'
        return ""

    def _container_says(self, status: int, words: str) -> web.Response:
        told = {
            "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
            "LogStreamArn": "arn:aws:logs:eu-central-1:123456789012:log-group:x",
            "Message": f'Received client error ({status}) from primary with message "{words}".',
            "OriginalMessage": words,
            "OriginalStatusCode": status,
        }
        return _service(424, "ModelError", told)

    async def _answer(
        self, request: web.Request, body: dict[str, Any], asked: str
    ) -> web.StreamResponse:
        kinds = {"jsonlines": "application/jsonlines", "whole": "application/json"}
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/vnd.amazon.eventstream",
                "X-Amzn-SageMaker-Content-Type": kinds.get(self.container, "text/event-stream"),
                "x-Amzn-Invoked-Production-Variant": "AllTraffic",
            }
        )
        await response.prepare(request)
        try:
            while asked.startswith("hang"):
                await response.write(frame(PART, self._events([" word"], body, is_end=False)))
                await asyncio.sleep(0.02)
            said = answer(asked, is_json="response_format" in body)
            pieces = re.findall(r"\s*\S+", said)
            data = self._events(pieces, body, is_end=not asked.startswith("cut"))
            if asked.startswith("broken"):
                data = data[:40]
            for at in range(0, len(data), self.frame_bytes):
                await response.write(frame(PART, data[at : at + self.frame_bytes]))
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise
        if asked.startswith("broken"):
            told = {"Message": "connection reset by the model", "ErrorCode": "StreamBroken"}
            headers = {":message-type": "exception", ":exception-type": "ModelStreamError"}
            await response.write(frame(headers, json.dumps(told).encode()))
        if asked.startswith("half"):
            await response.write(frame(PART, b"data: {}")[:20])
        return response

    def _events(self, pieces: list[str], body: dict[str, Any], *, is_end: bool) -> bytes:
        if self.container == "whole":
            message = {"role": "assistant", "content": "".join(pieces)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
        if self.container in ("tgi", "jsonlines"):
            return self._tokens(pieces, is_end=is_end)
        chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
        if is_end:
            chunks[-1]["choices"][0]["finish_reason"] = "stop"
            usage = {"prompt_tokens": 9, "completion_tokens": len(pieces)}
            chunks.append({"choices": [], "usage": usage})  # type: ignore[dict-item]
        text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
        return (text + ("data: [DONE]\n\n" if is_end else "")).encode()

    def _tokens(self, pieces: list[str], *, is_end: bool) -> bytes:
        """TGI's events; LMI's lines are the same without ``data:``."""
        text = ""
        for index, piece in enumerate(pieces, 1):
            last = is_end and index == len(pieces)
            details = {"finish_reason": "eos_token", "generated_tokens": index, "seed": None}
            event = {
                "index": index,
                "token": {"id": index, "text": piece, "logprob": -0.1, "special": False},
                "generated_text": "".join(pieces) if last else None,
                "details": details if last else None,
            }
            line = json.dumps(event)
            text += f"{line}\n" if self.container == "jsonlines" else f"data:{line}\n\n"
        return text.encode()


def question(body: dict[str, Any]) -> str:
    if "messages" in body:
        return str(body["messages"][-1]["content"])
    return str(body["inputs"]).rpartition("user\n")[2].partition("<|im_end|>")[0]


def answer(asked: str, *, is_json: bool) -> str:
    found = re.search(r"(\d+)\s*\+\s*(\d+)", asked)
    said = str(int(found[1]) + int(found[2])) if found else "ls -la"
    return json.dumps({"command": said}) if is_json else said


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="healthy")


def _service(status: int, kind: str, told: str | dict[str, Any]) -> web.Response:
    body = told if isinstance(told, dict) else {"Message": told}
    return web.json_response(body, status=status, headers={"x-amzn-errortype": f"{kind}:http://x/"})
