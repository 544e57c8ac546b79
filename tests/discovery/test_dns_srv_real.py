"""The source at name servers of others: BIND and Knot, each on a loopback port of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from contextlib import aclosing, asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import pytest

from cmdai_shell.core import Added
from cmdai_shell.discovery.dns_srv import Pace, SrvSource
from cmdai_shell.discovery.nameservers import NameServer, Resolving
from cmdai_shell.discovery.rfc2782 import order
from cmdai_shell.discovery.srv_lookup import Absent, Lookup, Unanswered
from cmdai_shell.discovery.srv_records import MOST, Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from cmdai_shell.core import Endpoint

pytestmark = pytest.mark.real

ZONE = "dgx.test"
OWNER = f"_cmdai._tcp.{ZONE}"
A, B = f"dns/dgx1.{ZONE}:8000", f"dns/dgx2.{ZONE}:8000"
RECORDS = (
    "_cmdai._tcp 5 IN SRV 10 60 8000 dgx1.dgx.test.",
    "_cmdai._tcp 5 IN SRV 10 40 8000 dgx2.dgx.test.",
    "dgx1 5 IN A 10.0.0.1",
    "dgx1 5 IN AAAA fd00::1",
    "dgx2 5 IN A 10.0.0.2",
)
QUICK = Pace(floor=0.2, cap=0.3, retry=0.1, retry_longest=0.3, look=0.2)
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
PROGRAMS = {"bind": "named", "knot": "knotd"}

_BIND = """options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }}; recursion no; pid-file "{folder}/pid"; session-keyfile "{folder}/key";
  dnssec-validation no; }};
controls {{ }};
zone "dgx.test" {{ type master; file "{folder}/zone"; check-names ignore; }};
"""
_KNOT = """server:
    rundir: {folder}
    listen: [ 127.0.0.1@{port} ]
log:
  - target: stderr
    any: warning
database:
    storage: {folder}/db
zone:
  - domain: dgx.test.
    file: {folder}/zone
    zonefile-load: whole
    journal-content: none
"""


class RealServer:
    """One name server's process, with one zone."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server = NameServer("127.0.0.1", self.port)
        self._serial = 0
        self._process: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)
        (folder / "db").mkdir()

    def write(self, records: Sequence[str] | None = RECORDS) -> None:
        """None: a zone that the server cannot load."""
        self._serial += 1
        head = [
            "$ORIGIN dgx.test.",
            "$TTL 5",
            f"@ 5 IN SOA ns admin {self._serial} 60 60 600 5",
            "@ 5 IN NS ns",
            "ns 5 IN A 127.0.0.1",
            f'serial 0 IN TXT "{self._serial}"',
        ]
        text = "\n".join([*head, *records]) if records is not None else "this is no zone"
        (self.folder / "zone").write_text(text + "\n")

    async def start(self) -> None:
        self._spawn()
        await until(self._answers, self._log)

    def _spawn(self) -> None:
        config, program = self.folder / "config", shutil.which(PROGRAMS[self.kind], path=PATH)
        template = _BIND if self.kind == "bind" else _KNOT
        config.write_text(template.format(folder=self.folder, port=self.port))
        options = ["-g", "-n", "1"] if self.kind == "bind" else []
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), *options, "-c", str(config)], stdout=log, stderr=log
            )

    async def reload(self, records: Sequence[str] = RECORDS) -> None:
        """Return when the new zone is served."""
        self.write(records)
        assert self._process
        self._process.send_signal(signal.SIGHUP)
        await until(self._is_new, self._log)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None

    async def query(self, name: str, kind: str) -> dns.message.Message:
        return await dns.asyncquery.udp(
            dns.message.make_query(name, kind, payload=1232),
            "127.0.0.1",
            port=self.port,
            timeout=0.5,
        )

    async def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self._log()
        try:
            await self.query("serial.dgx.test.", "TXT")
        except (dns.exception.DNSException, OSError):
            return False
        return True

    async def _is_new(self) -> bool:
        return f'"{self._serial}"' in (await self.query("serial.dgx.test.", "TXT")).to_text()

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2_000:]


