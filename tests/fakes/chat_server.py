"""Backends over a real OpenAI-compatible server, as far as tests need one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import aiohttp

from cmdai_shell.errors import BackendError, BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from cmdai_shell.core import Abilities, Prompt

PROGRAM = shutil.which("llama-server")


class ChatBackend:
    """``core.Backend`` over chat completions, streamed. ``bodies`` is what was posted."""

    def __init__(self, url: str, *, abilities: Abilities, name: str = "server") -> None:
        self._url = url
        self.name = self.title = name
        self.model = "served"
        self.abilities = abilities
        self.bodies: list[dict[str, Any]] = []

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncIterator[str]:
        body = _body(prompt)
        self.bodies.append(body)
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(f"{self._url}/v1/chat/completions", json=body) as response,
            ):
                if response.status != 200:
                    raise BackendError(await response.text())
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        choices = json.loads(line[len(b"data: ") :]).get("choices") or [{}]
                        if text := choices[0].get("delta", {}).get("content"):
                            yield text
        except aiohttp.ClientConnectionError as error:
            raise BackendUnavailable(str(error)) from error

    async def aclose(self) -> None:
        pass


def _body(prompt: Prompt) -> dict[str, Any]:
    messages = [{"role": "system", "content": prompt.system}]
    for asked, answered in (*prompt.examples, *prompt.near):
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answered})
    messages.append({"role": "user", "content": prompt.user})
    body: dict[str, Any] = {
        "messages": messages,
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "seed": prompt.seed,
        "stream": True,
    }
    if prompt.stop:
        body["stop"] = list(prompt.stop)
    if prompt.schema:
        schema = {"name": "answer", "strict": True, "schema": json.loads(prompt.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


@contextlib.contextmanager
def serving(weights: Path, patience: float = 120) -> Iterator[str]:
    """An installed llama-server with these weights; its URL."""
    assert PROGRAM
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--model", str(weights), "--host", "127.0.0.1", "--port", str(port)]
    options += ["--ctx-size", "4096", "--parallel", "1", "--threads", "1", "--threads-batch", "1"]
    server = subprocess.Popen(
        [PROGRAM, *options, "--poll", "0", "--n-gpu-layers", "0", "--no-webui"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + patience
        while not _is_healthy(url):
            assert server.poll() is None, f"llama-server ended with {server.returncode}"
            assert time.monotonic() < until, "llama-server does not answer"
            time.sleep(0.1)
        yield url
    finally:
        server.kill()
        server.wait()


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
