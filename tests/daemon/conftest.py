"""The daemon's parts in this process: a desk over the scripted backend, a listening socket."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import Config, load, paths
from cmdai_shell.daemon import compose
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.daemon.hookserver import HookServer
from tests.fakes.scripted_backend import ScriptedBackend

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend()


@pytest.fixture
def settings() -> Callable[[str], Config]:
    """Write ``config.toml``, and read it."""

    def write(text: str) -> Config:
        paths.config_dir().mkdir(parents=True, exist_ok=True)
        (paths.config_dir() / "config.toml").write_text(text)
        return load()

    return write


@pytest.fixture
def desk(backend: ScriptedBackend) -> Desk:
    clock = time.monotonic
    return Desk(lambda former: compose.compose(clock, lambda: [backend], former), clock=clock)


@pytest.fixture
def listener(runtime_dir: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(runtime_dir / "hook.sock"))
        made.listen(128)
        yield made


Serving = Callable[[], "asynccontextmanager[asyncio.Event]"]


@pytest.fixture
def serving(desk: Desk, listener: socket.socket, runtime_dir: Path) -> Serving:
    """``async with serving() as stopping``: the hook server, alive inside the block."""

    @asynccontextmanager
    async def serve(may_accept: Callable[[], bool] = lambda: True) -> AsyncIterator[asyncio.Event]:
        stopping = asyncio.Event()
        folder = os.open(runtime_dir, os.O_RDONLY)
        server = HookServer(desk, folder=folder, clock=time.monotonic, may_accept=may_accept)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(listener, stopping))
            try:
                yield stopping
            finally:
                stopping.set()
        os.close(folder)

    return serve  # type: ignore[return-value]


class Hook:
    """A hook's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, listener: socket.socket) -> Hook:
        return cls(*await asyncio.open_unix_connection(listener.getsockname()))

    async def ask(self, line: str, **fields: str) -> None:
        from tests.daemon.test_wire import record

        self.writer.write(record(line=line, **fields))
        await self.writer.drain()

    async def line(self) -> str:
        return (await self.reader.readline()).decode().rstrip("\n")

    async def reply(self) -> list[str]:
        """All lines, to the end of file."""
        lines = (await self.reader.read()).decode().splitlines()
        self.writer.close()
        return lines

    def close(self) -> None:
        self.writer.close()


@pytest.fixture
def press(listener: socket.socket) -> Callable[..., object]:
    async def ask(line: str, **fields: str) -> list[str]:
        hook = await Hook.connect(listener)
        await hook.ask(line, **fields)
        return await hook.reply()

    return ask


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  the condition is anything
            await asyncio.sleep(0.005)
