"""Look-ups over real sockets, at a name server that may say anything. Well-behaved ones, of others,
are in ``test_dns_srv_real``."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from cmdai_shell.discovery.nameservers import NameServer
from cmdai_shell.discovery.rfc2782 import Record
from cmdai_shell.discovery.srv_lookup import PAYLOAD, Absent, Lookup, Unanswered
from cmdai_shell.discovery.srv_records import MOST, Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Respond: TypeAlias = Callable[[dns.message.Message, bool], "bytes | None"]

OWNER = "_cmdai._tcp.example.org"
SRV = f"{OWNER}. 60 IN SRV 10 60 8000 a.example.org."
A = "a.example.org. 50 IN A 10.0.0.7"
AAAA = "a.example.org. 50 IN AAAA fd00::7"


class Zone:
    """Answers from lines of a zone file. ``hook`` may answer in its place."""

    def __init__(self, *lines: str) -> None:
        self.sets: dict[tuple[str, str], dns.rrset.RRset] = {}
        self.queries: list[tuple[str, str, bool]] = []
        """(name, type, over TCP)."""
        self.last: dns.message.Message | None = None
        self.rcodes: dict[tuple[str, str], int] = {}
        self.silent: set[str] = set()
        """Types."""
        self.hook: Respond | None = None
        for line in lines:
            name, ttl, _, kind, data = line.split(maxsplit=4)
            new = dns.rrset.from_text(name, int(ttl), "IN", kind, data)
            known = self.sets.setdefault((name.lower(), kind), new)
            known.update(new)

    def respond(self, wire: bytes, is_tcp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        key = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        self.queries.append((*key, is_tcp))
        self.last = query
        if key[1] in self.silent:
            return None
        if self.hook:
            return self.hook(query, is_tcp)
        reply = dns.message.make_response(query)
        if rcode := self.rcodes.get(key):
            reply.set_rcode(dns.rcode.Rcode(rcode))
        elif found := self.sets.get(key) or self.sets.get((key[0], "CNAME")):
            reply.answer.append(found)
        elif key[0] not in {name for name, _ in self.sets}:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        whole = reply.to_wire(max_size=65_535)
        if is_tcp or len(whole) <= query.payload:
            return whole
        short = dns.message.make_response(query)
        short.flags |= dns.flags.TC
        return short.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if reply := self._zone.respond(data, False):
            self._transport.sendto(reply, addr)


@asynccontextmanager
async def serving(
    zone: Zone, host: str = "127.0.0.1", has_tcp: bool = True
) -> AsyncIterator[NameServer]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while size := await reader.read(2):
                wire = await reader.readexactly(int.from_bytes(size, "big"))
                if reply := zone.respond(wire, True):
                    writer.write(len(reply).to_bytes(2, "big") + reply)
        finally:
            writer.close()

    loop = asyncio.get_running_loop()
    tcp = await asyncio.start_server(connected, host, 0)
    port = tcp.sockets[0].getsockname()[1]
    udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(zone), (host, port))
    async with tcp:
        if not has_tcp:
            tcp.close()
        yield NameServer(host, port)
    udp.close()


async def asked(zone: Zone, seconds: float = 0.5) -> Answer | Absent | Unanswered:
    async with serving(zone) as server:
        return await Lookup([server], seconds=seconds).ask(OWNER)


async def problem(zone: Zone, seconds: float = 0.5) -> str:
    """Without the server's port."""
    said = await asked(zone, seconds)
    assert isinstance(said, Unanswered), said
    return said.problem.partition(" from 127.")[0].partition("127.")[0]


async def test_all_that_belongs_to_a_service():
    zone = Zone(SRV, A, AAAA, f'{OWNER}. 40 IN TXT "api=vllm" "base=/v1"')
    assert await asked(zone) == Answer(
        records=[Record(10, 60, 8000, "a.example.org.")],
        texts=["api=vllm", "base=/v1"],
        addresses={"a.example.org.": ["10.0.0.7", "fd00::7"]},
        ttl=40,
    )
    assert zone.last is not None
    assert (zone.last.edns, zone.last.payload) == (0, PAYLOAD)


async def test_the_shortest_ttl_counts():
    assert (await asked(Zone(SRV, A))).ttl == 50  # type: ignore[union-attr]
    assert (await asked(Zone(SRV, A.replace("50", "70")))).ttl == 60  # type: ignore[union-attr]


async def test_absent():
    assert isinstance(await asked(Zone()), Absent)
    assert isinstance(await asked(Zone(f'{OWNER}. 60 IN TXT "x=y"')), Absent)