@pytest.fixture(params=PROGRAMS)
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealServer]:
    if not shutil.which(PROGRAMS[request.param], path=PATH):
        pytest.skip(f"there is no {PROGRAMS[request.param]}")
    folder = tmp_path / "dns"
    folder.mkdir()
    server = RealServer(request.param, folder)
    yield server
    server.stop()


async def until(is_so: Callable[[], Any], why: Callable[[], object], seconds: float = 20) -> None:
    """Poll a condition, plain or to be awaited."""
    end = time.monotonic() + seconds
    while True:
        found = is_so()
        if await found if asyncio.iscoroutine(found) else found:
            return
        assert time.monotonic() < end, why()
        await asyncio.sleep(0.02)


class Heard:
    """What a source says while it is watched."""

    def __init__(self, source: SrvSource) -> None:
        self.source = source
        self.standing: dict[str, Endpoint] = {}
        self.said: list[str] = []

    async def listen(self) -> None:
        async with aclosing(self.source.watch()) as stream:
            async for said in stream:
                if isinstance(said, Added):
                    self.standing[said.endpoint.id] = said.endpoint
                    self.said.append(said.endpoint.id)
                else:
                    del self.standing[said.id]
                    self.said.append(f"-{said.id}")

    async def are(self, *ids: str) -> None:
        """Wait for that."""
        await until(
            lambda: self.standing.keys() == set(ids), lambda: (sorted(self.standing), self.states())
        )

    def states(self) -> list[tuple[str, str, str]]:
        return [(q.owner.name, q.state, q.problem) for q in self.source.questions]


@asynccontextmanager
async def watching(
    real: RealServer, *domains: str, pace: Pace = QUICK, **more: Any
) -> AsyncIterator[Heard]:
    source = SrvSource(
        domains=domains or (OWNER,),
        servers=(str(real.server),),
        clock=time.monotonic,
        random=Random(1).random,
        pace=pace,
        lookup=lambda servers: Lookup(servers, seconds=1.0),
        **more,
    )
    heard = Heard(source)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(heard.listen())
        try:
            yield heard
        finally:
            listening.cancel()


async def asked(real: RealServer, owner: str = OWNER) -> Answer | Absent | Unanswered:
    return await Lookup([real.server], seconds=2.0).ask(owner)


async def test_the_services_of_a_domain(real: RealServer):
    real.write(
        [
            *RECORDS,
            '_cmdai._tcp 5 IN TXT "api=vllm" "model=llama3" "auth=bearer"',
            "_inference-tls._tcp 5 IN SRV 0 0 8443 dgx2.dgx.test.",
            '_inference-tls._tcp 5 IN TXT "id=5f2c" "base=/v1"',
            "_inference._tcp 5 IN SRV 0 0 0 .",
        ]
    )
    await real.start()
    async with watching(real, ZONE, priority=7) as heard:
        await heard.are(A, B, f"dns/dgx2.{ZONE}:8443")
        await until(lambda: "new" not in str(heard.states()), heard.states)
    states = [state for _, state, _ in heard.states()]
    assert states == ["found", "absent", "found"]
    one, other = heard.standing[A], heard.standing[f"dns/dgx2.{ZONE}:8443"]
    assert one.url == "http://dgx1.dgx.test:8000"
    assert (one.kind, one.model, one.priority, one.weight) == ("vllm", "llama3", 7, 60)
    assert one.labels == {
        "host": "dgx1.dgx.test",
        "addresses": "10.0.0.1 fd00::1",
        "domain": ZONE,
        "auth": "bearer",
    }
    assert other.url == "https://dgx2.dgx.test:8443/v1"
    assert other.labels["uuid"] == "5f2c"


