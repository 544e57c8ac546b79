"""Where a credential may go: over https, or over plain http to a host that was allowed."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from cmdai_shell.errors import BackendDenied

if TYPE_CHECKING:
    from collections.abc import Callable

Allowed: TypeAlias = "Callable[[str], bool]"
"""Whether a credential may go to that host in the open."""


def only_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def may_carry(url: str, allowed: Allowed) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and allowed(host)))


def require(url: str, allowed: Allowed) -> None:
    """Raises BackendDenied."""
    if not may_carry(url, allowed):
        shown = urlsplit(url).netloc.rpartition("@")[2]
        raise BackendDenied(
            f"no credential is sent to {shown} over plain http, where others can read it",
            "use https://, or in your own network allow_http_credentials in its environment's file",
        )
