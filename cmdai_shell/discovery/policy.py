"""Whom the configuration trusts unseen, and what nobody can be trusted with: decisions, no I/O.

What an announcement says of itself is a claim. What counts here is where a connection would really
go, and which of our own sources heard it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from cmdai_shell.config import trusting
from cmdai_shell.config.environments import is_near

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cmdai_shell.config.schema import Discovery
    from cmdai_shell.config.trusting import IPNetwork
    from cmdai_shell.core import Endpoint

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

DNS_SOURCES = frozenset({"dns", "dns_srv", "srv"})
KUBERNETES_SOURCES = frozenset({"k8s_service", "kubernetes", "k8s"})
"""First words of the names of the sources that may say which domain or namespace a server is of."""

_REMEMBERED = 2_048
"""Places and addresses, which are read again at each announcement."""
PRIVATE: tuple[IPNetwork, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "100.64.0.0/10",
            "fc00::/7",
        ),
    )
)
"""Of somebody's own network, whoever asks. Narrower than "not global": 198.18.0.0/15, for one, is
what some proxies answer for names of the open Internet, and Teredo tunnels through it."""

_PORTS = {"http": 80, "https": 443}


class Spot(NamedTuple):
    """Where a connection goes: two servers at one spot are one."""

    scheme: str
    host: str
    """An address in its one spelling, with the scope of a link-local one; or a name in small
    letters."""
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    networks: tuple[IPNetwork, ...] = ()
    domains: tuple[str, ...] = ()
    namespaces: frozenset[str] = frozenset()
    logins: frozenset[str] = frozenset()
    """Environments that have credentials of their own: their servers may ask for a login."""

    @classmethod
    def of(cls, discovery: Discovery, logins: Collection[str] = ()) -> Policy:
        """Raises ConfigError for an entry that ``config.load`` would have refused."""
        return cls(
            networks=tuple(map(trusting.subnet, discovery.trust_subnets)),
            domains=tuple(map(trusting.domain, discovery.trust_domains)),
            namespaces=frozenset(map(trusting.namespace, discovery.trust_namespaces)),
            logins=frozenset(logins),
        )

    def why(self, source: str, endpoint: Endpoint, addresses: Collection[str]) -> str:
        """The setting that approves it ("discovery.trust_subnets has 10.1.2.0/24"), or empty.

        ``addresses``: all that a connection to it could go to, by its URL or by our own look-up;
        none while that is unknown."""
        if refusal(source, endpoint.url, addresses):
            return ""
        if endpoint.labels.get("auth", "") not in ("", "none") and (
            endpoint.environment not in self.logins
        ):
            return ""
        word = source.partition(":")[0]
        if network := self._network_of(addresses):
            return f"discovery.trust_subnets has {network}"
        if word in DNS_SOURCES and (domain := self._domain_of(endpoint.labels.get("domain", ""))):
            return f"discovery.trust_domains has {domain}"
        namespace = endpoint.labels.get("namespace", "")
        if word in KUBERNETES_SOURCES and namespace in self.namespaces:
            return f"discovery.trust_namespaces has {namespace}"
        return ""

    def _network_of(self, addresses: Collection[str]) -> IPNetwork | None:
        """The network of the first of them, if each is in one."""
        found = [
            next((network for network in self.networks if is_in(text, network)), None)
            for text in addresses
        ]
        return found[0] if found and all(found) else None

    def _domain_of(self, domain: str) -> str:
        domain = domain.rstrip(".").lower()
        return next(
            (known for known in self.domains if f".{domain}".endswith(f".{known}") and domain), ""
        )


@lru_cache(maxsize=_REMEMBERED)
def spot(url: str) -> Spot | None:
    """None for what is no http(s) URL of a host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        return None
    host = parts.hostname.replace("%25", "%").rstrip(".")
    found = address(host)
    if found is not None:
        scope = host.partition("%")[2]
        host = f"{found}%{scope}" if scope else str(found)
    return Spot(parts.scheme, host, port or _PORTS[parts.scheme])


@lru_cache(maxsize=_REMEMBERED)
def address(host: str) -> IPAddress | None:
    """The address that ``host`` is, without its scope; one of IPv4 in its own form; None for a
    name."""
    try:
        found = ipaddress.ip_address(host.replace("%25", "%").partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_in(text: str, network: IPNetwork) -> bool:
    found = address(text)
    return found is not None and found.version == network.version and found in network


def network(text: str) -> IPNetwork | None:
    """That of an interface's address with its prefix length, ``192.168.1.23/24``."""
    try:
        return ipaddress.ip_interface(re.sub("%[^/]*", "", text)).network
    except ValueError:
        return None


def refusal(source: str, url: str, addresses: Iterable[str] = ()) -> str:
    """Why a server that was heard of there can never be used, or empty. ``addresses`` as for
    ``Policy.why``; a name that may be anywhere is left to who connects."""
    where = spot(url)
    if where is None:
        return "that is no address of a server"
    hosts = list(_addresses(where.host, addresses))
    if where.host == "localhost" or where.host.endswith(".localhost"):
        return f"{source} names this machine, {where.host}: nobody else can know what runs here"
    for host in hosts:
        if host.is_loopback or host.is_unspecified:
            return f"{source} names this machine, {host}: nobody else can know what runs here"
        if host.is_multicast or host == ipaddress.IPv4Address("255.255.255.255"):
            return f"{host} is many machines, not one"
        if where.scheme == "http" and host.is_global:
            return f"{host} is on the open Internet, and http:// would send your words unencrypted"
    if where.scheme == "http" and not hosts and not is_near(where.host):
        return f"{where.host} may be on the open Internet, and http:// is not encrypted"
    return ""


def _addresses(host: str, more: Iterable[str]) -> Iterator[IPAddress]:
    for text in (host, *more):
        found = address(text)
        if found is not None:
            yield found
