"""Ray Serve without GPUs: each replica has a llama.cpp server of its own, and passes on to it.

serve run cpu.yaml     (in this folder, with llama-server on the PATH)
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import aiohttp
from ray import serve
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ray.serve import Application
    from starlette.requests import Request


@serve.deployment(ray_actor_options={"num_cpus": 0.5}, max_ongoing_requests=8)
class Llama:
    def __init__(self, model: str, threads: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        command = ["llama-server", "--model", model, "--host", "127.0.0.1", "--port", str(port)]
        command += ["--threads", str(threads), "--ctx-size", "4096", "--no-webui", "--poll", "0"]
        self._server = subprocess.Popen(command)
        self._session: aiohttp.ClientSession | None = None

    async def check_health(self) -> None:
        """Ray asks this every few seconds, and replaces a replica that raises."""
        if self._server.poll() is not None:
            raise RuntimeError(f"llama-server ended with {self._server.returncode}")

    async def __call__(self, request: Request) -> StreamingResponse:
        session = await self._ready()
        url, body = self._url + request.url.path, await request.body()
        headers = {"Content-Type": request.headers.get("content-type", "application/json")}
        answer = await session.request(request.method, url, data=body, headers=headers)

        async def pieces() -> AsyncIterator[bytes]:
            # Closed by Ray when the caller goes away; that closes the connection to llama-server,
            # which stops then.
            async with answer:
                async for chunk in answer.content.iter_any():
                    yield chunk

        kind = answer.headers.get("Content-Type")
        return StreamingResponse(pieces(), status_code=answer.status, media_type=kind)

    async def _ready(self) -> aiohttp.ClientSession:
        """Once the model is loaded."""
        if self._session is None:
            session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
            while not await self._is_healthy(session):
                await self.check_health()
                await asyncio.sleep(0.1)
            self._session = session
        return self._session

    async def _is_healthy(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self._url}/health") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def __del__(self) -> None:
        self._server.kill()


def build(args: dict[str, Any]) -> Application:
    return Llama.bind(args["model"], args.get("threads", 1))
