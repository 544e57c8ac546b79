"""Between two looks of the finder's we may be elsewhere: nothing of a request is sent then."""

from __future__ import annotations

import asyncio

import pytest

from cmdai_shell.backends.http import HttpClient, Settings
from cmdai_shell.daemon import whereabouts
from cmdai_shell.daemon.whereabouts import Here, asked_here
from cmdai_shell.errors import BackendUnavailable

HOME = Here(addresses=("192.168.1.2",), routers=frozenset({"192.168.1.1 02:00:00:00:00:01"}))
CAFE = Here(addresses=("192.168.1.2",), routers=frozenset({"192.168.1.1 02:00:00:00:00:66"}))


async def test_before_each_request_it_is_looked_where_we_are(monkeypatch):
    heard = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    gate = asked_here("spark:8000", lambda now: now == HOME)
    client = HttpClient(url, name="spark:8000", settings=Settings(gate=gate))
    try:
        monkeypatch.setattr(whereabouts, "here", lambda: HOME)
        assert (await client.post("/v1", {}, 2.0)).status == 200
        monkeypatch.setattr(whereabouts, "here", lambda: CAFE)
        with pytest.raises(BackendUnavailable, match="trusted in another network") as error:
            await client.post("/v1", {"words": "secret"}, 2.0)
        with pytest.raises(BackendUnavailable):
            await client.get("/health", 2.0, is_anonymous=True)
        assert error.value.hint == "if it is here: cmdai-shell backends trust spark:8000"
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()
    assert len(heard) == 1
