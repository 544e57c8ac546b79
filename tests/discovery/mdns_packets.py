"""mDNS answers as anybody could write them, byte by byte (RFC 1035, 4.1): nothing refuses them."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPE = "_inference._tcp.local"
_A, _PTR, _TXT, _AAAA, _SRV = 1, 12, 16, 28, 33
_UNIQUE = 0x8001


def answer(*records: bytes) -> bytes:
    return struct.pack("!6H", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)


def service(
    label: str | bytes,
    *addresses: str,
    port: int = 8000,
    host: str = "",
    txt: Sequence[bytes] = (b"v=1",),
    kind: str = TYPE,
) -> bytes:
    """All the records of one."""
    first = label.encode() if isinstance(label, str) else label
    name = _name(first, *_labels(kind))
    server = _name(*_labels(host or "evil.local"))
    return answer(
        ptr(first, kind),
        _record(name, _SRV, struct.pack("!3H", 0, 0, port) + server),
        _record(name, _TXT, b"".join(bytes([len(each)]) + each for each in txt) or b"\0"),
        *(_address(server, each) for each in addresses),
    )


def ptr(label: bytes, kind: str = TYPE, ttl: int = 4_500) -> bytes:
    data = _name(label, *_labels(kind))
    return _record(_name(*_labels(kind)), _PTR, data, ttl=ttl, class_=1)


def host(name: str, *addresses: str, ttl: int = 120) -> bytes:
    server = _name(*_labels(name))
    return answer(*(_address(server, each, ttl) for each in addresses))


def _address(server: bytes, text: str, ttl: int = 120) -> bytes:
    found = ipaddress.ip_address(text)
    return _record(server, _A if found.version == 4 else _AAAA, found.packed, ttl=ttl)


def _record(
    name: bytes, type_: int, data: bytes, *, ttl: int = 120, class_: int = _UNIQUE
) -> bytes:
    return name + struct.pack("!HHIH", type_, class_, ttl, len(data)) + data


def _name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _labels(dotted: str) -> list[bytes]:
    return [label.encode() for label in dotted.split(".")]
