"""Announcing a server: only where it listens, heard by others, and taken back at the end."""

from __future__ import annotations

import asyncio
import socket
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from cmdai_shell.discovery import advertise, adverts
from cmdai_shell.discovery.adverts import Advert
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

HERE = ("127.0.0.1",)
TYPE = "_inference._tcp.local."
PRINT = "cmdai-shell backends advertise --print"


@asynccontextmanager
async def listener(host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Somebody listens on the port."""

    def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(served, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def advert(port: int) -> Advert:
    """Under a name that no other test has."""
    return Advert(url=f"http://127.0.0.1:{port}", name=f"test {uuid4()}", kind="vllm", model="m-7b")


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Ear:
    """What is heard on loopback."""

    def __init__(self) -> None:
        self.news: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.zeroconf = AsyncZeroconf(interfaces=list(HERE), ip_version=IPVersion.V4Only)

    def _hear(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        self.news.put_nowait((state_change.name, name.removesuffix(f".{service_type}")))

    async def wait_for(self, *wanted: str) -> None:
        async with asyncio.timeout(20):
            while await self.news.get() != wanted:
                pass

    async def info(self, name: str) -> AsyncServiceInfo:
        found = AsyncServiceInfo(TYPE, f"{name}.{TYPE}")
        assert await found.async_request(self.zeroconf.zeroconf, 3000)
        return found


@asynccontextmanager
async def ear(service: str = TYPE) -> AsyncIterator[Ear]:
    found = Ear()
    browser = AsyncServiceBrowser(found.zeroconf.zeroconf, [service], handlers=[found._hear])
    try:
        yield found
    finally:
        await browser.async_cancel()
        await found.zeroconf.async_close()


# --- where


def test_own_addresses_are_of_own_networks() -> None:
    found = advertise.own_addresses(())
    assert not {"127.0.0.1", "::1"} & set(found)
    assert [":" in text for text in found] == sorted(":" in text for text in found)
    assert advertise.own_addresses(("*",)) == ()


async def test_where_it_listens() -> None:
    async with listener() as port:
        assert await advertise.listening(port, ["127.0.0.1", "127.0.0.9"]) == ("127.0.0.1",)
        assert await advertise.addresses_of(port, ["127.0.0.9", "127.0.0.1"]) == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("kind", "cure"),
    [
        ("vllm", "--host 0.0.0.0"),
        ("ollama", "OLLAMA_HOST=0.0.0.0"),
        ("lmstudio", "Serve on Local Network"),
        ("auto", "0.0.0.0"),
    ],
)
async def test_a_server_of_this_machine_alone_is_not_announced(kind: str, cure: str) -> None:
    async with listener() as port:
        with pytest.raises(DiscoveryError, match="listens on this machine alone") as caught:
            await advertise.addresses_of(port, ["127.0.0.9"], kind=kind)
    assert cure in caught.value.hint


async def test_nor_one_that_does_not_run_or_cannot_be_reached() -> None:
    with pytest.raises(DiscoveryError, match="nothing listens on port"):
        await advertise.addresses_of(free_port(), ["127.0.0.9"])
    with pytest.raises(DiscoveryError, match="no address"):
        await advertise.addresses_of(8000, [])


def test_an_identity_that_stays(tmp_path: Path) -> None:
    machine = tmp_path / "machine-id"
    assert advertise.identity(8000, machine) == ""
    machine.write_text("0123456789abcdef0123456789abcdef\n")
    found = advertise.identity(8000, machine)
    assert found == advertise.identity(8000, machine) != advertise.identity(8001, machine)
    assert "0123456789abcdef" not in found.replace("-", "")
    assert advertise.avahi_file(8000) != advertise.avahi_file(8001)


# --- announced by ourselves


async def test_it_is_heard_and_a_goodbye_is_sent() -> None:
    said = advert(8000)
    async with ear() as heard, ear("_cmdai-dgx._tcp.local.") as plans:
        async with advertise.serving(said, HERE, host="spark-1a2b") as name:
            assert name == said.title
            await heard.wait_for("Added", name)
            await plans.wait_for("Added", name)
            info = await heard.info(name)
            assert (info.port, info.server) == (8000, "spark-1a2b.local.")
            assert info.parsed_addresses() == ["127.0.0.1"]
            assert info.decoded_properties == said.txt
        await heard.wait_for("Removed", name)
        await plans.wait_for("Removed", name)


async def test_where_multicast_is_not_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("zeroconf.asyncio.AsyncZeroconf", refused)
    with pytest.raises(DiscoveryError, match="address already in use") as caught:
        async with advertise.serving(advert(8000), HERE):
            pass
    assert "--write" in caught.value.hint


async def test_a_name_that_mdns_cannot_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Advert, "title", "n" * 64)
    with pytest.raises(DiscoveryError, match="nothing can be announced"):
        async with advertise.serving(Advert(url="http://127.0.0.1:8000"), HERE):
            pass


async def test_what_fails_inside_is_not_ours_to_explain() -> None:
    with pytest.raises(BrokenPipeError):
        async with advertise.serving(advert(8000), HERE):
            raise BrokenPipeError


async def test_it_is_announced_for_as_long_as_it_listens() -> None:
    said: list[str] = []
    where: tuple[str, ...] = HERE

    async def look() -> tuple[str, ...]:
        return where

    one = advert(8000)
    async with ear() as heard, asyncio.TaskGroup() as group:
        keeping = group.create_task(
            advertise.keep(one, look, said=said.append, every=0.02, host="spark-1")
        )
        await heard.wait_for("Added", one.title)
        where = ()
        await heard.wait_for("Removed", one.title)
        await until(lambda: len(said) == 2)
        where = HERE
        await heard.wait_for("Added", one.title)
        await until(lambda: len(said) == 3)
        keeping.cancel()
        await heard.wait_for("Removed", one.title)
    assert "127.0.0.1, port 8000" in said[0]
    assert "not announced until" in said[1]
    assert len(said) == 3


# --- announced by Avahi


def test_the_file_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "services" / "cmdai-shell.service"
    path.parent.mkdir()
    path.write_text("old")
    advertise.write(adverts.avahi(advert(8000)), path, instead=PRINT)
    assert ElementTree.parse(path).findtext(".//port") == "8000"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_where_avahi_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(DiscoveryError, match="Avahi is not installed") as caught:
        advertise.write("x", tmp_path / "services" / "x.service", instead=PRINT)
    assert "avahi-daemon" in caught.value.hint


def test_who_may_not_write_is_told_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", denied)
    with pytest.raises(DiscoveryError, match="permission denied") as caught:
        advertise.write("x", tmp_path / "x.service", instead=PRINT)
    assert caught.value.hint == f"{PRINT} | sudo tee {tmp_path / 'x.service'}"
