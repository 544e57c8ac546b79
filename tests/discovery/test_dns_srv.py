"""When names are asked for, and what stands meanwhile. Time is virtual, answers are scripted; real
name servers are in ``test_dns_srv_real``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing, suppress
from subprocess import run as run_process
from typing import TYPE_CHECKING, TypeAlias

import pytest

from cmdai_shell import discovery
from cmdai_shell.core import Added
from cmdai_shell.discovery.dns_srv import Pace, Question, SrvSource
from cmdai_shell.discovery.nameservers import NameServer, Resolving
from cmdai_shell.discovery.rfc2782 import Record
from cmdai_shell.discovery.srv_lookup import Absent, Unanswered
from cmdai_shell.discovery.srv_records import MOST, Answer, Naming, Owner, Reading, read
from cmdai_shell.errors import ConfigError
from tests.fakes.virtual_loop import START, now, run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from typing import Any

    from cmdai_shell.core import Removed

Said: TypeAlias = "Answer | Absent | Unanswered | Exception"

RECORD = "_cmdai._tcp.example.org"
A, B = "dns/a.example.org:8000", "dns/b.example.org:8000"
SILENT = Unanswered("no answer within 5 s")


def answer(*hosts: str, ttl: float = 300, texts: tuple[str, ...] = (), lost: str = "") -> Answer:
    """``lost``: a host whose address nobody can say; a host of capitals has none."""
    return Answer(
        records=[Record(10, 1, 8000, f"{host}.example.org.") for host in hosts],
        texts=texts,
        addresses={
            f"{host}.example.org.": None if host == lost else [] if host.isupper() else ["10.0.0.1"]
            for host in hosts
        },
        ttl=ttl,
        problem="SERVFAIL from 10.0.0.53:53" if lost else "",
    )


class Scripted:
    """Each name's answers in turn; the last one is repeated, and no script is NXDOMAIN."""

    def __init__(self, **script: Sequence[Said]) -> None:
        self.script = {key: list(said) for key, said in script.items()}
        self.asked: list[tuple[float, str]] = []
        self.servers: list[Sequence[NameServer]] = []

    def make(self, servers: Sequence[NameServer]) -> Scripted:
        self.servers.append(servers)
        return self

    async def ask(self, owner: str) -> Answer | Absent | Unanswered:
        self.asked.append((now() - START, owner))
        turns = self.script.get(owner.partition(".")[0], [Absent(3600)])
        said = turns.pop(0) if len(turns) > 1 else turns[0]
        if isinstance(said, Exception):
            raise said
        await asyncio.sleep(0)
        return said

    def times(self) -> list[float]:
        return [round(at, 3) for at, _ in self.asked]


def source(names: Scripted, *domains: str, **more: Any) -> SrvSource:
    settings: dict[str, Any] = {
        "clock": now,
        "random": lambda: 0.0,
        "servers": ("10.0.0.53",),
        "lookup": names.make,
    }
    return SrvSource(domains=domains or (RECORD,), **(settings | more))


def each_in_turn(*networks: Resolving) -> Callable[[], Awaitable[Resolving]]:
    """The system's name servers at each look; the last ones stay."""
    left = list(networks)

    async def system() -> Resolving:
        return left.pop(0) if len(left) > 1 else left[0]

    return system


async def heard(one: SrvSource, seconds: float) -> list[tuple[float, str]]:
    """What is said in so many seconds, ``-ID`` for a removal, and when."""
    found: list[tuple[float, str]] = []
    stream: AsyncGenerator[Added | Removed, None] = one.watch()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(stream):
            async for said in stream:
                name = said.endpoint.id if isinstance(said, Added) else f"-{said.id}"
                found.append((round(now() - START, 3), name))
    return found


def watch(names: Scripted, seconds: float, *domains: str, **more: Any) -> list[tuple[float, str]]:
    async def live() -> list[tuple[float, str]]:
        return await heard(source(names, *domains, **more), seconds)

    return run(live())


def test_what_is_there_is_said_once_and_asked_again_when_the_ttl_is_over():
    names = Scripted(_cmdai=[answer("a", ttl=300)])
    assert watch(names, 1_000) == [(0, A)]
    assert names.times() == [0, 300, 600, 900]


@pytest.mark.parametrize(("ttl", "period"), [(0, 30), (5, 30), (31, 31), (86_400, 3_600)])
def test_the_ttl_has_a_floor_and_a_cap(ttl: float, period: float):
    names = Scripted(_cmdai=[answer("a", ttl=ttl)])
    watch(names, 2.5 * period)
    assert names.times() == [0, period, 2 * period]


def test_changes():
    names = Scripted(
        _cmdai=[
            answer("a", "b"),
            answer("a", "b"),
            answer("b"),
            answer("b", texts=("model=x",)),
        ]
    )
    assert sorted(watch(names, 1_000)) == [(0, A), (0, B), (600, f"-{A}"), (900, B)]


