"""The far side, in processes of its own: servers that are well, and servers that are not.

``Stage`` starts it; it takes commands by lines on its standard input and ends with that. Each
server is a fork of it, so that one can be killed and be back on its port in milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from aiohttp import web

from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.raw_server import CLOSE, LAST, RESET, Answer, RawServer, chunk, http, stream_head

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.fakes.raw_server import Step

WELL, ILL = "127.0.0.1", "127.0.0.2"
"""Two hosts, as far as a client can tell: what is asked in place of one stands on another."""
MODEL = FakeOpenAI().models[0]
NAME_SERVER = (WELL, 53)
TOKEN_S = 0.01


# --- the near side


class Stage:
    """``with Stage() as stage``: its servers end with it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def faulty(self, folder: str) -> dict[str, str]:
        """URLs of one server for each fault that a server can have; ``folder`` gets ca.pem."""
        return cast("dict[str, str]", self._do("faulty", folder))

    def name_server(self) -> None:
        """It knows no name, and says nothing of those that begin with "silent"."""
        self._do("names")

    def serve(self, name: str, host: str = WELL, port: int = 0, *, token_s: float = TOKEN_S) -> str:
        """The URL of a server that is well. Returns when it listens; blocks until then."""
        return cast("str", self._do("serve", name, host, port, token_s))

    def kill(self, name: str) -> None:
        """SIGKILL; returns when it is gone."""
        self._do("kill", name)

    def _do(self, *words: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(words) + "\n")
        if not (line := self._process.stdout.readline()):
            raise SystemExit("the servers' process ended")
        return json.loads(line)


# --- the servers


def event(document: object) -> bytes:
    return chunk(b"data: " + json.dumps(document).encode() + b"\n\n")


def delta(**fields: str) -> bytes:
    choice = {"index": 0, "delta": fields, "finish_reason": None}
    return event({"id": "x", "object": "chat.completion.chunk", "choices": [choice]})


class Endless:
    """Steps that are repeated for ever."""

    def __init__(self, *steps: Step, head: bytes) -> None:
        self._head, self._steps = head, steps

    def __iter__(self) -> Iterator[Step]:
        return itertools.chain([self._head], itertools.cycle(self._steps))


def answer(steps: object) -> Answer:
    return cast("Answer", steps)


def refused(status: str, text: str, *headers: str) -> Answer:
    document = {"error": {"message": text, "type": "Error", "param": None, "code": int(status[:3])}}
    kind = "Content-Type: application/json"
    return [http(json.dumps(document).encode(), status, kind, *headers)]


HEAD = stream_head() + delta(role="assistant", content="")
WORD = delta(content=" word")
WHOLE = HEAD + delta(content="ls") + delta(content=" -la") + chunk(b"data: [DONE]\n\n") + LAST

RAW: dict[str, Answer] = {
    "reset at once": [RESET],
    "reset mid-stream": [HEAD + WORD, RESET],
    "closed mid-stream": [HEAD + WORD, CLOSE],
    "wedged": [inf],
    "wedged after the headers": [HEAD, inf],
    "stall mid-stream": [HEAD + WORD + WORD, inf],
    "500": refused("500 Internal Server Error", "EngineCore died"),
    "503": refused("503 Service Unavailable", "no engine"),
    "503, Retry-After": refused("503 Service Unavailable", "no engine", "Retry-After: 7"),
    "429": refused("429 Too Many Requests", "too many requests"),
    "429, Retry-After": refused("429 Too Many Requests", "slow down", "Retry-After: 7"),
    "401": refused("401 Unauthorized", "Unauthorized"),
    "garbage JSON": [HEAD + chunk(b'data: {"choices": [{"del\n\n') + LAST],
    "garbage, no HTTP": [b"\x16\x03\x01 no HTTP at all\r\n\r\n", CLOSE],
    "endless flood": answer(Endless(WORD * 20, 0.0, head=HEAD)),
    "endless, 50 words a second": answer(Endless(WORD, 0.02, head=HEAD)),
    "trickle of words": answer(Endless(WORD, 0.6, head=HEAD)),
    "trickle of bytes": answer(
        itertools.chain.from_iterable((WHOLE[i : i + 1], 0.05) for i in range(len(WHOLE)))
    ),
}


async def _faulty(folder: str) -> dict[str, str]:
    urls = {}
    for name, steps in RAW.items():
        whole: Answer = list(steps) if name == "trickle of bytes" else steps
        urls[name] = await _listening(RawServer([whole]))
    urls["expired certificate"] = await _listening(RawServer([[WHOLE]]), _expired(Path(folder)))
    urls["model gone"] = await _serving(FakeOpenAI("sglang", models=("another",)).app(), ILL, 0)
    return urls


