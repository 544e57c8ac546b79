"""Which network we are in, by our routers' hardware addresses: many networks have 192.168.1.0/24,
and hardly two the same router.

Only Linux says it in a file. It is no proof: who knows the address can take it. But whoever meets
us in a strange network does not know it.
"""

from __future__ import annotations

import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_NET = Path("/proc/thread-self/net")
_GATEWAY = 0x2
"""RTF_GATEWAY (linux/route.h)."""
_COMPLETE = 0x2
"""ATF_COM (linux/if_arp.h): the neighbour has answered."""
_NOBODY = "00:00:00:00:00:00"
ANSWER_S, LOOK_S = 0.5, 0.02
"""Seconds: a router that is there takes some ms to say its hardware address."""
_DISCARD = 9
"""RFC 863."""


def read(folder: Path = _NET) -> frozenset[str]:
    """``192.168.1.1 02:fc:00:00:00:05``, address and hardware address of each router that a default
    route of IPv4 goes by; empty where that is not known."""
    gateways, neighbours = _tables(folder)
    return frozenset(_of(gateways, neighbours))


def unknown(folder: Path = _NET) -> frozenset[str]:
    """Addresses of routers whose hardware address the system has not learned yet, or has lost: of
    a router that was off for a while, or that nothing has gone by since we came here."""
    gateways, neighbours = _tables(folder)
    known = {text.partition(" ")[0] for text in _of(gateways, neighbours)}
    return frozenset(address for address, _ in gateways) - known


def ask(address: str) -> None:
    """Has the system ask that router for its hardware address (ARP), which ``read`` has a moment
    later: by an empty datagram to it, as there is no other way without rights."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.sendto(b"", (address, _DISCARD))


def is_one_of(known: Collection[str]) -> bool:
    """We are behind one of these now; may block for ANSWER_S, for one that the system has to ask
    first."""
    for address in unknown():
        ask(address)
    until = time.monotonic() + ANSWER_S
    while read().isdisjoint(known):
        if not unknown() or time.monotonic() > until:
            return False
        time.sleep(LOOK_S)
    return True


def _tables(folder: Path) -> tuple[set[tuple[str, str]], list[str]]:
    """Routers as ``_gateways`` has them, and the lines on neighbours."""
    try:
        routes = (folder / "route").read_text("ascii").splitlines()[1:]
        neighbours = (folder / "arp").read_text("ascii").splitlines()[1:]
    except (OSError, ValueError):
        return set(), []
    return set(_gateways(routes)), neighbours


def _gateways(routes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(address, interface). proc(5): numbers in hexadecimal, addresses in the host's byte order."""
    for line in routes:
        interface, destination, gateway, flags, _, _, _, mask, *_ = line.split()
        if (int(destination, 16), int(mask, 16)) == (0, 0) and int(flags, 16) & _GATEWAY:
            yield socket.inet_ntoa(int(gateway, 16).to_bytes(4, sys.byteorder)), interface


def _of(gateways: set[tuple[str, str]], neighbours: Iterable[str]) -> Iterator[str]:
    for line in neighbours:
        address, _, flags, hardware, _, interface = line.split()
        is_there = int(flags, 16) & _COMPLETE and hardware != _NOBODY
        if is_there and (address, interface) in gateways:
            yield f"{address} {hardware.lower()}"
