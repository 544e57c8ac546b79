"""The port that the browser comes back to."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.auth.loopback import asked, listening
from cmdai_shell.errors import ConfigError


async def sent(uri: str, target: str, host: str = "", method: str = "GET") -> str:
    port = int(uri.split(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port}'}\r\n\r\n"
    writer.write(head.encode())
    answer = (await asyncio.wait_for(reader.read(), 20)).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_one_answer_and_then_nobody_listens() -> None:
    async with listening("http://localhost/back", "st") as callback:
        assert callback.uri.startswith("http://localhost:")
        page = await sent(callback.uri, "/back?code=c%2B1&state=st")
        assert "You can close this page" in page
        assert "no-store" in page
        assert await callback.answer() == {"code": "c+1", "state": "st"}
        uri = callback.uri
    with pytest.raises(OSError, match="Connect call failed"):
        await sent(uri, "/back?code=c&state=st")


@pytest.mark.parametrize(
    ("target", "host", "method", "status"),
    [
        ("/favicon.ico", "", "GET", "404"),
        ("/back/?state=st", "", "GET", "404"),
        ("/back?state=st&code=evil", "evil.example:80", "GET", "404"),
        ("/back?state=st&code=evil", "", "POST", "404"),
        ("/back?state=wrong&code=evil", "", "GET", "400"),
        ("/back?code=evil", "", "GET", "400"),
        ("/back?state=%ff&code=evil", "", "GET", "400"),
    ],
)
async def test_what_is_not_ours_changes_nothing(
    target: str, host: str, method: str, status: str
) -> None:
    async with listening("http://127.0.0.1/back", "st") as callback:
        answer = await sent(callback.uri, target, host, method)
        assert answer.startswith(f"HTTP/1.1 {status}")
        assert "evil" not in answer
        await sent(callback.uri, "/back?state=st&code=good")
        assert (await callback.answer())["code"] == "good"


async def test_somebody_who_only_connects_or_says_too_much() -> None:
    async with listening("http://127.0.0.1/back", "st") as callback:
        port = int(callback.uri.split(":")[2].partition("/")[0])
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        _, loud = await asyncio.open_connection("127.0.0.1", port)
        loud.write(b"x" * 100_000)
        await sent(callback.uri, "/back?state=st&code=good")
        assert (await callback.answer())["code"] == "good"
    for writer in (silent, loud):
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}") as caught:
            async with listening(f"http://localhost:{port}/back", "st"):
                pass
    assert "with a code" in caught.value.hint


async def test_a_port_that_is_taken_where_a_browser_looks_first() -> None:
    """``localhost`` is [::1] to it: whoever listens there would get the answer."""
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"):
            async with listening(f"http://localhost:{port}/back", "st"):
                pass
    async with listening(f"http://127.0.0.1:{port}/back", "st"):
        pass  # nothing of ours was left listening


@pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
async def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    start = asyncio.start_server

    async def only_four(serve: Any, host: str, port: int, **more: Any) -> asyncio.Server:
        if host == "::1":
            raise OSError(number, "not here")
        return await start(serve, host, port, **more)

    monkeypatch.setattr(asyncio, "start_server", only_four)
    async with listening("http://localhost/back", "st") as callback:
        await sent(callback.uri, "/back?state=st&code=good")
        assert (await callback.answer())["code"] == "good"


@pytest.mark.parametrize(
    "uri",
    [
        "https://localhost:1/x",
        "http://example.com/back",
        "http://localhost.evil.example/back",
        "http://0.0.0.0:1/back",
        "http://localhost:99999/back",
        "http://[",
        "",
        "http://localhost/back?x=1",
    ],
)
async def test_only_this_machine(uri: str) -> None:
    with pytest.raises(ConfigError, match="not on this machine"):
        async with listening(uri, "st"):
            pass


@given(st.binary(max_size=300))
def test_any_bytes_are_read(head: bytes) -> None:
    assert asked(head, "/back", 80) is None
