"""An https:// address of a server that speaks plain HTTP: it waits for the rest of a request line
that TLS never sends, and looks like one that is hung."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdai_shell.config.environments import is_near
from cmdai_shell.errors import BackendUnavailable

if TYPE_CHECKING:
    from cmdai_shell.core import Endpoint
    from cmdai_shell.errors import BackendError

WITHIN_S = 1.0
_CAUSES = frozenset({"connect", "tls", "reset", "garbage"})


async def explained(endpoint: Endpoint, error: BackendError) -> BackendError:
    """The error, or that the server has no TLS. In the own network only, where http:// may be the
    address; what is sent has no word and no credential in it."""
    url = urlsplit(endpoint.url)
    if url.scheme != "https" or getattr(error, "cause", "") not in _CAUSES:
        return error
    host = url.hostname or ""
    if not is_near(host) or not await _is_plain(host, url.port or 443):
        return error
    edit = f": cmdai-shell config edit {endpoint.environment}" if endpoint.environment else ""
    return BackendUnavailable(
        f"{endpoint.id} speaks no TLS", f"its address is http://{url.netloc}{url.path}{edit}", "tls"
    )


async def _is_plain(host: str, port: int) -> bool:
    """It answers a plain request with anything but a refusal: nginx, too, says 400 in plain HTTP on
    a port that is for TLS."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            said = await reader.read(16)
    except (OSError, TimeoutError):
        return False
    finally:
        if writer:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    return said.startswith(b"HTTP/1.") and said[9:12] != b"400"
