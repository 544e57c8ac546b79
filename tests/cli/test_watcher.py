from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.cli import watcher
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.watcher import Watcher
from tests.fakes.api_socket import api_socket
from tests.fakes.told_status import told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.fakes.api_socket import Told


@pytest.mark.parametrize(
    ("out", "err", "text"),
    [
        (json.dumps({"state": "ok", "detail": "it computes"}), "", "ok: it computes"),
        (json.dumps([{"state": "ok"}, {"state": "login"}]), "", "ok; login"),
        ("", "cmdai-shell: no server 'x'\n  hint", "no server 'x'"),
        ("{", "", "no result"),
        ("[1]", "", "no result"),
    ],
)
def test_what_a_test_came_to(out: str, err: str, text: str) -> None:
    assert watcher.tested(out.encode(), err.encode()) == text


class TestAside:
    async def test_a_result_and_an_error(self) -> None:
        def fail() -> None:
            raise ValueError("no")

        assert await watcher.aside(lambda: 7) == 7
        with pytest.raises(ValueError, match="no"):
            await watcher.aside(fail)

    def test_who_leaves_does_not_wait(self) -> None:
        release = threading.Event()

        async def leave() -> None:
            async with asyncio.timeout(0.01):
                await watcher.aside(lambda: release.wait(30))

        with pytest.raises(TimeoutError):
            asyncio.run(leave())
        release.set()


@pytest.fixture
def told_api(runtime_dir: Path) -> Iterator[Told]:
    with api_socket(told()) as served:
        yield served


class Seen:
    """What there is to show, whenever that changes."""

    def __init__(self) -> None:
        self.watcher = Watcher(Client(start=()), 0.05, self._changed)
        self._fresh = asyncio.Event()

    def _changed(self) -> None:
        self._fresh.set()

    async def event(self, text: str) -> None:
        async with asyncio.timeout(10):
            while not any(text in each.text for each in self.watcher.watched.events):
                self._fresh.clear()
                await self._fresh.wait()

    async def status(self) -> None:
        async with asyncio.timeout(10):
            while self.watcher.watched.status is None:
                self._fresh.clear()
                await self._fresh.wait()


@asynccontextmanager
async def watching() -> AsyncIterator[Seen]:
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(seen.watcher.run())
        yield seen
        running.cancel()


async def test_draining_and_taking_it_back(told_api: Told) -> None:
    async with watching() as seen:
        await seen.status()
        seen.watcher.drain("desk", is_back=False)
        await seen.event("desk gets no new request")
        seen.watcher.drain("desk", is_back=True)
        await seen.event("desk is asked again")
    assert [path for path, _ in told_api.asked] == ["/v1/drain", "/v1/undrain"]


async def test_one_thing_at_a_time(told_api: Told) -> None:
    async with watching() as seen:
        await seen.status()
        seen.watcher.drain("desk", is_back=False)
        seen.watcher.drain("lab/spark:8000", is_back=False)
        await seen.event("wait: draining desk")
        await seen.event("desk gets no new request")
    assert told_api.asked == [("/v1/drain", {"name": "desk"})]


async def test_what_cannot_be_done_is_said(told_api: Told) -> None:
    async with watching() as seen:
        await seen.status()
        seen.watcher.drain("spark-1a2b:8000", is_back=False)
        await seen.event("choose a server that is asked")
        seen.watcher.test("spark-1a2b:8000")
        await seen.event("is not trusted: nothing is sent to it")
        seen.watcher.test("nobody")
        await seen.event("there is no server to test")
    assert told_api.asked == []