async def test_how_long_it_is_absent_says_the_zone():
    def nothing(query: dns.message.Message, _: bool) -> bytes:
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.NXDOMAIN)
        soa = "ns.example.org. admin.example.org. 1 60 60 600 45"
        reply.authority.append(dns.rrset.from_text("example.org.", 900, "IN", "SOA", soa))
        return reply.to_wire()

    zone = Zone()
    zone.hook = nothing
    assert await asked(zone) == Absent(45)


async def test_no_service_is_not_looked_up_further():
    zone = Zone(f"{OWNER}. 60 IN SRV 0 0 1 .")
    said = await asked(zone)
    assert isinstance(said, Answer)
    assert said.is_denial
    assert {kind for _, kind, _ in zone.queries} == {"SRV", "TXT"}


@pytest.mark.parametrize(("rcode", "word"), [(2, "SERVFAIL"), (5, "REFUSED"), (1, "FORMERR")])
async def test_result_codes(rcode: int, word: str):
    zone = Zone(SRV, A)
    zone.rcodes[f"{OWNER}.", "SRV"] = rcode
    assert await problem(zone) == word


async def test_silence():
    zone = Zone(SRV, A)
    zone.silent = {"SRV"}
    begun = time.monotonic()
    assert await problem(zone) == "no answer within 0.5 s"
    assert time.monotonic() - begun < 5


async def test_nobody_there():
    """A UDP socket that is not connected hears of no refusal."""
    async with serving(Zone()) as server:
        pass
    said = await Lookup([server], seconds=0.5).ask(OWNER)
    assert said == Unanswered(f"no answer within 0.5 s from {server}")


async def test_text_that_nobody_can_tell_may_have_said_tls():
    zone = Zone(SRV, A)
    zone.silent = {"TXT"}
    assert await problem(zone) == "no answer within 0.5 s"


async def test_an_address_that_nobody_can_say():
    zone = Zone(SRV, A, f"{OWNER}. 60 IN SRV 10 40 8000 b.example.org.")
    zone.rcodes["b.example.org.", "A"] = zone.rcodes["b.example.org.", "AAAA"] = 2
    said = await asked(zone)
    assert isinstance(said, Answer)
    assert said.addresses == {"a.example.org.": ["10.0.0.7"], "b.example.org.": None}
    assert said.problem.startswith("SERVFAIL from 127.0.0.1:")


@pytest.mark.parametrize("kind", ["A", "AAAA"])
async def test_half_of_the_addresses_will_do(kind: str):
    zone = Zone(SRV, A, AAAA)
    zone.rcodes["a.example.org.", kind] = 2
    said = await asked(zone)
    assert isinstance(said, Answer)
    assert said.addresses["a.example.org."] == (["fd00::7"] if kind == "A" else ["10.0.0.7"])
    assert said.problem == ""


async def test_a_target_without_an_address():
    said = await asked(Zone(SRV))
    assert isinstance(said, Answer)
    assert said.addresses == {"a.example.org.": []}


async def test_all_together_have_three_times_as_long_as_one_name():
    """Two hundred targets of a silent zone are given up in time."""
    zone = Zone(*(f"{OWNER}. 60 IN SRV 1 1 8000 h{i}.example.org." for i in range(MOST)))
    zone.silent = {"A", "AAAA"}
    begun = time.monotonic()
    said = await asked(zone, seconds=0.3)
    assert time.monotonic() - begun < 5
    assert isinstance(said, Answer)
    assert set(said.addresses.values()) == {None}
    assert said.problem


async def test_what_is_long_comes_over_tcp_and_is_cut_off_at_the_bound():
    lines = [f"{OWNER}. 60 IN SRV 1 1 8000 h{i}.example.org." for i in range(2 * MOST)]
    zone = Zone(*lines, *(f"h{i}.example.org. 60 IN A 10.0.0.7" for i in range(2 * MOST)))
    said = await asked(zone, seconds=5)
    assert isinstance(said, Answer)
    assert len(said.records) == 2 * MOST
    assert len(said.addresses) == MOST
    assert (f"{OWNER}.", "SRV", True) in zone.queries
    assert len([1 for _, kind, _ in zone.queries if kind == "A"]) == MOST


async def test_truncated_over_tcp_too():
    def short(query: dns.message.Message, _: bool) -> bytes:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.TC
        return reply.to_wire()

    zone = Zone()
    zone.hook = short
    assert await problem(zone) == "an answer that is cut off even over TCP"


async def test_a_server_without_tcp():
    zone = Zone(*(f"{OWNER}. 60 IN SRV 1 1 8000 h{i}.example.org." for i in range(99)))
    async with serving(zone, has_tcp=False) as server:
        said = await Lookup([server], seconds=2).ask(OWNER)
    assert said == Unanswered(f"{server} cannot be reached over TCP")