async def test_weights_are_honoured(real: RealServer):
    """As RFC 2782 wants it, whatever order the server gives them in."""
    real.write([*RECORDS, "_cmdai._tcp 5 IN SRV 20 0 8000 backup.dgx.test."])
    await real.start()
    answer = await asked(real)
    assert isinstance(answer, Answer)
    random, draws = Random(2782).random, 10_000
    orders = [order(answer.records, random) for _ in range(draws)]
    first = Counter(drawn[0].target for drawn in orders)
    expected = {"dgx1.dgx.test.": 0.6 * draws, "dgx2.dgx.test.": 0.4 * draws}
    assert first.keys() == expected.keys()
    assert sum((first[k] - n) ** 2 / n for k, n in expected.items()) < 10.8  # one in a thousand
    assert {drawn[-1].target for drawn in orders} == {"backup.dgx.test."}


async def test_changes_of_the_zone(real: RealServer):
    real.write()
    await real.start()
    async with watching(real) as heard:
        await heard.are(A, B)
        await real.reload([r for r in RECORDS if "dgx2" not in r])
        await heard.are(A)
        await real.reload([r.replace("10.0.0.1", "10.0.0.9") for r in RECORDS])
        await heard.are(A, B)
        await until(
            lambda: heard.standing[A].labels["addresses"] == "10.0.0.9 fd00::1", heard.states
        )


async def test_the_ttl_is_read_anew_after_a_change(real: RealServer):
    real.write()
    await real.start()
    pace = Pace(floor=0.2, cap=0.5)
    async with watching(real, pace=pace) as heard:
        await heard.are(A, B)
        answer = await asked(real)
        assert isinstance(answer, Answer)
        assert answer.ttl == 5
        await real.reload([r.replace(" 5 IN", " 300 IN") for r in RECORDS])
        answer = await asked(real)
        assert isinstance(answer, Answer)
        assert answer.ttl == 300
    (question,) = heard.source.questions
    assert question.next_at - question.answered_at == pytest.approx(0.5)


async def test_nothing_is_asked_before_the_ttl_is_over(real: RealServer):
    """With the pace that people have: five seconds are thirty."""
    real.write()
    await real.start()
    async with watching(real, pace=Pace()) as heard:
        await heard.are(A, B)
    (question,) = heard.source.questions
    assert question.next_at - question.answered_at == 30


async def test_a_name_that_does_not_exist(real: RealServer):
    real.write([r for r in RECORDS if not r.startswith("_cmdai")])
    await real.start()
    assert await asked(real) == Absent(5)
    async with watching(real) as heard:
        await until(lambda: heard.states()[0][1] == "absent", heard.states)
        await real.reload()
        await heard.are(A, B)
        await real.reload([r for r in RECORDS if not r.startswith("_cmdai")])
        await heard.are()


async def test_servfail_keeps_what_was_good(real: RealServer):
    real.write()
    await real.start()
    async with watching(real) as heard:
        await heard.are(A, B)
        real.stop()
        real.write(None)
        await real.start()
        await until(lambda: "SERVFAIL" in heard.states()[0][2], heard.states)
        assert await asked(real) == Unanswered(f"SERVFAIL from {real.server}")
        assert heard.standing.keys() == {A, B}
        real.stop()
        real.write([r for r in RECORDS if "dgx2" not in r])
        await real.start()
        await heard.are(A)
        assert heard.states() == [(OWNER, "found", "")]
    assert sorted(heard.said) == sorted([A, B, f"-{B}"])


async def test_a_server_that_is_killed_and_comes_back(real: RealServer):
    real.write()
    await real.start()
    async with watching(real) as heard:
        await heard.are(A, B)
        real.stop(signal.SIGKILL)
        await until(lambda: heard.states()[0][1] == "failed", heard.states)
        assert heard.states()[0][2] == f"no answer within 1 s from {real.server}"
        assert heard.standing.keys() == {A, B}
        real.write([*RECORDS, "_cmdai._tcp 5 IN SRV 20 1 9000 dgx1.dgx.test."])
        await real.start()
        await heard.are(A, B, f"dns/dgx1.{ZONE}:9000")
    assert not [said for said in heard.said if said.startswith("-")]


