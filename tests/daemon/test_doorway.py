"""A port that anybody of this machine can reach: who only stands there keeps nobody out."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, web

from cmdai_shell.daemon import doorway
from tests.daemon.conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    async def hello(request: web.Request) -> web.Response:
        if request.query.get("wait"):
            await asyncio.sleep(0.3)
        return web.Response(text="hello")

    app = web.Application()
    app.add_routes([web.get("/", hello)])
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with doorway.opened(app, listener):
        yield port


def standing(port: int, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.sendall(sent)
    return made


async def test_a_crowd_that_says_nothing_keeps_nobody_out() -> None:
    async with served() as port, ClientSession() as session, AsyncExitStack() as stack:
        before = len(os.listdir("/dev/fd"))  # noqa: PTH208
        crowd = [stack.enter_context(standing(port, REQUEST[:20])) for _ in range(100)]
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert await answer.text() == "hello"
        theirs = len(os.listdir("/dev/fd")) - before - len(crowd)  # noqa: PTH208
        assert theirs < 30


@pytest.mark.parametrize("sent", [b"", REQUEST[:-2], REQUEST])
async def test_who_asks_nothing_more_is_sent_away(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "HEAD_S", 0.1)
    async with served() as port:
        with standing(port, sent) as one:
            said = await asyncio.to_thread(whole, one)
    assert said.endswith(b"hello") == (sent == REQUEST)


def whole(one: socket.socket) -> bytes:
    """Until it is closed."""
    said = b""
    while more := one.recv(4096):
        said += more
    return said


async def test_an_answer_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "HEAD_S", 0.05)
    async with served() as port, ClientSession() as session:
        for _ in range(2):
            async with session.get(f"http://127.0.0.1:{port}/?wait=1") as answer:
                assert await answer.text() == "hello"


async def test_no_descriptor_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doorway, "PAUSE_S", 0.01)
    tried, accept = 0, socket.socket.accept

    def refuse(self: socket.socket) -> tuple[socket.socket, object]:
        nonlocal tried
        tried += 1
        if tried < 5:
            raise OSError(errno.EMFILE, "too many")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", refuse)
    async with served() as port:
        with standing(port, REQUEST):
            await until(lambda: tried >= 5)
    assert caplog.messages == ["out of descriptors"]
