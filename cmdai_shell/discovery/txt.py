"""What a DNS-SD announcement says in words: TXT data, names of services and hosts (RFC 6763, 4 and
6). Anybody in the network wrote it: everything is bounded, and made fit to be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES, MOST_STRINGS = 4_096, 64
"""Of TXT data that are read; RFC 6763 6.2 advises at most 1300 bytes."""
MOST_KEY, MOST_VALUE = 32, 255
MOST_NAME = 63
"""Bytes of a label, so at most as many characters of a service's name (RFC 1035 2.3.4)."""

_KEY = re.compile(rb"[ -<>-~]{1,%d}" % MOST_KEY)
"""Printable, without ``=`` (RFC 6763 6.4)."""
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_SERVICE = re.compile(
    r"(?:(?P<sub>[^.]{1,63})\._sub\.)?"
    r"(?P<base>_(?!-)(?!.*--)(?=[0-9-]*[a-z])[a-z0-9-]{1,62}(?<!-)\._(?:tcp|udp))(?:\.local)?\.?",
    re.I,
)


def read(raw: bytes) -> Mapping[str, str]:
    """Key in small letters -> value in one line; of a key that comes twice the first counts, and
    one without ``=`` is empty."""
    found: dict[str, str] = {}
    raw, at = raw[:MOST_BYTES], 0
    for _ in range(MOST_STRINGS):
        if at >= len(raw):
            break
        string = raw[at + 1 : at + 1 + raw[at]]
        at += 1 + raw[at]
        key, _, value = string.partition(b"=")
        if _KEY.fullmatch(key):
            found.setdefault(key.decode().lower(), line(value.decode(errors="replace"), MOST_VALUE))
    return found


def line(text: str, most: int) -> str:
    """One line that can be shown, ``most`` characters at most."""
    return one_line(text, most).rstrip()


def service_type(text: str) -> tuple[str, str] | None:
    """(subtype or empty, service) of ``_dgx._sub._inference._tcp.local``; None if it is none."""
    found = _SERVICE.fullmatch(text)
    return (found["sub"] or "", found["base"]) if found else None


def instance(name: str, service: str) -> str:
    """``Spark 1`` of ``Spark 1._inference._tcp.local.``, as it can be shown; empty if it is not of
    that service, or has no name."""
    tail = f".{service}.local."
    if not name.lower().endswith(tail.lower()):
        return ""
    return line(name[: -len(tail)], MOST_NAME)


def host(server: str) -> str:
    """A host's name in small letters, without the dot at its end; empty if it is no such name."""
    name = server[:255].rstrip(".").lower()
    return name if _HOST.fullmatch(name) else ""
