"""The mDNS source in this process, on loopback, with peers of python-zeroconf."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import itertools
import os
import socket
import time
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zeroconf
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from cmdai_shell import discovery
from cmdai_shell.core import Added, Removed
from cmdai_shell.discovery.interfaces import Link, Links
from cmdai_shell.discovery.mdns import MdnsSource
from cmdai_shell.discovery.multicast import ear, listing, session
from cmdai_shell.discovery.multicast.ear import failure
from cmdai_shell.errors import ConfigError, DiscoveryError
from tests.discovery import mdns_packets as packets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_NUMBERS = itertools.count()
NET = ipaddress.ip_interface("127.0.0.1/8")
LO = Links(heard=(Link(name="lo", index=1, addresses=(NET,)),))
MUTE = Links(heard=(Link(name="ppp0", index=7, addresses=(NET,), has_multicast=False),))
PATIENCE_S = 20.0


class Lab:
    """A kind of service of its own, so that tests do not hear each other, and who announces it."""

    def __init__(self, peer: AsyncZeroconf) -> None:
        self.kind = f"_t{os.getpid()}-{next(_NUMBERS)}._tcp"
        self.links = LO
        self.slept = 0.0
        self.source = MdnsSource(
            service_types=[f"{self.kind}.local"],
            read_links=self._read,
            wall=lambda: time.time() + self.slept,
        )
        self._peer = peer

    def _read(self, exclude: Sequence[str]) -> Links:
        return self.links

    def info(self, name: str = "spark", port: int = 8000, **more: Any) -> ServiceInfo:
        values = {"parsed_addresses": ["10.77.0.5"], "server": f"{self.kind[:-5]}.local.", **more}
        return ServiceInfo(f"{self.kind}.local.", f"{name}.{self.kind}.local.", port, **values)

    async def announce(self, info: ServiceInfo) -> None:
        await (await self._peer.async_register_service(info))

    async def update(self, info: ServiceInfo) -> None:
        await (await self._peer.async_update_service(info))

    def vanish(self, info: ServiceInfo) -> None:
        """It answers no longer, and nobody says goodbye."""
        self._peer.zeroconf.registry.async_remove(info)

    def move(self, info: ServiceInfo) -> None:
        """It answers from now on, and has not said so."""
        self._peer.zeroconf.registry.async_add(info)

    async def withdraw(self, info: ServiceInfo) -> None:
        await (await self._peer.async_unregister_service(info))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[AsyncIterator[Added | Removed]]:
        async with asyncio.timeout(PATIENCE_S), aclosing(self.source.watch()) as events:
            yield events


def shout(*answers: bytes) -> None:
    """By multicast, on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        for each in answers:
            one.sendto(each, ("224.0.0.251", 5353))


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    monkeypatch.setattr(session, "LOOK_S", 0.05)
    async with AsyncZeroconf(interfaces=["127.0.0.2"]) as peer:  # its own: unicast goes to one
        yield Lab(peer)


async def added(events: AsyncIterator[Added | Removed]) -> Any:
    event = await anext(events)
    assert isinstance(event, Added)
    return event.endpoint


async def removed(events: AsyncIterator[Added | Removed]) -> str:
    event = await anext(events)
    assert isinstance(event, Removed)
    return event.id


async def test_it_comes_changes_and_goes(lab: Lab):
    async with lab.watched() as events:
        await lab.announce(lab.info())
        first = await added(events)
        assert first.url == "http://10.77.0.5:8000"
        assert first.labels["instance"] == "spark"
        await lab.update(lab.info(properties={"model": "llama", "auth": "bearer"}))
        second = await added(events)
        assert second.id == first.id
        assert (second.model, second.labels["auth"]) == ("llama", "bearer")
        await lab.withdraw(lab.info())
        assert await removed(events) == first.id


async def test_another_port_is_another_endpoint(lab: Lab):
    async with lab.watched() as events:
        await lab.announce(lab.info())
        first = await added(events)
        await lab.update(lab.info(port=8001))
        assert await removed(events) == first.id
        assert (await added(events)).url == "http://10.77.0.5:8001"


async def test_who_points_nowhere_any_longer_is_not_there(lab: Lab):
    async with lab.watched() as events:
        await lab.announce(lab.info())
        first = await added(events)
        await asyncio.sleep(1.1)  # before that, new addresses do not displace old: RFC 6762 10.2
        await lab.update(lab.info(parsed_addresses=["127.0.0.1", "8.8.8.8"]))
        assert await removed(events) == first.id


async def test_an_address_is_taken_back_without_a_word_of_another(lab: Lab):
    """It is asked where it is now."""
    async with lab.watched() as events:
        await lab.announce(lab.info())
        assert (await added(events)).url == "http://10.77.0.5:8000"
        lab.vanish(lab.info())
        moved = lab.info(parsed_addresses=["10.77.0.6"])
        lab.move(moved)
        shout(packets.host(str(moved.server).rstrip("."), "10.77.0.5", ttl=0))
        assert (await added(events)).url == "http://10.77.0.6:8000"


