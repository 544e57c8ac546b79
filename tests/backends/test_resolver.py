"""What holds while the system's resolver does not answer."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

import pytest

from cmdai_shell.backends import resolver

if TYPE_CHECKING:
    from cmdai_shell.backends.names import Infos, Names


class Answers:
    """In the place of ``Names``: the next answer, or none for ever."""

    def __init__(self) -> None:
        self.next: Infos | Exception | None = None

    async def lookup(self, *_: object) -> Infos:
        if self.next is None:
            await asyncio.sleep(60)
        if isinstance(self.next, Exception):
            raise self.next
        assert self.next is not None
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
