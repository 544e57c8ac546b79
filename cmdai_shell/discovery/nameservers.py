"""Who is asked about names: the system's name servers and search domains, or configured servers."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cmdai_shell.config.environments import is_address
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RESOLV_CONF = Path("/etc/resolv.conf")
PORT = 53
MOST_SERVERS = 8
MOST_DOMAINS = 8
"""Search domains come from whoever runs the network: resolvers took six for decades."""
_LARGEST = 65_536
"""Bytes of resolv.conf that are read."""

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""What old resolver functions take for an address, and a name server would not: ``0x7f.1``."""


class NameServer(NamedTuple):
    host: str
    """An address, perhaps with a scope (``fe80::1%eth0``), or a name that the system knows."""
    port: int = PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolving:
    """Who is asked, in this order, and which domains ``search`` stands for."""

    servers: tuple[NameServer, ...]
    search: tuple[str, ...] = ()


def hostname(text: str) -> str:
    """The DNS name in small letters without the dot at its end; empty for what is none: other
    characters than letters, digits, ``-`` and ``_``, too long, or a number like an address."""
    name = text.removesuffix(".").lower()
    is_name = text.isascii() and len(name) <= 253 and _NAME.fullmatch(name)
    return name if is_name and not _NUMBER.fullmatch(name) else ""


def configured(texts: Iterable[str]) -> tuple[NameServer, ...]:
    """``HOST`` or ``HOST:PORT``, with ``[]`` around an IPv6 address that has a port. Raises
    ConfigError."""
    return tuple(map(_server, texts))


def system(path: Path = RESOLV_CONF, environ: Mapping[str, str] = os.environ) -> Resolving:
    """The system's. Blocks (a small file): called in a thread."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        text = ""
    own = socket.gethostname().partition(".")[2]
    return parsed(text, own_domain=own, localdomain=environ.get("LOCALDOMAIN", ""))


def parsed(text: str, *, own_domain: str = "", localdomain: str = "") -> Resolving:
    """What resolv.conf(5) says of it: the last ``search`` or ``domain`` counts, ``$LOCALDOMAIN``
    before it, and after it the domain of the host's own name; without servers, this machine is
    asked."""
    servers: list[NameServer] = []
    domains = [own_domain]
    for line in text.splitlines():
        word, *values = line.split()[:64] or [""]
        if word == "nameserver" and values and is_address(values[0]):
            servers.append(NameServer(values[0]))
        elif word == "search" and values:
            domains = values
        elif word == "domain" and values:
            domains = values[:1]
    found = map(hostname, localdomain.split() or domains)
    # names below .local are asked of the network itself (RFC 6762), not of a name server
    usable = [name for name in dict.fromkeys(found) if name and name != "local"]
    return Resolving(
        servers=tuple(dict.fromkeys(servers))[:MOST_SERVERS] or (NameServer("127.0.0.1"),),
        search=tuple(usable[:MOST_DOMAINS]),
    )


def _server(text: str) -> NameServer:
    if is_address(text):
        return NameServer(text)
    found = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?", text, re.ASCII)
    if found is None:
        raise _no_server(text)
    bracketed, plain, port = found[1] or "", found[2] or "", int(found[3] or PORT)
    is_known = ":" in bracketed and is_address(bracketed)
    is_known = is_known or is_address(plain) or bool(hostname(plain))
    if not is_known or not 0 < port <= 65_535:
        raise _no_server(text)
    return NameServer(bracketed or plain, port)


def _no_server(text: str) -> ConfigError:
    return ConfigError(
        f"discovery.dns_servers: {text!r} is no name server",
        "write it like 192.168.1.1, 192.168.1.1:5353 or [fd00::1]:5353",
    )
