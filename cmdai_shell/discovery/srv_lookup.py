"""Names asked of DNS: SRV, TXT, A and AAAA, each look-up bounded in time and number."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.resolver
import dns.ttl

from cmdai_shell.discovery.nameservers import NameServer
from cmdai_shell.discovery.rfc2782 import Record
from cmdai_shell.discovery.srv_records import MOST_ADDRESSES, Answer, targets
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

TRY_S, NAME_S = 2.0, 5.0
"""Seconds for one name server, and for one name at all of them; all the targets of a service get"""
_ALL = 3
"""times that."""
PAYLOAD = 1_232
"""Bytes that a UDP answer may have: more would be cut into fragments, which get lost (DNS flag day
2020). What is longer comes over TCP."""
_AT_ONCE = 16
"""Look-ups at the same time."""
_MOST_ALIASES = 8
"""CNAMEs that are followed from one answer to the next; inside one, dnspython follows 16."""
_MOST_TEXTS = 64


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such record, and that holds for ``ttl`` seconds."""

    ttl: float


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody could say: a sentence why."""

    problem: str


@dataclass(frozen=True, slots=True)
class _Found:
    data: Sequence[Any]
    ttl: float


class Lookup:
    """Asks ``servers``, in their order. ``seconds`` is for one name; all targets have thrice."""

    def __init__(self, servers: Sequence[NameServer], *, seconds: float = NAME_S) -> None:
        self._servers = servers
        self._seconds = seconds
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.timeout = min(TRY_S, seconds)
        self._resolver.use_edns(0, 0, PAYLOAD)
        self._backend = dns.asyncbackend.get_backend("asyncio")
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, owner: str) -> Answer | Absent | Unanswered:
        """Its SRV records with all that belongs to them. TXT that nobody can tell is no answer, as
        it may say that TLS is spoken."""
        if problem := await self._find_servers():
            return Unanswered(problem)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(self._look_up(owner, "SRV"))
            texts_asked = group.create_task(self._look_up(owner, "TXT"))
        found, texts = asked.result(), texts_asked.result()
        if not isinstance(found, _Found):
            return found
        records = [Record(r.priority, r.weight, r.port, r.target.to_text()) for r in found.data]
        if all(record.is_denial for record in records):
            return Answer(records=records, ttl=found.ttl)
        if isinstance(texts, Unanswered):
            return texts
        addresses = {record.target: _Addresses() for record in targets(records)}
        await self._find_addresses(addresses)
        ttls = [found.ttl, *(one.ttl for one in addresses.values() if one.found)]
        if isinstance(texts, _Found):
            ttls.append(texts.ttl)
        return Answer(
            records=records,
            texts=_strings(texts.data) if isinstance(texts, _Found) else (),
            addresses={target: one.known for target, one in addresses.items()},
            ttl=min(ttls),
            problem=next((one.problem for one in addresses.values() if one.known is None), ""),
        )

    async def _find_addresses(self, addresses: dict[str, _Addresses]) -> None:
        """What is not known in time stays unknown."""
        try:
            async with asyncio.timeout(self._seconds * _ALL), asyncio.TaskGroup() as group:
                for target, one in addresses.items():
                    for kind in ("A", "AAAA"):
                        group.create_task(self._find_address(target, kind, one))
        except TimeoutError:
            pass

    async def _find_address(self, target: str, kind: str, one: _Addresses) -> None:
        one.note(await self._look_up(target, kind))

    async def _look_up(self, name: str, kind: str) -> _Found | Absent | Unanswered:
        """A server that is no resolver leaves aliases into other zones for us to follow."""
        asked: set[dns.name.Name] = set()
        try:
            follow = dns.name.from_text(name, dns.name.root)
            ttl = float(dns.ttl.MAX_TTL)
            for _ in range(_MOST_ALIASES):
                asked.add(follow)
                answer = await self._resolve(follow, kind)
                if answer.response.flags & dns.flags.TC:  # over TCP dnspython does not look
                    return Unanswered("an answer that is cut off even over TCP")
                ttl = min(ttl, answer.chaining_result.minimum_ttl)
                if answer.rrset:
                    return _Found(list(answer.rrset), ttl)
                if answer.canonical_name == follow:
                    return Absent(ttl)
                follow = answer.canonical_name
                if follow in asked:
                    break
        except dns.resolver.NXDOMAIN as error:
            return Absent(_negative_ttl(error))
        except dns.exception.DNSException as error:
            return Unanswered(_problem(error, self._seconds))
        return Unanswered("its aliases lead in a circle, or too far")

    async def _resolve(self, name: dns.name.Name, kind: str) -> dns.resolver.Answer:
        async with self._places:
            return await self._resolver.resolve(
                name,
                kind,
                raise_on_no_answer=False,
                lifetime=self._seconds,
                search=False,
                backend=self._backend,
            )

    async def _find_servers(self) -> str:
        """Name servers that were given by name are looked up by the system. A sentence if none of
        them has an address."""
        found: list[dns.nameserver.Do53Nameserver] = []
        for server in self._servers:
            for address in await _addresses_of(server, self._seconds):
                found.append(dns.nameserver.Do53Nameserver(address, server.port))
        self._resolver.nameservers = found
        names = ", ".join(map(str, self._servers))
        return "" if found else f"no address is known of the name server {names}"


class _Addresses:
    """What the two look-ups of a target came to."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.ttl = float(dns.ttl.MAX_TTL)
        self.problem = "there are too many targets to look them all up in time"
        self._answers = 0

    @property
    def known(self) -> Sequence[str] | None:
        """None while some question has no answer, and none has addresses."""
        return sorted(self.found) if self.found or self._answers == 2 else None

    def note(self, answer: _Found | Absent | Unanswered) -> None:
        if isinstance(answer, Unanswered):
            self.problem = answer.problem
            return
        self._answers += 1
        if isinstance(answer, _Found):
            self.found += [record.address for record in answer.data[:MOST_ADDRESSES]]
            self.ttl = min(self.ttl, answer.ttl)


