"""What holds while the system's resolver does not answer."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, cast

import pytest

from cmdai_shell.backends import resolver
from cmdai_shell.backends.http import HttpClient, Settings
from cmdai_shell.backends.names import Names
from cmdai_shell.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.backends.names import Infos


class Answers:
    """In the place of ``Names``: the next answer, or none for ever."""

    def __init__(self) -> None:
        self.next: Infos | Exception | None = None
        self.last: Infos | None = None

    def known(self, *_: object) -> Infos | None:
        return self.last

    async def lookup(self, *_: object) -> Infos:
        if self.next is None:
            await asyncio.sleep(60)
        if isinstance(self.next, Exception):
            raise self.next
        assert self.next is not None
        self.last = self.next
        return self.next


async def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resolver, "_RESOLVE_S", 0.1)
    answers = Answers()
    found = resolver.Resolver(only_near=True, names=cast("Names", answers))
    with pytest.raises(OSError, match="no name server"):
        await found.resolve("gpu.lan", 80)
    answers.next = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.1.9", 0))]
    known = await found.resolve("gpu.lan", 80)
    assert [(row["host"], row["port"]) for row in known] == [("192.168.1.9", 80)]
    answers.next = None
    assert await found.resolve("gpu.lan", 80) == known
    answers.next = socket.gaierror(socket.EAI_AGAIN, "later")
    assert await found.resolve("gpu.lan", 80) == known
    answers.next = socket.gaierror(socket.EAI_NONAME, "no such name")
    with pytest.raises(socket.gaierror):
        await found.resolve("gpu.lan", 80)


@pytest.mark.parametrize("address", ["198.18.0.7", "2001::1", "64:ff9b::808:808", "8.8.8.8"])
async def test_for_http_an_address_that_leads_out_is_none(address: str):
    answers = Answers()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answers.next = [(family, socket.SOCK_STREAM, 6, "", (address, 0))]
    with pytest.raises(resolver.NotNear):
        await resolver.Resolver(only_near=True, names=cast("Names", answers)).resolve("gpu.lan", 80)


class Turns:
    """A name server that says something else each time."""

    def __init__(self, *addresses: str) -> None:
        self.left = list(addresses)

    def known(self, *_: object) -> None: ...

    async def lookup(self, *_: object) -> Infos:
        address = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]


async def test_a_name_that_comes_to_mean_another_place_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
):
    """DNS rebinding: what was looked at and what is connected to are one look-up."""
    heard = dict.fromkeys(("127.0.0.1", "127.0.0.2"), 0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard[writer.get_extra_info("sockname")[0]] += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    servers = [await asyncio.start_server(answer, "127.0.0.1", 0)]
    port = servers[0].sockets[0].getsockname()[1]
    servers.append(await asyncio.start_server(answer, "127.0.0.2", port))
    names = cast("Names", Turns("127.0.0.1", "127.0.0.2"))
    monkeypatch.setattr(
        resolver.Resolver.__init__, "__kwdefaults__", {"reach": None, "names": names}
    )
    monkeypatch.setattr("aiohttp.connector._DNSCacheTable.expired", lambda *_: True)
    settings = Settings(reach=lambda address: address == "127.0.0.1")
    client = HttpClient(f"http://dgx.lan:{port}", name="dgx", settings=settings)
    try:
        assert (await client.get("/health", 2.0)).status == 200
        with pytest.raises(BackendUnavailable, match="leads elsewhere than it was trusted for"):
            await client.post("/v1/chat/completions", {"words": "secret"}, 2.0)
    finally:
        await client.aclose()
        for server in servers:
            server.close()
            await server.wait_closed()
    assert heard == {"127.0.0.1": 1, "127.0.0.2": 0}


async def test_of_several_addresses_only_those_that_are_allowed():
    answers = Answers()
    rows = [("192.168.1.9", 0), ("10.0.0.5", 0)]
    answers.next = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", row) for row in rows]
    found = resolver.Resolver(
        only_near=True, reach=lambda text: text.startswith("10."), names=cast("Names", answers)
    )
    assert [row["host"] for row in await found.resolve("gpu.lan", 80)] == ["10.0.0.5"]


@pytest.fixture
def dead_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Names that begin so are looked up without an end; "found" is 127.0.0.1."""
    ended = threading.Event()

    def look_up(host: str, *_: object) -> Infos:
        if host.startswith("dead"):
            ended.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield ended
    ended.set()


@pytest.mark.parametrize("name", ["localhost", "found.lan", "gpu.localhost"])
async def test_names_that_hang_do_not_keep_others_from_being_found(
    dead_names: threading.Event, name: str
):
    names = Names()
    async with asyncio.TaskGroup() as group:
        hanging = [group.create_task(names.lookup(f"dead{n}.lan")) for n in range(20)]
        await asyncio.sleep(0)
        found = await resolver.Resolver(only_near=True, names=names).resolve(name, 80)
        assert "127.0.0.1" in [row["host"] for row in found]
        for task in hanging:
            task.cancel()


async def test_our_own_patience_is_no_word_of_a_name_server(
    dead_names: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    """Three times in a row open a breaker; that there is no such name does at once."""
    monkeypatch.setattr(resolver, "_RESOLVE_S", 0.05)
    client = HttpClient("http://dead.lan:80", name="dead", settings=Settings())
    with pytest.raises(BackendUnavailable, match="resolves in time") as caught:
        await client.get("/health", 5)
    assert caught.value.cause == "connect"
    await client.aclose()


async def test_what_is_known_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    """And what nobody waited for counts the next time."""
    go = threading.Event()
    addresses = iter(["192.168.1.1", "192.168.1.2"])

    def look_up(*_: object) -> Infos:
        address = next(addresses)
        if address != "192.168.1.1":
            go.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    names = Names()
    found = resolver.Resolver(only_near=True, names=names)
    for _ in range(2):
        async with asyncio.timeout(0.9):
            assert [row["host"] for row in await found.resolve("gpu.lan")] == ["192.168.1.1"]
    go.set()
    async with asyncio.timeout(9):
        while names.known("gpu.lan") == [(2, 1, 6, "", ("192.168.1.1", 0))]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    known = names.known("gpu.lan")
    assert known
    assert known[0][4] == ("192.168.1.2", 0)
