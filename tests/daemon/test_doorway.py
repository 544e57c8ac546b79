"""A port that anybody of this machine can reach: who only stands there keeps nobody out."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, web

from cmdai_shell.daemon import doorway
from tests.daemon.conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = "x" * (16 << 20)
"""More than any socket's buffers hold."""


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    async def hello(request: web.Request) -> web.Response:
        if request.query.get("wait"):
            await asyncio.sleep(0.3)
        return web.Response(text=LONG if request.query.get("long") else "hello")

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
    said = bytearray()
    while more := one.recv(1 << 16):
        said += more
    return bytes(said)


async def test_an_answer_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "HEAD_S", 0.05)
    async with served() as port, ClientSession() as session:
        for _ in range(2):
            async with session.get(f"http://127.0.0.1:{port}/?wait=1") as answer:
                assert await answer.text() == "hello"


def noting(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Grows with each call of the doorway's method."""
    calls, method = [], getattr(doorway._Doorway, name)

    def noted(self: object, transport: object, *more: object) -> None:
        method(self, transport, *more)
        calls.append(transport)

    monkeypatch.setattr(doorway._Doorway, name, noted)
    return calls


async def test_who_pauses_in_reading_finds_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "HEAD_S", 0.3)
    monkeypatch.setattr(doorway, "LOOKS", 10**6)
    late = noting(monkeypatch, "_late")
    async with served() as port:
        with standing(port, REQUEST.replace(b"/ ", b"/?long=1 ", 1)) as one:
            await until(lambda: bool(late))
            said = await asyncio.to_thread(whole, one)
    assert len(said.partition(b"\r\n\r\n")[2]) == len(LONG)


@pytest.mark.parametrize("setting", [("LOOKS", 1), ("MOST", 1)])
async def test_but_not_for_ever_nor_in_anothers_place(
    setting: tuple[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "HEAD_S", 0.3)
    monkeypatch.setattr(doorway, *setting)
    late, shut = noting(monkeypatch, "_late"), noting(monkeypatch, "_shut")
    async with served() as port:
        with standing(port, REQUEST.replace(b"/ ", b"/?long=1 ", 1)) as one:
            await until(lambda: bool(late))
            with standing(port, REQUEST) as another:
                assert (await asyncio.to_thread(whole, another)).endswith(b"hello")
            await until(lambda: late[0] in shut)
            with suppress(ConnectionResetError):
                assert len(await asyncio.to_thread(whole, one)) < len(LONG)


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