async def test_a_hundred_targets_come_over_tcp(real: RealServer):
    many = range(1, 101)
    real.write(
        [
            *(f"_cmdai._tcp 5 IN SRV 10 1 8000 node-{i}.dgx.test." for i in many),
            *(f"node-{i} 5 IN A 10.0.1.{i}" for i in many),
        ]
    )
    await real.start()
    assert (await real.query(f"{OWNER}.", "SRV")).flags & dns.flags.TC
    begun = time.monotonic()
    async with watching(real) as heard:
        await heard.are(*(f"dns/node-{i}.{ZONE}:8000" for i in many))
    print(f"100 targets: {time.monotonic() - begun:.2f} s")
    assert heard.standing[f"dns/node-42.{ZONE}:8000"].labels["addresses"] == "10.0.1.42"


@pytest.mark.parametrize("real", ["knot"], indirect=True)  # BIND serves no more than 100 of a name
async def test_no_more_than_two_hundred(real: RealServer):
    many = range(300)
    real.write(
        [
            *(f"_cmdai._tcp 5 IN SRV {i} 1 8000 node-{i}.dgx.test." for i in many),
            *(f"node-{i} 5 IN A 10.0.{i // 100}.{i % 100 + 1}" for i in many),
        ]
    )
    await real.start()
    async with watching(real) as heard:
        await heard.are(*(f"dns/node-{i}.{ZONE}:8000" for i in range(MOST)))
    assert heard.source.questions[0].refused == (f"100 records beyond the first {MOST}",)


async def test_aliases_in_a_circle(real: RealServer):
    real.write([*RECORDS, "_vllm._tcp 5 IN CNAME x", "x 5 IN CNAME y", "y 5 IN CNAME _vllm._tcp"])
    await real.start()
    said = await asked(real, f"_vllm._tcp.{ZONE}")
    assert isinstance(said, Unanswered)
    problem = "SERVFAIL from" if real.kind == "bind" else "its aliases lead in a circle, or too far"
    assert said.problem.startswith(problem), said


async def test_aliases(real: RealServer):
    real.write(
        [*RECORDS, "_vllm._tcp 5 IN CNAME _cmdai._tcp", "_old._tcp 5 IN CNAME _gone._tcp.dgx.test."]
    )
    await real.start()
    async with watching(real, f"_vllm._tcp.{ZONE}", f"_old._tcp.{ZONE}") as heard:
        await heard.are(A, B)
        await until(lambda: heard.states()[1][1] == "absent", heard.states)


async def test_search_domains(real: RealServer):
    real.write()
    await real.start()
    networks = [("dgx.test", "elsewhere.test")]

    async def system() -> Resolving:
        return Resolving(servers=(NameServer("192.0.2.1"),), search=networks[-1])

    async with watching(real, "search", system=system) as heard:
        await heard.are(A, B)
        assert heard.standing[A].labels["domain"] == ZONE
        networks.append(("elsewhere.test",))  # whoever moves to another network
        await heard.are()


async def test_hostile_records(real: RealServer):
    """That real servers pass on."""
    real.write(
        [
            *RECORDS,
            "_cmdai._tcp 5 IN SRV 1 1 8000 evil\\000\\027.dgx.test.",
            "_cmdai._tcp 5 IN SRV 1 1 8000 \\195\\188.dgx.test.",
            "_cmdai._tcp 5 IN SRV 1 1 8000 a/b.dgx.test.",
            "_cmdai._tcp 5 IN SRV 1 1 8000 public.dgx.test.",
            "_cmdai._tcp 5 IN SRV 1 1 0 dgx1.dgx.test.",
            '_cmdai._tcp 5 IN TXT "transport=http" "\\027]0;title\\007=x" "model=a\\027[31mb"',
            "public 5 IN A 8.8.8.8",
            "public 5 IN AAAA ::ffff:8.8.8.8",
        ]
    )
    await real.start()
    async with watching(real) as heard:
        await heard.are(A, B)
    refused = heard.source.questions[0].refused
    assert "public.dgx.test is on the open Internet: no http:// there" in refused
    assert len(refused) == 5
    assert all(reason.isprintable() for reason in refused)
    assert heard.standing[A].model == "ab"