def test_the_last_good_set_stays_while_nobody_answers():
    names = Scripted(_cmdai=[answer("a"), SILENT, SILENT, SILENT, answer("a", "b")])
    one = run(_after(names, 302.5, found := []))
    assert [name for _, name in found] == [A]
    (question,) = one.questions
    assert (question.state, question.problem) == ("failed", SILENT.problem)
    assert list(question.endpoints) == [A]
    assert question.answered_at == START
    assert watch(Scripted(_cmdai=[answer("a"), SILENT]), 100_000) == [(0, A)]


async def _after(names: Scripted, seconds: float, found: list[tuple[float, str]]) -> SrvSource:
    one = source(names)
    found += await heard(one, seconds)
    return one


def test_after_a_failure_it_is_asked_at_doubling_pauses():
    names = Scripted(_cmdai=[answer("a"), *[SILENT] * 8, answer("a")])
    watch(names, 900)
    pauses = [2, 4, 8, 16, 32, 60, 60, 60]
    wanted = [0.0, 300.0]
    for pause in pauses:
        wanted.append(wanted[-1] + pause)
    wanted.append(wanted[-1] + 300)
    assert names.times() == wanted


def test_by_chance_up_to_half_of_the_pause_less():
    pace = Pace()
    assert pace.back_off(3, 0.0) == 8
    assert pace.back_off(3, 1.0) == 4
    assert pace.back_off(10_000, 0.0) == 60


def test_gone_is_who_is_missing_twice():
    names = Scripted(_cmdai=[answer("a"), Absent(60), answer("a"), Absent(60), Absent(60)])
    assert watch(names, 2_000) == [(0, A), (660, f"-{A}")]
    assert names.times()[:6] == [0, 300, 330, 630, 660, 720]


def test_a_failure_between_does_not_make_it_come_back():
    names = Scripted(_cmdai=[answer("a"), Absent(60), SILENT, Absent(60)])
    assert watch(names, 1_000) == [(0, A), (332, f"-{A}")]


def test_a_domain_that_says_there_is_no_service_is_believed_at_once():
    denial = Answer(records=[Record(0, 0, 1, ".")], ttl=60)
    assert watch(Scripted(_cmdai=[answer("a"), denial]), 1_000) == [(0, A), (300, f"-{A}")]


def test_a_target_whose_address_nobody_can_say_stays():
    names = Scripted(_cmdai=[answer("a", "b"), answer("a", "b", lost="b"), answer("a", "b")])
    one = run(_after(names, 301, found := []))
    assert sorted(name for _, name in found) == [A, B]
    assert one.questions[0].problem == "SERVFAIL from 10.0.0.53:53"
    assert names.times() == [0, 300]
    assert one.questions[0].next_at == START + 302


def test_a_target_without_an_address_goes_at_the_second_time():
    question = Question(Owner(RECORD, "example.org"), Pace())
    endpoints = _reading("a").endpoints
    question.note_found(_reading("a"), 300, 0, 0)
    question.note_found(Reading(homeless=frozenset([A])), 300, 300, 0)
    assert question.endpoints == endpoints
    assert question.next_at == 330
    question.note_found(Reading(homeless=frozenset([A])), 300, 330, 0)
    assert question.endpoints == {}
    assert question.next_at == 630


def _reading(*hosts: str) -> Reading:
    return read(Owner(RECORD, "example.org"), answer(*hosts), Naming(), lambda: 0.0)


def test_a_domain_is_asked_for_its_three_services():
    names = Scripted(_inference=[answer("a")], **{"_inference-tls": [answer("b")]})
    found = watch(names, 10, "example.org")
    assert sorted(found) == [(0, A), (0, B)]
    assert sorted(name for _, name in names.asked) == [
        "_cmdai._tcp.example.org",
        "_inference-tls._tcp.example.org",
        "_inference._tcp.example.org",
    ]


def test_of_one_place_that_is_named_twice_tls_counts_then_the_first():
    async def live() -> list[tuple[str, str]]:
        names = Scripted(
            _cmdai=[answer("a", "b", texts=("model=x",))],
            _inference=[answer("b", texts=("model=y",))],
            **{"_inference-tls": [answer("a")]},
        )
        one, last = source(names, "example.org"), {}
        with suppress(TimeoutError):
            async with asyncio.timeout(5), aclosing(one.watch()) as stream:
                async for said in stream:
                    assert isinstance(said, Added)
                    last[said.endpoint.id] = said.endpoint
        return sorted((one.url, one.model) for one in last.values())

    assert run(live()) == [("http://b.example.org:8000", "x"), ("https://a.example.org:8000", "")]


def test_all_domains_together_are_bounded():
    names = Scripted(_cmdai=[answer(*(f"h{i}" for i in range(MOST)))])
    names.script["_inference"] = [answer(*(f"i{i}" for i in range(MOST)))]
    assert len({name for _, name in watch(names, 5, "example.org", "example.net")}) == MOST


def test_one_name_does_not_wait_for_another():
    class Slow(Scripted):
        async def ask(self, owner: str) -> Answer | Absent | Unanswered:
            if owner.startswith("_inference."):
                await asyncio.sleep(20)
            return await super().ask(owner)

    names = Slow(_cmdai=[answer("a")], _inference=[answer("b")])
    assert watch(names, 25, "example.org") == [(0, A), (20, B)]


