"""Where the browser comes back to after a login: a port of this machine, open for one answer.

It listens before the browser is opened. What does not belong to the login that waits (another
page's request, a wrong ``state``) is told so and changes nothing. RFC 8252, 7.3.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    _Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LARGEST = 16 << 10
HEAD_S = 10.0
_NO_SUCH_HOST = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_HOSTS = {"localhost": ("127.0.0.1", "::1"), "127.0.0.1": ("127.0.0.1",), "::1": ("::1",)}

_PAGE = (
    "<!doctype html><meta charset=utf-8><title>cmdai-shell</title>"
    "<body style='font-family:sans-serif;margin:4em'><h1>{head}</h1><p>{text}</p>"
)
_DONE = _PAGE.format(head="Thank you", text="You can close this page and return to the terminal.")
_NOT_OURS = _PAGE.format(
    head="This is not the login that waits",
    text="The page was left over from another one. Nothing was changed; you can close it.",
)


@dataclass
class Callback:
    uri: str
    """What the identity provider has to send the browser to."""
    _answer: asyncio.Future[dict[str, str]] = field(repr=False)

    async def answer(self) -> dict[str, str]:
        """The parameters of the first answer with the right ``state``."""
        return await self._answer


@asynccontextmanager
async def listening(redirect_uri: str, state: str) -> AsyncIterator[Callback]:
    """``redirect_uri`` without a port, or with port 0: any free one. Raises ConfigError."""
    host, port, path = _checked(redirect_uri)
    done: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
    servers: list[asyncio.Server] = []

    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            running.add(task)
            task.add_done_callback(running.discard)
        found = None
        with suppress(OSError, ValueError, TimeoutError, EOFError, asyncio.CancelledError):
            async with asyncio.timeout(HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            found = asked(head, path, _port(servers[0]))
            is_ours = found is not None and hmac.compare_digest(
                found.get("state", "").encode(), state.encode()
            )
            writer.write(_reply(found is not None, is_ours))
            found = found if is_ours else None
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        if found is not None and not done.done():
            done.set_result(found)

    servers += await _opened(serve, _HOSTS[host], port)
    shown = f"[{host}]" if ":" in host else host
    try:
        yield Callback(f"http://{shown}:{_port(servers[0])}{path}", done)
    finally:
        done.cancel()
        for server in servers:
            server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for server in servers:
            await server.wait_closed()


def asked(head: bytes, path: str, port: int) -> dict[str, str] | None:
    """The parameters of a GET of ``path``; None for any other request, and for one to a name that
    is not this machine's (a page that has pointed its own name at 127.0.0.1)."""
    request, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = request.partition(" ")
    target = rest.partition(" ")[0]
    hosts = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("host:")]
    ours = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
    if method != "GET" or len(hosts) != 1 or hosts[0].lower() not in ours:
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.path != path:
        return None
    return dict(parse_qsl(parts.query, max_num_fields=50, errors="replace"))


async def _opened(serve: _Serve, hosts: tuple[str, ...], port: int) -> list[asyncio.Server]:
    """On the same port of each host; a machine without IPv6 does with one. If anybody else has it
    on the other, a browser may go there."""
    servers: list[asyncio.Server] = []
    for host in hosts:
        try:
            server = await asyncio.start_server(serve, host, port, limit=LARGEST)
        except OSError as error:
            if servers and error.errno in _NO_SUCH_HOST:
                continue
            for server in servers:
                server.close()
            raise ConfigError(
                f"nobody can listen on port {port} now, where the browser is to return to",
                "end what uses it, set oidc_redirect_uri to another port, or log in with a code",
            ) from None
        if servers and not server.sockets:  # a kernel without IPv6: asyncio leaves it out unsaid
            continue
        servers.append(server)
        port = _port(server)
    return servers


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def _checked(redirect_uri: str) -> tuple[str, int, str]:
    try:
        parts = urlsplit(redirect_uri)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port = "", 0
    if host not in _HOSTS or parts.scheme != "http" or parts.query or parts.fragment:
        raise ConfigError(
            f"{redirect_uri[:200]!r} is not on this machine",
            'oidc_redirect_uri = "http://localhost:8888/callback"',
        )
    return host, port, parts.path or "/"


def _reply(is_callback: bool, is_ours: bool) -> bytes:
    status, page = ("200 OK", _DONE) if is_ours else ("400 Bad Request", _NOT_OURS)
    if not is_callback:
        status, page = "404 Not Found", "not found"
    body = page.encode()
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
    )
    return "\r\n".join((*head, "", "")).encode() + body
