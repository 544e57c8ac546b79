"""From what DNS says of a service to endpoints. No I/O; all of it was written by others.

The order of priorities: the best SRV priority of a set (the lowest number) is the source's own
priority, the next one is one tier below it, and so on. The numbers themselves mean nothing beside
those of other sources. A weight is ours, too, but never below 1.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cmdai_shell.config.environments import checked_url
from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.nameservers import hostname
from cmdai_shell.discovery.policy import PRIVATE
from cmdai_shell.discovery.rfc2782 import Record, order, ranks
from cmdai_shell.errors import ConfigError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SEARCH = "search"
"""In place of a domain: the resolver's search domains."""
SERVICES = ("_cmdai._tcp", "_inference._tcp", "_inference-tls._tcp")
_TLS = ("_inference-tls", "_https")
MOST = 200
"""Targets of one name, and endpoints of one source."""
MOST_ADDRESSES = 16
_MOST_REASONS = 8

_TLS_PORTS = frozenset({443, 8443})
_PRIVATE = (*PRIVATE, ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
"""Where words may go unencrypted."""

_KINDS = frozenset(
    {
        *("vllm", "nim", "sglang", "trtllm", "llama.cpp", "ollama", "lmstudio", "ray"),
        *("triton-openai", "openai", "tgi", "triton"),
    }
)
_KINDS_ELSEWHERE = {"kserve": "triton", "kserve2": "triton", "llama-cpp": "llama.cpp"}
"""Other words of TXT ``api``."""
_VALUES = {
    "base": re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?"),
    "model": re.compile(r"[!-~]{1,255}"),
    "auth": re.compile(r"[a-z0-9_-]{1,32}"),
    "uuid": re.compile(r"[A-Za-z0-9._:-]{1,64}"),
    "spki": re.compile(r"sha256/[A-Za-z0-9+/]{43}="),
}


class Owner(NamedTuple):
    """A name whose SRV records are asked for."""

    name: str
    domain: str
    is_tls: bool = False
    """The name of the service says that it is spoken to over TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All that was learned of an owner; ``addresses`` by target, None where nobody could say."""

    records: Sequence[Record]
    texts: Sequence[str] = ()
    """Strings of its TXT records."""
    addresses: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    ttl: float = 0.0
    problem: str = ""
    """Why nobody could say."""

    @property
    def is_denial(self) -> bool:
        return bool(self.records) and all(record.is_denial for record in self.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an answer comes to, by the endpoints' ids."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    """Nobody could say where they are."""
    homeless: frozenset[str] = frozenset()
    """Their names have no address."""
    refused: tuple[str, ...] = ()
    """Sentences, a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What a source gives to each of its endpoints."""

    environment: str = ""
    priority: int = 0

    def id(self, host: str, port: int) -> str:
        """``dns/spark.example.org:8000``; never like one that the person wrote down."""
        return "/".join(filter(None, ("dns", self.environment, f"{host}:{port}")))


def owners(domains: Iterable[str], search: Iterable[str] = ()) -> tuple[Owner, ...]:
    """The names to ask for. Raises ConfigError for what is neither a domain nor a record's name."""
    found: dict[str, Owner] = {}
    for text in domains:
        if text.startswith("_"):
            owner = _record(text)
            found.setdefault(owner.name, owner)
            continue
        for domain in search if text == SEARCH else (_domain(text),):
            for service in SERVICES:
                if name := hostname(f"{service}.{domain}"):
                    found.setdefault(name, Owner(name, domain, service.startswith(_TLS)))
    return tuple(found.values())


def targets(records: Iterable[Record]) -> list[Record]:
    """Those worth asking for an address: real, no two at one place, the best of too many."""
    best: dict[tuple[str, int], Record] = {}
    for record in sorted(records, key=lambda r: (r.priority, -r.weight, r.target, r.port)):
        if not record.is_denial and len(best) < MOST:
            best.setdefault((record.target.removesuffix(".").lower(), record.port), record)
    return list(best.values())


def read(owner: Owner, answer: Answer, naming: Naming, random: Callable[[], float]) -> Reading:
    """The endpoints come in the order of RFC 2782: the first is the one to try first."""
    reader = _Reader(owner, answer, naming)
    for record in order(targets(answer.records), random):
        reader.take(record)
    return reader.reading()


def text_fields(texts: Iterable[str]) -> dict[str, str]:
    """``key=value`` strings as RFC 6763 reads them: keys in any letters, the first one counts."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = visible(text[:512]).partition("=")
        if equals and key and len(found) < 64:
            found.setdefault(key.strip().lower()[:32], value.strip())
    return found


def usable(texts: Iterable[str]) -> tuple[str, ...]:
    """Addresses of one machine each, in their usual spelling: none that stands for many or for
    nobody, and no link-local one of IPv6, which is nothing without a scope."""
    found = [
        address
        for address in map(_address, texts)
        if address is not None
        and not (address.is_multicast or address.is_unspecified)
        and not (address.is_reserved if address.version == 4 else address.is_link_local)
    ]
    return tuple(dict.fromkeys(map(str, found)))[:MOST_ADDRESSES]


def is_private(text: str) -> bool:
    address = _address(text)
    return address is not None and any(
        address.version == network.version and address in network for network in _PRIVATE
    )


class _Reader:
    """One answer, record by record."""

    def __init__(self, owner: Owner, answer: Answer, naming: Naming) -> None:
        self._owner = owner
        self._answer = answer
        self._naming = naming
        self._fields = text_fields(answer.texts)
        if "id" in self._fields:
            self._fields.setdefault("uuid", self._fields["id"])
        self._ranks = ranks(record for record in answer.records if not record.is_denial)
        self._is_alone = len(targets(answer.records)) == 1
        self._endpoints: dict[str, Endpoint] = {}
        self._unknown: set[str] = set()
        self._homeless: set[str] = set()
        self._refused: list[str] = []

    def reading(self) -> Reading:
        left_out = len(self._answer.records) - MOST
        if left_out > 0:
            self._refused.append(f"{left_out} records beyond the first {MOST}")
        return Reading(
            endpoints=self._endpoints,
            unknown=frozenset(self._unknown),
            homeless=frozenset(self._homeless),
            refused=tuple(dict.fromkeys(self._refused))[-_MOST_REASONS:],
        )

    def take(self, record: Record) -> None:
        host = hostname(record.target)
        if not host or not record.port:
            what = visible(record.target)[:80]
            self._refused.append(f"{what!r} port {record.port} is no host and port")
            return
        name = self._naming.id(host, record.port)
        given = self._answer.addresses.get(record.target)
        if given is None:
            self._unknown.add(name)
            return
        addresses = usable(given)
        if not addresses:
            self._homeless.add(name)
            self._refused.append(f"{host} has no address that could be used")
            return
        try:
            self._endpoints[name] = self._endpoint(name, host, record, addresses)
        except ConfigError as error:
            self._refused.append(visible(error.message))

    def _endpoint(
        self, name: str, host: str, record: Record, addresses: tuple[str, ...]
    ) -> Endpoint:
        """Raises ConfigError."""
        scheme = self._scheme(record.port, addresses)
        if scheme == "http":
            addresses = tuple(filter(is_private, addresses))
            if not addresses:
                raise ConfigError(f"{host} is on the open Internet: no http:// there")
        labels = {
            "host": host,
            "addresses": " ".join(addresses),
            "domain": self._owner.domain,
            "auth": self._value("auth"),
            "spki": self._value("spki"),
            # of several targets it could be only one's
            "uuid": self._value("uuid") if self._is_alone else "",
        }
        return Endpoint(
            id=name,
            url=checked_url(f"{scheme}://{host}:{record.port}{self._value('base')}"),
            kind=self._kind(),
            source="dns",
            environment=self._naming.environment,
            priority=self._naming.priority - self._ranks[record.priority],
            weight=max(record.weight, 1),
            model=self._value("model"),
            labels={key: value for key, value in labels.items() if value},
        )

    def _kind(self) -> str:
        word = self._fields.get("api", "").lower()
        word = _KINDS_ELSEWHERE.get(word, word)
        return word if word in _KINDS else "auto"

    def _scheme(self, port: int, addresses: tuple[str, ...]) -> str:
        """What the service's name or TXT says, and never http against either; else by the port;
        else http only where all of its addresses are private."""
        transport = self._fields.get("transport", "").lower()
        if self._owner.is_tls or transport == "https" or self._fields.get("tls") == "1":
            return "https"
        if transport == "http":
            return "http"
        if transport:
            raise ConfigError(f"transport={transport[:32]} is neither http nor https")
        return "https" if port in _TLS_PORTS or not all(map(is_private, addresses)) else "http"

    def _value(self, key: str) -> str:
        value = self._fields.get(key, "")
        if key == "auth":
            value = value.lower()
        if not value or _VALUES[key].fullmatch(value):
            return value
        self._refused.append(f"TXT {key}={value[:32]!r} is not understood")
        return "unknown" if key == "auth" else ""  # it asks for some login: not "none"


def _record(text: str) -> Owner:
    name = hostname(text)
    labels = name.split(".")
    rest = next((i for i, label in enumerate(labels) if not label.startswith("_")), 0)
    if not rest:
        raise ConfigError(
            f"{text!r} is not the name of an SRV record", "write it like _cmdai._tcp.example.org"
        )
    return Owner(name, ".".join(labels[rest:]), labels[0] in _TLS)


def _domain(text: str) -> str:
    if domain := hostname(text):
        return domain
    is_foreign = not text.isascii() and text.isprintable()
    hint = "write it as DNS has it, xn--..." if is_foreign else "write it like example.org"
    raise ConfigError(f"{text!r} is no domain", hint)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