async def test_who_does_not_say_where_he_is_holds_nobody_up(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ear, "ASK_S", 0.3)
    monkeypatch.setattr(listing, "RETRIES_S", (0.1, 0.1))
    kind = f"{lab.kind}.local"
    names = [*(f"ghost {n}".encode() for n in range(40)), b"\x1b[31m", b"\xff", b"a\0b"]
    async with lab.watched() as events:
        await lab.announce(lab.info("first", 8001))
        await added(events)
        shout(*(packets.answer(packets.ptr(name, kind)) for name in names))
        await lab.announce(lab.info())
        assert (await added(events)).labels["instance"] == "spark"
        shout(packets.service("ghost 7", "10.77.0.7", port=8007, kind=kind))
        assert (await added(events)).url == "http://10.77.0.7:8007"


async def test_it_goes_while_it_is_asked(lab: Lab):
    kind = f"{lab.kind}.local"
    async with lab.watched() as events:
        await lab.announce(lab.info())
        await added(events)
        shout(packets.answer(packets.ptr(b"ghost", kind)))
        await asyncio.sleep(0.5)
        shout(packets.answer(packets.ptr(b"ghost", kind, ttl=0)))
        await lab.announce(lab.info("last", 8002))
        assert (await added(events)).labels["instance"] == "last"


async def test_begun_again_it_tells_again_and_what_has_gone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session, "SWEEP_S", 1.5)
    one, other = lab.info("one"), lab.info("other", 8001)
    await lab.announce(one)
    await lab.announce(other)
    async with lab.watched() as events:
        known = {(await added(events)).labels["instance"] for _ in range(2)}
        assert known == {"one", "other"}
    await lab.withdraw(other)
    async with lab.watched() as events:
        again = await added(events)
        assert again.labels["instance"] == "one"
        assert (await removed(events)).endswith(f":8001#{lab.kind[1:-5]}")


async def test_without_a_network_nobody_is_there_and_with_one_again(lab: Lab):
    await lab.announce(lab.info())
    async with lab.watched() as events:
        first = await added(events)
        lab.links = Links()
        assert await removed(events) == first.id
        lab.links = LO
        assert await added(events) == first


async def test_after_a_sleep_of_the_machine_everything_is_asked_anew(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session, "SWEEP_S", 1.5)
    one, other = lab.info("one"), lab.info("other", 8001, server="other.local.")
    await lab.announce(one)
    await lab.announce(other)
    async with lab.watched() as events:
        found = {(each := await added(events)).labels["instance"]: each.id for _ in range(2)}
        lab.vanish(other)
        lab.slept = 3600
        assert await removed(events) == found["other"]


async def test_left_behind(lab: Lab):
    """Its address was in a network of ours, and ours has changed."""
    home = Link(name="wlan0", index=9, addresses=(ipaddress.ip_interface("10.77.0.1/24"),))
    mute = Link(name="wlan0", index=9, addresses=home.addresses, has_multicast=False)
    await lab.announce(lab.info())
    lab.links = Links(heard=(*LO.heard, mute))
    async with lab.watched() as events:
        first = await added(events)
        assert first.labels["network"] == "10.77.0.1/24"
        lab.links = LO
        assert await removed(events) == first.id


async def test_a_network_that_is_too_loud_is_heard_again_later(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session, "MOST_HEARD", 40)
    monkeypatch.setattr(session, "SHORTEST_S", 1.0)
    await lab.announce(lab.info("early"))
    async with lab.watched() as events:
        early = await added(events)
        loud = {f"k{n}": "x" * 250 for n in range(30)}
        noise = lab.info("loud", 8001, server="noise.local.", properties=loud)
        await lab.announce(noise)
        await lab.announce(lab.info("late", 8002))
        await lab.withdraw(noise)
        while (event := await anext(events)) and "8002" not in str(event):
            assert early.id not in str(event)


async def test_whoever_is_closed_in_between_leaves_nothing(lab: Lab):
    """Sockets and tasks would be warnings, and warnings are errors."""
    await lab.announce(lab.info())

    async def listen() -> None:
        async for _ in lab.source.watch():
            pass

    for wait in (0.0, 0.001, 0.01, 0.1, 0.5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listen(), wait)
    events = lab.source.watch()
    await anext(events)
    await events.aclose()
    assert len(asyncio.all_tasks()) == 1


async def test_no_multicast(lab: Lab):
    lab.links = MUTE
    with pytest.raises(DiscoveryError, match="no multicast on ppp0") as caught:
        async with lab.watched() as events:
            await anext(events)
    assert "config add-environment" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EADDRINUSE, "Address already in use"), "another program holds"),
        (OSError(errno.EACCES, "Permission denied"), "does not let us"),
        (PermissionError(errno.EPERM, "Operation not permitted"), "does not let us"),
        (OSError(errno.ENODEV, "No such device"), "does not start: no such device"),
        (zeroconf.NotRunningException(), "does not start: notrunningexception"),
    ],
)
def test_why_it_does_not_start(error: Exception, message: str):
    found = failure(error)
    assert message in found.message
    assert found.hint


@pytest.mark.parametrize("types", [[], ["_a._tcp", "inference"], ["\x1b[31m"]])
def test_kinds_of_service_that_are_none(types: list[str]):
    with pytest.raises(ConfigError):
        MdnsSource(service_types=types)


def test_it_is_the_source_that_the_word_means():
    assert discovery.load("mdns") is MdnsSource
