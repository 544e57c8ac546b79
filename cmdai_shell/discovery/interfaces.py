"""The network interfaces of this machine: which are listened on, and which address of a server that
announced itself can be reached by them.

An announcement is no reason to connect to the open Internet or to this machine itself: only
addresses of a link we are on, and of private networks, count.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Own: TypeAlias = IPv4Interface | IPv6Interface

_PRIVATE = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
"""RFC 1918, RFC 6598, RFC 4193: what ``ipaddress`` calls private is more, 0.0.0.0/8 included."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,30}")
"""Names of interfaces that can stand behind the ``%`` of an address in a URL."""
_IF_INET6 = Path("/proc/thread-self/net/if_inet6")
_TENTATIVE, _FAILED = 0x40, 0x08
"""Flags of an IPv6 address that nobody can use yet, or ever (linux/if_addr.h)."""
MOST_ADDRESSES = 8
"""Of one server that are looked at further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface that is up, with its addresses and their prefix lengths, without a scope."""

    name: str
    index: int
    addresses: tuple[Own, ...]
    has_multicast: bool = True

    def of(self, version: int) -> tuple[Own, ...]:
        return tuple(each for each in self.addresses if each.version == version)

    def own(self, address: IPv4Address | IPv6Address) -> Own | None:
        """Our address in the network that ``address`` is of."""
        return next((each for each in self.addresses if address in each.network), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    heard: tuple[Link, ...] = ()
    """Listened on."""
    excluded: tuple[Link, ...] = ()

    @property
    def can_listen(self) -> bool:
        return bool(self.sockets())

    def sockets(self) -> list[str | int]:
        """What zeroconf is to listen on: of each link one IPv4 address, and for IPv6 its link-local
        one, which stays when the others are changed for privacy's sake; or the link's index."""
        found: list[str | int] = []
        for link in self.heard:
            if not link.has_multicast:
                continue
            found += [str(own.ip) for own in link.of(4)[:1]]
            if six := link.of(6):
                local = next((own.ip for own in six if own.ip.is_link_local), None)
                is_sure = local is not None and self._count(local) == 1 and _is_plain(link)
                found.append(f"{local}%{link.name}" if is_sure else link.index)
        return found

    def _count(self, address: IPv4Address | IPv6Address) -> int:
        links = (*self.heard, *self.excluded)
        return sum(own.ip == address for link in links for own in link.addresses)

    def signature(self) -> frozenset[tuple[int, str | int]]:
        """Changes when sockets are to be opened anew: an interface that comes back with the address
        it had is another one, and the groups that were joined on it are left."""
        return frozenset(
            (link.index, each)
            for link in self.heard
            for each in Links(heard=(link,), excluded=self.excluded).sockets()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """An address of a server, and how we get there."""

    text: str
    """With its scope if it is a link-local one of IPv6: ``fe80::1%eth0``."""
    link: Link | None = None
    own: Own | None = None
    """Of ours, in the same network."""

    @property
    def host(self) -> str:
        """As it stands in a URL."""
        return f"[{self.text}]" if ":" in self.text else self.text


def read(exclude: Sequence[str] = ()) -> Links:
    """As they are now; those whose name one of the patterns ``exclude`` matches are left alone, and
    loopback always is."""
    useless = _useless_addresses()
    stats = psutil.net_if_stats()
    heard: list[Link] = []
    excluded: list[Link] = []
    for name, raw in psutil.net_if_addrs().items():
        state = stats.get(name)
        addresses = tuple(
            own
            for each in raw
            if each.family in (socket.AF_INET, socket.AF_INET6)
            and (own := _own(each.address, each.netmask)) is not None
            and (name, own.ip) not in useless
        )
        if state is None or not state.isup or not addresses:
            continue
        with suppress(OSError):  # it has just gone
            link = Link(
                name=name,
                index=socket.if_nametoindex(name),
                addresses=addresses,
                has_multicast="multicast" in state.flags.split(","),
            )
            is_out = all(own.ip.is_loopback for own in addresses) or any(
                fnmatchcase(name, pattern) for pattern in exclude
            )
            (excluded if is_out else heard).append(link)
    return Links(heard=tuple(heard), excluded=tuple(excluded))


def usable(
    addresses: Iterable[str], links: Links, *, is_secure: bool = False, before: str = ""
) -> tuple[Reach, ...]:
    """Those of a server's addresses that an announcement may point at, the best first: private IPv4
    in a network of ours, IPv6 that is routed, link-local ones with a scope, other private networks.

    One of the open Internet counts where its network is ours, and only for https (``is_secure``).
    Among equals ``before`` (a ``text``) stays the first."""
    found: dict[str, tuple[tuple[int, bool, int], Reach]] = {}
    for text in addresses:
        if (judged := _judged(text, links, is_secure)) is not None:
            rank, reach = judged
            number = int(ip_address(reach.text.partition("%")[0]))
            found[reach.text] = (rank, reach.text != before, number), reach
    ordered = sorted(found.values(), key=lambda each: each[0])
    return tuple(reach for _, reach in ordered[:MOST_ADDRESSES])


def _judged(text: str, links: Links, is_secure: bool) -> tuple[int, Reach] | None:
    """(rank, how) or None for an address that is none to be announced."""
    plain, _, scope = text.partition("%")
    try:
        address = ip_address(plain)
    except ValueError:
        return None
    if not _is_of_one_host(address):
        return None
    if address.version == 6 and address.is_link_local:
        return _scoped(plain, scope, links)
    for link in links.heard:
        if own := link.own(address):
            if _is_for_all(address, own) or (address.is_global and not is_secure):
                return None
            rank = 3 if address.is_link_local else 0 if address.version == 4 else 1
            return rank, Reach(text=plain, link=link, own=own)
    if any(link.own(address) for link in links.excluded):
        return None
    if not any(address in network for network in _PRIVATE if network.version == address.version):
        return None
    if address.version == 6 and not _is_routed(links):
        return None
    return (2 if address.version == 6 else 5), Reach(text=str(address))


def _scoped(plain: str, scope: str, links: Links) -> tuple[int, Reach] | None:
    for link in links.heard:
        if scope in (link.name, str(link.index)) and link.of(6) and _is_plain(link):
            own = next((each for each in link.of(6) if each.ip.is_link_local), None)
            return 4, Reach(text=f"{ip_address(plain)}%{link.name}", link=link, own=own)
    return None


def _is_of_one_host(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.is_site_local):
        return False
    return not (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_reserved
        or (address.version == 4 and int(address) >> 24 == 0)
    )


def _is_for_all(address: IPv4Address | IPv6Address, own: Own) -> bool:
    network: IPv4Network | IPv6Network = own.network
    if address.version == 6:
        return address == network.network_address and network.prefixlen < 127
    return network.prefixlen < 31 and address in (
        network.network_address,
        network.broadcast_address,
    )


def _is_routed(links: Links) -> bool:
    return any(not own.ip.is_link_local for link in links.heard for own in link.of(6))


def _is_plain(link: Link) -> bool:
    return _NAME.fullmatch(link.name) is not None


def _own(address: str, netmask: str | None) -> Own | None:
    try:
        plain = ip_address(address.partition("%")[0])
        length = bin(int(ip_address(netmask))).count("1") if netmask else plain.max_prefixlen
        own: Own = ip_interface(f"{plain}/{length}")
    except ValueError:
        return None
    return own


def _useless_addresses() -> frozenset[tuple[str, IPv6Address]]:
    """IPv6 addresses that are still being checked for duplicates, or are some: nothing can be bound
    to them. Only Linux says."""
    try:
        lines = _IF_INET6.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return frozenset()
    return frozenset(_flagged(lines))


def _flagged(lines: Iterable[str]) -> Iterator[tuple[str, IPv6Address]]:
    for line in lines:
        digits, _, _, _, flags, name = line.split()
        if int(flags, 16) & (_TENTATIVE | _FAILED):
            yield name, IPv6Address(bytes.fromhex(digits))
