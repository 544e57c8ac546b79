"""A model from the publisher's repository over HTTPS, resumed by Range."""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmdai_shell.backends.embedded.catalog import catalog
from cmdai_shell.backends.embedded.partial import CHUNK
from cmdai_shell.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.backends.embedded.catalog import CatalogEntry, HubSource
    from cmdai_shell.backends.embedded.partial import Partial

SILENCE_S = 20.0
"""Seconds without a byte after which a connection is given up."""
TRIES = 4
"""Connections in a row that bring nothing new before the source is given up; a source that never
brought anything is given up at once, for the next one."""


def fetch(
    source: HubSource,
    entry: CatalogEntry,
    into: Partial,
    *,
    environ: Mapping[str, str] = os.environ,
    silence_s: float = SILENCE_S,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Append what is missing. Raises ModelUnavailable with the reason; what came is kept."""
    base = environ.get("HF_ENDPOINT") or catalog().hub
    url = f"{base.rstrip('/')}/{source.repository}/resolve/{source.revision}/{entry.file}"
    host = urlsplit(url).netloc
    begun, failures, reason = into.length, 0, ""
    while into.missing:
        before = into.length
        try:
            _once(url, into, silence_s)
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            with error:
                raise ModelUnavailable(f"{host}: HTTP {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = _reason(error)
        failures = 0 if into.length > before else failures + 1
        if into.missing and (failures == TRIES or into.length == begun):
            raise ModelUnavailable(f"{host}: {reason}")
        if into.missing:
            pause(2.0**failures)


def _once(url: str, into: Partial, silence_s: float) -> None:
    """One connection, for as long as it lasts."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310
    if urlsplit(url).scheme not in ("https", "http"):
        raise ModelUnavailable(f"{url}: not an https address")
    if into.length:
        request.add_header("Range", f"bytes={into.length}-")
    opener = urllib.request.build_opener(_Redirects)
    with opener.open(request, timeout=silence_s) as reply:
        start = _start(reply)
        if start != into.length:
            into.rewind(start if start < into.length else 0)
        if start > into.length:
            raise ModelUnavailable(f"{urlsplit(url).netloc}: answered with another range")
        length = reply.headers.get("Content-Length")
        if length is not None and int(length) != into.missing:
            raise ModelUnavailable(
                f"{urlsplit(url).netloc}: the file has {start + int(length)} bytes there,"
                f" not {into.size}"
            )
        while into.missing and (chunk := reply.read1(min(CHUNK, into.missing))):
            into.write(chunk)


def _start(reply: Any) -> int:
    """Where the bytes of this reply belong: 0 when the server did not honour the Range."""
    if reply.status != http.client.PARTIAL_CONTENT:
        return 0
    found = re.match(r"bytes (\d+)-", reply.headers.get("Content-Range", ""))
    return int(found[1]) if found else 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow as usual, but never from https down to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise ModelUnavailable(f"{req.host}: redirected to an address without https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _reason(error: Exception) -> str:
    """``name or service not known``, ``timed out``: the cause below urllib's wrapping."""
    cause = getattr(error, "reason", None) or error
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).lower()
