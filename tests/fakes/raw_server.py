"""A server of scripted bytes, for all that an HTTP library would not send.

Each connection takes the next script, each request on it the next of its steps; the last of either
is repeated. A step: bytes to send, seconds to wait (inf: for ever), CLOSE, RESET.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

CLOSE: Final = "close"
RESET: Final = "reset"
Step = bytes | float | str
Answer = Sequence[Step]
"""Of one request."""


def http(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def stream_head(kind: str = "text/event-stream") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def unsized_head(kind: str = "text/event-stream") -> bytes:
    """Of a body that ends with the connection."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


LAST = b"0\r\n\r\n"


class RawServer:
    def __init__(self, *connections: Sequence[Answer]) -> None:
        self._connections = connections
        self.accepted = 0
        self.requests: list[bytes] = []
        self.gone = asyncio.Event()
        """A connection was closed by the other side."""
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        with suppress(asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()
        with suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = self._connections[min(self.accepted, len(self._connections) - 1)]
        self.accepted += 1
        count = 0
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        size = int(line.partition(b":")[2])
                self.requests.append(head + await reader.readexactly(size))
                if not await self._answer(answers[min(count, len(answers) - 1)], reader, writer):
                    break
                count += 1
        self.gone.set()

    async def _answer(
        self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        for step in answer:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif step == CLOSE:
                return False
            elif step == RESET:
                linger = struct.pack("ii", 1, 0)  # close() sends RST
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                writer.transport.abort()
                return False
            elif isinstance(step, float) and math.isinf(step):
                await reader.read()  # until the other side goes away
                return False
            elif isinstance(step, float):
                await asyncio.sleep(step)
        return True


@asynccontextmanager
async def raw(*connections: Sequence[Answer]) -> AsyncIterator[RawServer]:
    found = RawServer(*connections)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    found.url = f"http://{host}:{port}"
    try:
        yield found
    finally:
        server.close()
        await found.end()
