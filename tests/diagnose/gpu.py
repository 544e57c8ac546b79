"""Real servers on the loopback interface, each with one thing wrong."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any

import trustme
from aiohttp import web

from cmdai_shell.config import Config
from cmdai_shell.config.environment import Environment
from cmdai_shell.config.schema import Discovery
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path


def vllm(**more: Any) -> web.Application:
    """One that is well, unless ``more`` says otherwise."""
    return FakeOpenAI("vllm", **more).app()


def always(status: int, body: str = "", **headers: str) -> web.Application:
    """It says the same to everything."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


def settings(url: str, **more: Any) -> Callable[[], Config]:
    """With one server in the environment ``lab``."""
    lab = Environment(id="lab", endpoints=(url,), **more)
    found = Config(environments={"lab": lab}, discovery=Discovery(mdns=False))
    return lambda: found


def certificate(
    folder: Path,
    *names: str,
    begins: datetime | None = None,
    ends: datetime | None = None,
) -> tuple[ssl.SSLContext, str]:
    """A server's side, and the file of its authority."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made = authority.issue_cert(*(names or ("127.0.0.1",)), not_before=begins, not_after=ends)
    made.configure_cert(context)
    file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return context, str(file)


def closed_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """Its queue of connections is full: the kernel drops what comes, as a firewall does."""
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(socket.socket())
        found.bind(("127.0.0.1", 0))
        found.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(found.getsockname())
        yield f"http://127.0.0.1:{found.getsockname()[1]}"
