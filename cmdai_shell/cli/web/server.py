"""``dashboard --web``: a page at a port of this machine, for as long as the command runs.

Others of this machine can reach the port, and so can pages of other sites in the same browser.
Four things keep them out: each run has a name of its own below ``localhost``, so that nothing which
another program's page left in the browser for this port (a service worker, say) counts for ours,
and the port is ours at both loopback addresses; the ``Host`` has to be that name; an ``Origin`` has
to be the page itself; and whatever says or changes something wants the token. That stands behind
the ``#`` of the printed address, which no browser sends; the page sends it in a header, which no
page of another origin can. A cookie would go to every port of this machine, to other people's
servers as well (RFC 6265, 8.5).
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import secrets
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec
from aiohttp import web

from cmdai_shell.cli import output
from cmdai_shell.cli.watcher import Watcher
from cmdai_shell.cli.web import state
from cmdai_shell.daemon import doorway
from cmdai_shell.daemon.listener import ADDRESS
from cmdai_shell.errors import CmdaiError

if TYPE_CHECKING:
    from cmdai_shell.cli.client import Client

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_NO_SUCH = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
WAIT_S = 20.0
"""For something new, before a page is told that there is nothing."""
FILES = {"": "page.html", "page.css": "page.css", "page.js": "page.js"}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def run(client: Client, interval: float, port: int) -> None:
    """Until Ctrl-C. ``port`` 0: any free one. Raises CmdaiError where it is taken."""
    listeners = bound(port)
    token, name = secrets.token_urlsafe(32), fresh_name(port)
    output.say("open this in a browser of this machine; Ctrl-C ends it", "dim")
    click.echo(f"http://{name}:{listeners[0].getsockname()[1]}/#{token}")
    with suppress(KeyboardInterrupt):
        asyncio.run(Page(client, interval, token, name).serve(*listeners))


def fresh_name(port: int, platform: str = sys.platform) -> str:
    """Browsers take it for this machine without a question to a name server (RFC 6761, 6.3); not
    every Safari does: there the port alone is new, unless the person has chosen it."""
    if platform == "darwin" and not port:
        return ADDRESS
    return f"{secrets.token_hex(8)}.localhost"


def bound(port: int) -> list[socket.socket]:
    """The same port of 127.0.0.1 and of ::1, where a browser may look first, so that nobody else
    answers there. A machine without IPv6 does with one. Raises CmdaiError."""
    made: list[socket.socket] = []
    try:
        for family, host in ((socket.AF_INET, ADDRESS), (socket.AF_INET6, "::1")):
            try:
                made.append(_listening(family, host, made[0].getsockname()[1] if made else port))
            except OSError as error:
                if not made or error.errno not in _NO_SUCH:
                    raise
    except OSError as error:
        for each in made:
            each.close()
        raise CmdaiError(
            f"port {port} cannot be used: {error.strerror or error}",
            "any free one: cmdai-shell dashboard --web",
        ) from error
    return made


def _listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(16)
    except OSError:
        made.close()
        raise
    return made


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    do: Literal["look", "test", "drain", "undrain", "trust"]
    name: str = ""
    url: str = ""


class Page:
    """The page, its state, and what can be asked for on it."""

    def __init__(self, client: Client, interval: float, token: str, name: str) -> None:
        """``name``: of the host, as a browser says it."""
        self._token = token
        self._name = name
        self._number = 0
        """Of the state that there is now."""
        self._fresh = asyncio.Event()
        self._watcher = Watcher(client, interval, self._changed, with_requests=True)

    async def serve(self, *listeners: socket.socket) -> None:
        """Until cancelled; closes ``listeners``."""
        app = web.Application(middlewares=[_headed, self._guarded], client_max_size=4096)
        app.add_routes(
            [
                *(web.get(f"/{path}", _file(name)) for path, name in FILES.items()),
                web.get("/state", self._state),
                web.post("/do", self._do),
            ]
        )
        async with doorway.opened(app, *listeners, handler_cancellation=True):
            await self._watcher.run()

    def _changed(self) -> None:
        self._number += 1
        former, self._fresh = self._fresh, asyncio.Event()
        former.set()

    async def _state(self, request: web.Request) -> web.StreamResponse:
        """``?after=N``: as soon as there is another one than that."""
        if request.query.get("after") == str(self._number):
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await self._fresh.wait()
        watcher = self._watcher
        shown = state.document(watcher.watched, watcher.busy, time.monotonic(), time.time())
        return web.json_response({"number": self._number, **shown})

    async def _do(self, request: web.Request) -> web.StreamResponse:
        try:
            wish = msgspec.json.decode(await request.read(), type=_Wish)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return web.Response(status=400, text="not a request\n")
        match wish.do:
            case "look":
                self._watcher.look_now()
            case "test":
                self._watcher.test(wish.name)
            case "trust":
                self._watcher.trust(wish.name, wish.url)
            case _:
                self._watcher.drain(wish.name, is_back=wish.do == "undrain")
        return web.Response(status=204)

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host.partition(":")[0] != self._name:
            return web.Response(status=421, text="this is not the host you mean\n")
        if request.headers.get("Origin", f"http://{request.host}") != f"http://{request.host}":
            return web.Response(status=403, text="this is for the dashboard's own page\n")
        if request.path.lstrip("/") in FILES:
            return await handler(request)
        said = request.headers.get("Authorization", "")
        if not hmac.compare_digest(
            said.encode(errors="surrogateescape"), f"Bearer {self._token}".encode()
        ):
            return web.Response(status=401, text="open the address that the terminal shows\n")
        return await handler(request)


@web.middleware
async def _headed(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        answer = await handler(request)
    except web.HTTPException as error:
        error.headers.update(_HEADERS)
        raise
    answer.headers.update(_HEADERS)
    return answer


def _file(name: str) -> Handler:
    path = Path(__file__).with_name(name)
    text, kind = path.read_text(encoding="utf-8"), _TYPES[path.suffix]

    async def serve(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type=kind, charset="utf-8")

    return serve
