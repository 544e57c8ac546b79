"""Look-ups that never end, and all that must go on beside them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.names import THREADS, Names

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.1.9", 0))]


class NameServer:
    """In the place of the system's: silent until ``speak``; "bad" is no name."""

    def __init__(self) -> None:
        self.speak = threading.Event()
        self.asked: Counter[str] = Counter()
        self.made: list[Names] = []

    def names(self, threads: int = THREADS) -> Names:
        self.made.append(Names(threads))
        return self.made[-1]

    def __call__(self, host: str, *_: object) -> list[object]:
        self.asked[host] += 1
        assert self.speak.wait(30)
        if host == "bad":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return list(HERE)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server)
    yield server
    server.speak.set()
    while any(names._in_flight for names in server.made):  # else it asks the real one afterwards
        time.sleep(0.001)


async def given_up(names: Names, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await names.lookup(host)


async def test_a_silent_name_server_takes_no_thread_from_anything_else(name_server: NameServer):
    names = name_server.names(4)
    for number in range(40):
        await given_up(names, f"host{number}")
    async with asyncio.timeout(5):
        assert await asyncio.to_thread(str.upper, "read") == "READ"
    assert sum(name_server.asked.values()) == 4


async def test_a_name_is_looked_up_once_for_all_who_ask_meanwhile(name_server: NameServer):
    names = name_server.names()
    for _ in range(20):
        await given_up(names, "gpu.lan")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(names.lookup("gpu.lan")) for _ in range(3)]
        other = group.create_task(names.lookup("other.lan"))
        await asyncio.sleep(0)
        name_server.speak.set()
    assert [task.result() for task in (*tasks, other)] == [HERE] * 4
    assert name_server.asked == {"gpu.lan": 1, "other.lan": 1}
    await names.lookup("gpu.lan")
    assert name_server.asked["gpu.lan"] == 2


async def test_who_waits_for_a_thread_gets_one(name_server: NameServer):
    names = name_server.names(1)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(names.lookup(f"host{number}")) for number in range(5)]
        await asyncio.sleep(0)
        name_server.speak.set()
    assert [task.result() for task in tasks] == [HERE] * 5


async def test_no_such_name_is_said_to_each(name_server: NameServer):
    names = name_server.names()
    name_server.speak.set()
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="no such name"):
            await names.lookup("bad")


async def test_localhost_and_what_cannot_be_a_name():
    assert {row[4][0] for row in await Names().lookup("localhost")} & {"127.0.0.1", "::1"}
    with pytest.raises(UnicodeError):
        await Names().lookup("x" * 70 + ".lan")


def test_the_loops_end_and_the_programs_do_not_wait(name_server: NameServer):
    names = name_server.names()
    asyncio.run(given_up(names, "gpu.lan"))
    name_server.speak.set()
    assert asyncio.run(names.lookup("gpu.lan")) == HERE
    program = """
import asyncio, socket, time
from cmdai_shell.backends.names import Names
socket.getaddrinfo = lambda *_: time.sleep(60)
async def main():
    try:
        async with asyncio.timeout(0.05):
            await Names().lookup("gpu.lan")
    except TimeoutError:
        print("done")
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