async def _listening(server: RawServer, tls: ssl.SSLContext | None = None) -> str:
    listener = await asyncio.start_server(server.serve, ILL, 0, ssl=tls)
    _kept.append(listener)
    host, port = listener.sockets[0].getsockname()[:2]
    return f"http{'s' if tls else ''}://{host}:{port}"


_kept: list[object] = []


def _expired(folder: Path) -> ssl.SSLContext:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    made = authority.issue_cert(ILL, not_before=yesterday - timedelta(days=30), not_after=yesterday)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.configure_cert(context)
    return context


async def _serving(app: web.Application, host: str, port: int) -> str:
    runner = web.AppRunner(app, handler_cancellation=True)  # as vLLM: who goes away ends it
    await runner.setup()
    await web.TCPSite(runner, host, port, reuse_address=True, backlog=512).start()
    _kept.append(runner)
    return f"http://{host}:{runner.addresses[0][1]}"


METRICS = """\
vllm:num_requests_running {}
vllm:num_requests_waiting 0
vllm:generation_tokens_total {}
"""
"""True ones: what is flat while requests run is wedged."""


def moody(token_s: float) -> web.Application:
    """One that is well until ``POST /mood`` says "503" or "wedged"; not part of its API."""
    fake = FakeOpenAI(token_s=token_s, queue=0)
    app = fake.app()
    mood, running, generated = "ok", 0, 0

    async def change(request: web.Request) -> web.Response:
        nonlocal mood
        mood = await request.text()
        return web.Response()

    @web.middleware
    async def moods(request: web.Request, handler: Any) -> web.StreamResponse:
        nonlocal running, generated
        if request.path == "/metrics":
            return web.Response(text=METRICS.format(running, generated))
        if request.path == "/mood" or request.method != "POST":
            return cast("web.StreamResponse", await handler(request))
        fake.requests.clear()  # it notes them for tests
        if mood == "503":
            return fake.error(503, "no engine")
        running += 1
        try:
            if mood == "wedged":
                await asyncio.sleep(3600)
            generated += 1
            return cast("web.StreamResponse", await handler(request))
        finally:
            running -= 1

    app.middlewares.append(moods)
    app.router.add_post("/mood", change)
    return app


class _Names(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[13:19] != b"silent":  # the first label of the question
            self._transport.sendto(data[:2] + b"\x81\x83" + data[4:], addr)  # NXDOMAIN


async def _names() -> str:
    loop = asyncio.get_running_loop()
    _kept.append(await loop.create_datagram_endpoint(_Names, local_addr=NAME_SERVER))
    return ""


# --- the process


def _fork(begin: Callable[[], Awaitable[object]], life: tuple[int, int]) -> tuple[int, Any]:
    """Its pid, and what ``begin`` returned in it. It ends with us."""
    told, tell = os.pipe()
    if pid := os.fork():
        os.close(tell)
        with os.fdopen(told) as pipe:
            return pid, json.loads(pipe.read() or "null")
    os.close(life[1])
    os.close(told)

    async def run() -> None:
        asyncio.get_running_loop().add_reader(life[0], lambda: os._exit(0))
        with os.fdopen(tell, "w") as pipe:
            json.dump(await begin(), pipe)
        await asyncio.Event().wait()

    with contextlib.suppress(BaseException):
        asyncio.run(run())
    os._exit(1)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # clients go away: they hedge
    life = os.pipe()
    pids: dict[str, int] = {}
    for line in sys.stdin:
        word, *rest = json.loads(line)
        said: object = None
        if word == "kill":
            os.kill(pids[rest[0]], signal.SIGKILL)
            os.waitpid(pids.pop(rest[0]), 0)
        else:
            name, begin = _command(word, rest)
            pids[name], said = _fork(begin, life)
        print(json.dumps(said), flush=True)


def _command(word: str, rest: list[Any]) -> tuple[str, Callable[[], Awaitable[object]]]:
    if word == "serve":
        return rest[0], lambda: _serving(moody(rest[3]), rest[1], rest[2])
    if word == "names":
        return word, _names
    return word, lambda: _faulty(rest[0])


def black_hole(stack: contextlib.ExitStack) -> str:
    """An address that drops every SYN: a listener whose queue is full."""
    listener = stack.enter_context(socket.socket())
    listener.bind((ILL, 0))
    listener.listen(0)
    for _ in range(4):  # the kernel takes one more than it is told
        full = stack.enter_context(socket.socket())
        full.setblocking(False)
        full.connect_ex(listener.getsockname())
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def nobody(stack: contextlib.ExitStack) -> str:
    """A port that refuses: taken, so that nobody else gets it, and not listened on."""
    taken = stack.enter_context(socket.socket())
    taken.bind((ILL, 0))
    host, port = taken.getsockname()
    return f"http://{host}:{port}"


if __name__ == "__main__":
    main()