def test_search_domains_and_name_servers_are_followed():
    """A laptop that changes networks."""
    lab = Resolving(servers=(NameServer("10.0.0.53"),), search=("lab.example",))
    home = Resolving(servers=(NameServer("192.168.1.1"),), search=("home.example",))
    networks = [lab, lab, home]

    class ByDomain(Scripted):
        async def ask(self, owner: str) -> Answer | Absent | Unanswered:
            await super().ask(owner)
            known = {"_cmdai._tcp.lab.example": "a", "_cmdai._tcp.home.example": "b"}
            return answer(known[owner]) if owner in known else Absent(3600)

    names = ByDomain()
    found = watch(
        names,
        150,
        "search",
        servers=(),
        system=each_in_turn(*networks),
    )
    assert [name for _, name in found] == [A, f"-{A}", B]
    assert names.servers == [(), lab.servers, home.servers]


def test_with_other_name_servers_all_is_asked_anew():
    networks = [
        Resolving(servers=(NameServer("10.0.0.53"),)),
        Resolving(servers=(NameServer("10.9.9.53"),)),
    ]
    names = Scripted(_cmdai=[SILENT, answer("a", ttl=3600)])
    watch(
        names,
        100,
        servers=(),
        pace=Pace(retry=1_000, retry_longest=1_000),
        system=each_in_turn(*networks),
    )
    assert len(names.asked) == 2


def test_configured_name_servers_stay_with_the_systems_search_domains():
    names = Scripted()
    system = Resolving(servers=(NameServer("10.0.0.1"),), search=("lab.example",))
    watch(names, 5, "search", servers=("10.0.0.53:5353",), system=each_in_turn(system))
    assert set(names.servers) == {(NameServer("10.0.0.53", 5353),)}


def test_a_bug_of_ours_is_a_failure_like_others(caplog: pytest.LogCaptureFixture):
    names = Scripted(_cmdai=[answer("a"), RuntimeError("a bug"), answer("a", "b")])
    assert watch(names, 400) == [(0, A), (302, B)]
    assert "a look-up failed in a way of its own" in caplog.messages


def test_a_failure_is_logged_once(caplog: pytest.LogCaptureFixture):
    watch(Scripted(_cmdai=[SILENT]), 1_000)
    assert caplog.messages.count("no discovery") == 1


def test_a_second_watch_says_all_again_and_what_has_gone():
    async def live() -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
        one = source(Scripted(_cmdai=[answer("a", "b"), answer("b")]))
        return await heard(one, 10), await heard(one, 400)

    first, second = run(live())
    assert sorted(name for _, name in first) == [A, B]
    assert sorted(name for _, name in second) == [f"-{A}", A, B]


def test_it_can_be_asked_at_once():
    async def live() -> list[tuple[float, str]]:
        names = Scripted(_cmdai=[answer("a"), answer("a", "b")])
        one = source(names)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(heard(one, 100))
            await asyncio.sleep(10)
            one.ask_at_once()
        return hearing.result()

    assert run(live()) == [(0, A), (10, B)]


def test_asked_at_once_while_an_answer_is_on_its_way():
    """That answer may be the old network's."""

    class Slow(Scripted):
        async def ask(self, owner: str) -> Answer | Absent | Unanswered:
            await asyncio.sleep(5)
            return await super().ask(owner)

    names = Slow(_cmdai=[answer("a")])

    async def live() -> None:
        one = source(names)
        async with asyncio.TaskGroup() as group:
            group.create_task(heard(one, 60))
            await asyncio.sleep(2)
            one.ask_at_once()

    run(live())
    assert names.times() == [5, 10]


def test_closing_it_ends_what_it_began():
    async def live() -> int:
        stream = source(Scripted(_cmdai=[answer("a")]), "example.org").watch()
        await anext(stream)
        await stream.aclose()
        return len(asyncio.all_tasks())

    assert run(live()) == 1


@pytest.mark.parametrize(
    ("domains", "name"),
    [(("example.org",), "dns:example.org"), (("search",), "dns:search"), (("a.b", "c.d"), "dns")],
)
def test_its_name(domains: tuple[str, ...], name: str):
    assert source(Scripted(), *domains).name == name


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"domains": ("exa mple",)}, "is no domain"),
        ({"domains": ("_tcp",)}, "is not the name of an SRV record"),
        ({"domains": ("example.org",), "servers": ("1.2.3",)}, "is no name server"),
    ],
)
def test_wrong_settings(more: dict[str, Any], what: str):
    with pytest.raises(ConfigError, match=what):
        SrvSource(clock=now, random=lambda: 0.0, **more)


def test_it_is_in_the_table_and_dns_is_imported_only_then():
    assert discovery.load("dns_srv") is SrvSource
    assert discovery.load("dns_srv")(domains=("example.org",)).name == "dns:example.org"
    code = (
        "import sys, cmdai_shell.discovery, cmdai_shell.daemon.compose; print('dns' in sys.modules)"
    )
    found = run_process([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