async def _addresses_of(server: NameServer, seconds: float) -> list[str]:
    try:
        ipaddress.ip_address(server.host)
    except ValueError:
        pass
    else:
        return [server.host]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError):
        return []
    return [str(address[0]) for *_, address in found]


def _strings(data: Sequence[Any]) -> list[str]:
    """In an order that does not depend on the server's."""
    records = sorted(data)
    texts = [part.decode("utf-8", "replace") for record in records for part in record.strings]
    return texts[:_MOST_TEXTS]


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    responses: dict[object, dns.message.QueryMessage] = error.kwargs["responses"]
    ttls = [response.resolve_chaining().minimum_ttl for response in responses.values()]
    return float(min(ttls, default=0))


def _problem(error: dns.exception.DNSException, seconds: float) -> str:
    """A sentence of our own words, result codes and the addresses of name servers: the last try's,
    or that of the last one that came to more than silence."""
    tries = (getattr(error, "kwargs", None) or {}).get("errors") or []
    for server, is_tcp, _, cause, _ in reversed(tries):
        if isinstance(cause, dns.exception.Timeout | dns.message.Truncated):
            continue
        return _sentence(cause, _spelled(server), is_tcp)
    return f"no answer within {seconds:g} s" + (f" from {_spelled(tries[-1][0])}" if tries else "")


def _sentence(cause: object, server: str, is_tcp: bool) -> str:
    if isinstance(cause, str):
        return f"{visible(cause)[:40]} from {server}"
    if isinstance(cause, dns.message.ChainTooLong):
        return f"its aliases lead in a circle, or too far, says {server}"
    if isinstance(cause, OSError):
        return f"{server} cannot be reached{' over TCP' if is_tcp else ''}"
    return f"{server} answers what cannot be read"


def _spelled(server: str) -> str:
    """dnspython writes ``Do53:fd00::1@53``."""
    host, _, port = server.removeprefix("Do53:").rpartition("@")
    return str(NameServer(host, int(port)))