async def test_garbage_over_tcp():
    def respond(query: dns.message.Message, is_tcp: bool) -> bytes:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.TC
        return b"\xff" * 40 if is_tcp else reply.to_wire()

    zone = Zone()
    zone.hook = respond
    async with serving(zone) as server:
        said = await Lookup([server], seconds=2).ask(OWNER)
    assert said == Unanswered(f"{server} answers what cannot be read")


async def test_a_name_server_with_an_ipv6_address():
    async with serving(Zone(SRV, A), "::1") as server:
        assert isinstance(await Lookup([server], seconds=2).ask(OWNER), Answer)
    assert await Lookup([server], seconds=0.3).ask(OWNER) == Unanswered(
        f"no answer within 0.3 s from [::1]:{server.port}"
    )


async def test_aliases_are_followed():
    """By us too: a server that is no resolver knows only its own zone."""
    zone = Zone(
        f"{OWNER}. 30 IN CNAME _vllm._tcp.example.net.",
        "_vllm._tcp.example.net. 60 IN SRV 10 60 8000 a.example.org.",
        "a.example.org. 60 IN CNAME b.example.org.",
        "b.example.org. 60 IN A 10.0.0.8",
    )
    said = await asked(zone)
    assert isinstance(said, Answer)
    assert said.records == [Record(10, 60, 8000, "a.example.org.")]
    assert said.addresses == {"a.example.org.": ["10.0.0.8"]}
    assert said.ttl == 30


@pytest.mark.parametrize("length", [1, 2, 5, 100])
async def test_aliases_in_a_circle(length: int):
    zone = Zone(
        f"{OWNER}. 60 IN CNAME n0.example.org.",
        *(f"n{i}.example.org. 60 IN CNAME n{(i + 1) % length}.example.org." for i in range(length)),
    )
    assert (await problem(zone)).startswith("its aliases lead in a circle, or too far")
    assert len(zone.queries) < 30


async def test_aliases_in_a_circle_inside_one_answer():
    def circle(query: dns.message.Message, _: bool) -> bytes:
        reply = dns.message.make_response(query)
        for one, other in ((f"{OWNER}.", "x.example."), ("x.example.", f"{OWNER}.")):
            reply.answer.append(dns.rrset.from_text(one, 60, "IN", "CNAME", other))
        return reply.to_wire()

    zone = Zone()
    zone.hook = circle
    assert await problem(zone) == "its aliases lead in a circle, or too far, says "


@pytest.mark.parametrize(
    "garbage",
    [b"\0", b"\xff" * 600, b"\0" * 12, bytes(range(256)) * 200],
    ids=["short", "ones", "zeros", "long"],
)
async def test_garbage_is_no_answer(garbage: bytes):
    zone = Zone()
    zone.hook = lambda query, is_tcp: garbage[:60_000]
    assert await problem(zone) == "no answer within 0.5 s"


async def test_an_answer_to_another_question_is_none():
    def other(query: dns.message.Message, _: bool) -> bytes:
        reply = dns.message.make_response(dns.message.make_query("evil.example.", "SRV"))
        reply.id = query.id
        return reply.to_wire()

    zone = Zone()
    zone.hook = other
    assert await problem(zone) == "no answer within 0.5 s"


async def test_names_of_any_bytes_stay_what_they_are():
    zone = Zone(f"{OWNER}. 60 IN SRV 1 1 8000 \\000\\027[31m\\@/.example.org.")
    said = await asked(zone)
    assert isinstance(said, Answer)
    assert said.records[0].target == "\\000\\027[31m\\@/.example.org."


async def test_text_of_any_bytes():
    said = await asked(Zone(SRV, A, f'{OWNER}. 60 IN TXT "\\255\\000=x" "a=b"'))
    assert isinstance(said, Answer)
    assert said.texts == ["\ufffd\0=x", "a=b"]


async def test_the_next_server_is_asked_when_the_first_is_ill():
    bad = Zone(SRV, A)
    bad.rcodes[f"{OWNER}.", "SRV"] = 2
    async with serving(bad) as first, serving(Zone(SRV, A)) as second:
        assert isinstance(await Lookup([first, second], seconds=2).ask(OWNER), Answer)


async def test_a_name_server_that_has_a_name():
    async with serving(Zone(SRV, A)) as server:
        said = await Lookup([NameServer("localhost", server.port)], seconds=2).ask(OWNER)
    assert isinstance(said, Answer)


async def test_a_name_server_that_nobody_knows():
    said = await Lookup([NameServer("nobody.invalid")], seconds=2).ask(OWNER)
    assert said == Unanswered("no address is known of the name server nobody.invalid:53")
