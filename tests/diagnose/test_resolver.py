from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config import Config
from cmdai_shell.config.environment import Environment
from cmdai_shell.config.schema import Discovery
from cmdai_shell.diagnose import questions, resolver
from cmdai_shell.diagnose.questions import Question, Reply, ask
from cmdai_shell.discovery import nameservers
from cmdai_shell.discovery.nameservers import NameServer, Resolving
from cmdai_shell.discovery.srv_records import owners
from tests.diagnose.conftest import look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings

DOMAIN = "dgx.test"
ONE, OTHER = NameServer("10.0.0.1"), NameServer("10.0.0.2", 5300)
FOUND = Reply("found", 300, (f"a.{DOMAIN}",))
LONGEST_S = 2.5


def config(*domains: str, servers: tuple[str, ...] = ()) -> Any:
    return lambda: Config(discovery=Discovery(dns_domains=domains, dns_servers=servers))


def replies(srv: Reply, soa: str = "found") -> dict[Question, Reply]:
    """Of a server, for each of a domain's names."""
    found = {Question(owner.name, "SRV"): srv for owner in owners([DOMAIN])}
    return {**found, Question(DOMAIN, "SOA"): Reply(soa)}  # type: ignore[arg-type]


def judged(*servers: dict[Question, Reply], **more: Any) -> Finding:
    found = dict(zip((ONE, OTHER), servers, strict=False))
    return resolver.judged_records(owners([DOMAIN]), found, more.pop("addresses", {}), **more)


@pytest.mark.parametrize("name", ["name-servers", "dns-records"])
class TestBoth:
    def test_not_asked(self, healthy: Surroundings, name: str) -> None:
        found = look(name, healthy)
        assert (found.severity, "is not asked" in found.what) == ("ok", True)

    def test_a_domain_that_is_none(self, healthy: Surroundings, name: str) -> None:
        found = look(name, healthy, config=config("not a domain"))
        assert (found.severity, "is no domain" in found.what) == ("fail", True)

    def test_a_server_that_is_none(self, healthy: Surroundings, name: str) -> None:
        found = look(name, healthy, config=config(DOMAIN, servers=("10.0.0.1:x",)))
        assert (found.severity, "is no name server" in found.what) == ("fail", True)

    def test_a_network_without_search_domains(
        self, healthy: Surroundings, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(nameservers, "system", lambda: Resolving(servers=(ONE,)))
        found = look(name, healthy, config=config("search"))
        assert (found.severity, "no search domains" in found.what) == ("ok", True)


def test_environments_ask_too() -> None:
    srv = Environment(name="lab", discovery_method="dns_srv", dns_srv_record="_x._tcp.lab.test")
    found = Config(environments={"lab": srv}, discovery=Discovery(dns_domains=(DOMAIN,)))
    assert resolver.domains(found) == (DOMAIN, "_x._tcp.lab.test")


class TestNameServers:
    def test_well(self) -> None:
        found = resolver.judged_servers({ONE: replies(FOUND), OTHER: replies(FOUND)}, ())
        assert found.what == "name servers answer: 10.0.0.1:53, 10.0.0.2:5300"

    def test_one_that_fails_at_something_answers(self) -> None:
        there = {ONE: replies(Reply("servfail"))}
        assert resolver.judged_servers(there, ()).severity == "ok"

    def test_one_of_two(self) -> None:
        dead = replies(Reply("silent"), "silent")
        there = {ONE: dead, OTHER: replies(FOUND)}
        found = resolver.judged_servers(there, ("10.0.0.1", "10.0.0.2:5300"))
        assert found.severity == "warn"
        assert "10.0.0.1:53 (no answer within 1.5 s) does not answer" in found.what
        assert found.cure == "cmdai-shell config set discovery.dns_servers '[\"10.0.0.2:5300\"]'"
        assert "resolvectl" in resolver.judged_servers(there, ()).cure

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            ("silent", "no answer within"),
            ("closed", "nothing listens there"),
            ("nameless", "its name has no address"),
            ("refused", "REFUSED"),
        ],
    )
    def test_none(self, state: Any, words: str) -> None:
        there = {ONE: replies(Reply(state), state)}
        found = resolver.judged_servers(there, ("10.0.0.1",))
        assert (found.severity, words in found.what) == ("fail", True)
        assert "config set discovery.dns_servers '[]'" in found.cure


class TestRecords:
    def test_well(self) -> None:
        found = judged(replies(FOUND))
        assert (found.severity, found.what) == ("ok", "dgx.test: 1 server, good for 300 s")

    def test_no_domain_and_no_record_are_two_things(self) -> None:
        absent = judged(replies(Reply("absent"), "absent"))
        assert (absent.severity, "there is no domain dgx.test" in absent.what) == ("fail", True)
        assert "discovery.dns_domains" in absent.cure
        written = resolver.written(
            {
                "srv": Environment(
                    id="srv", discovery_method="dns_srv", dns_srv_record=owners([DOMAIN])[0].name
                )
            }
        )
        named = judged(replies(Reply("absent"), soa="absent"), written=written)
        assert named.cure.startswith("cmdai-shell config edit srv: ")
        empty = judged(replies(Reply("absent")))
        assert "dgx.test is there, but has no SRV record _cmdai._tcp.dgx.test or" in empty.what
        assert "_cmdai._tcp.dgx.test. 300 IN SRV" in empty.cure

    def test_a_search_domain_owes_us_nothing(self) -> None:
        absent = replies(Reply("absent"), "absent")
        assert judged(absent, searched={DOMAIN}).severity == "ok"
        assert judged(replies(Reply("servfail")), searched={DOMAIN}).severity == "fail"

    def test_servfail(self) -> None:
        found = judged(replies(Reply("servfail"), "servfail"))
        assert (found.severity, "fails at dgx.test (SERVFAIL)" in found.what) == ("fail", True)
        assert found.cure == "dig +cd @10.0.0.1 -p 53 _cmdai._tcp.dgx.test SRV"

    def test_one_fails_and_one_does_not(self) -> None:
        found = judged(replies(Reply("servfail")), replies(FOUND))
        assert found.severity == "warn"
        assert "10.0.0.1:53 fails at dgx.test (SERVFAIL), 10.0.0.2:5300 does not" in found.what

    def test_two_that_disagree(self) -> None:
        found = judged(replies(FOUND), replies(Reply("absent"), "absent"))
        assert (found.severity, "disagree" in found.what) == ("warn", True)

    def test_a_dead_server_is_another_check_s(self) -> None:
        dead = replies(Reply("closed"), "closed")
        assert judged(dead, replies(FOUND)).severity == "ok"
        assert judged(dead).what == "not known, as no name server answers"

    def test_a_service_that_is_denied(self) -> None:
        found = judged(replies(Reply("found", 300, (".",))))
        assert (found.severity, "says that it has no server" in found.what) == ("ok", True)

    def test_a_target_without_an_address(self) -> None:
        target = f"a.{DOMAIN}"
        nothing = {Question(target, kind): Reply("absent") for kind in ("A", "AAAA")}
        found = judged(replies(FOUND), addresses={ONE: nothing})
        assert (found.severity, f"no address in DNS of {target}" in found.what) == ("warn", True)
        refused = {Question(target, kind): Reply("refused") for kind in ("A", "AAAA")}
        assert judged(replies(FOUND), addresses={ONE: refused}).severity == "ok"


class TestAsking:
    """At sockets of our own on loopback."""

    @pytest.fixture
    def deaf(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
            found.bind(("127.0.0.1", 0))
            found.settimeout(5)
            yield found

    def test_silence_is_not_a_closed_port(self, deaf: socket.socket) -> None:
        silent = NameServer(*deaf.getsockname())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            closed = NameServer(*gone.getsockname())
        nameless = NameServer("no-such-host.invalid")
        asked = Question(DOMAIN, "SOA")
        found = ask([silent, closed, nameless], [asked], 0.3)
        states = [found[server][asked].state for server in (silent, closed, nameless)]
        assert states == ["silent", "closed", "nameless"]

    @given(st.binary(max_size=80))
    def test_whatever_comes_back(self, junk: bytes) -> None:
        import dns.message

        asked = Question(DOMAIN, "SRV")
        talk = questions._Talk(ONE, [asked], 0.0)
        talk._socket = _Said((1).to_bytes(2) + junk)  # type: ignore[assignment]
        talk.hear()
        assert talk.replies()[asked].state in ("silent", "strange")
        query = dns.message.make_query(*asked, id=1)
        talk._socket = _Said(dns.message.make_response(query).to_wire())  # type: ignore[assignment]
        talk.hear()

    def test_a_stranger_s_answer_counts_for_nothing(self) -> None:
        import dns.message

        talk = questions._Talk(ONE, [Question(DOMAIN, "SRV")], 0.0)
        other = dns.message.make_response(dns.message.make_query("other.test", "SRV", id=1))
        talk._socket = _Said(other.to_wire())  # type: ignore[assignment]
        talk.hear()
        assert talk.waiting


class _Said:
    """A socket with one packet in it."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet

    def recv(self, most: int) -> bytes:
        return self._packet[:most]


# --- at BIND

NAMED = shutil.which("named", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_CONFIG = """options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }}; recursion no; pid-file "{folder}/pid"; session-keyfile "{folder}/key";
  dnssec-validation no; }};
controls {{ }};
zone "dgx.test" {{ type master; file "{folder}/dgx"; check-names ignore; }};
zone "empty.test" {{ type master; file "{folder}/empty"; }};
zone "large.test" {{ type master; file "{folder}/large"; check-names ignore; }};
zone "lost.test" {{ type master; file "{folder}/lost"; check-integrity no; }};
zone "broken.test" {{ type master; file "{folder}/broken"; }};
"""
_HEAD = "$TTL 60\n@ IN SOA ns admin 1 60 60 600 5\n@ IN NS ns\nns IN A 127.0.0.1\n"
_ZONES = {
    "dgx": _HEAD
    + "_cmdai._tcp 120 IN SRV 10 60 8000 a\n_cmdai._tcp 120 IN SRV 10 40 8000 b\n"
    + "a IN A 10.0.0.1\nb IN AAAA fd00::1\n",
    "empty": _HEAD,
    "large": _HEAD
    + "".join(
        f"_cmdai._tcp IN SRV 1 1 8000 host-with-a-rather-long-name-{n}\n"
        f"host-with-a-rather-long-name-{n} IN A 10.1.0.{n}\n"
        for n in range(60)
    ),
    "lost": _HEAD + "_cmdai._tcp IN SRV 1 1 8000 nobody\n",
    "broken": "this is no zone\n",
}


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its HOST:PORT."""
    folder = tmp_path_factory.mktemp("bind")
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, text in _ZONES.items():
        (folder / name).write_text(text)
    (folder / "config").write_text(_CONFIG.format(folder=folder, port=port))
    with (folder / "log").open("wb") as log:
        command = [str(NAMED), "-g", "-n", "1", "-c", str(folder / "config")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _until_it_answers(process, port, folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.real
@pytest.mark.skipif(NAMED is None, reason="no named (BIND 9)")
class TestBind:
    @pytest.fixture
    def closed(self) -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
            found.bind(("127.0.0.1", 0))
            return f"127.0.0.1:{found.getsockname()[1]}"

    def test_well(self, healthy: Surroundings, bind: str) -> None:
        around = config("dgx.test", servers=(bind,))
        assert look("name-servers", healthy, config=around).what == f"name servers answer: {bind}"
        found = look("dns-records", healthy, config=around)
        assert (found.severity, found.what) == ("ok", "dgx.test: 2 servers, good for 120 s")

    @pytest.mark.parametrize(
        ("domain", "severity", "words"),
        [
            ("broken.test", "fail", "fails at broken.test (SERVFAIL)"),
            ("no.dgx.test", "fail", "there is no domain no.dgx.test"),
            ("empty.test", "fail", "empty.test is there, but has no SRV record"),
            ("lost.test", "warn", "no address in DNS of nobody.lost.test"),
            ("large.test", "ok", "large.test: 60 servers, good for 60 s"),
            ("_cmdai._tcp.dgx.test", "ok", "2 servers"),
        ],
    )
    def test_what_there_is(
        self, healthy: Surroundings, bind: str, domain: str, severity: str, words: str
    ) -> None:
        found = look("dns-records", healthy, config=config(domain, servers=(bind,)))
        assert (found.severity, words in found.what) == (severity, True), found.what

    def test_the_worst_of_several(self, healthy: Surroundings, bind: str) -> None:
        around = config("dgx.test", "lost.test", "broken.test", servers=(bind,))
        assert "SERVFAIL" in look("dns-records", healthy, config=around).what

    def test_a_domain_that_is_not_served(self, healthy: Surroundings, bind: str) -> None:
        found = look("name-servers", healthy, config=config("else.test", servers=(bind,)))
        assert (found.severity, "REFUSED" in found.what) == ("fail", True)

    def test_a_dead_port(self, healthy: Surroundings, bind: str, closed: str) -> None:
        begun = time.monotonic()
        found = look("name-servers", healthy, config=config("dgx.test", servers=(closed,)))
        assert time.monotonic() - begun < LONGEST_S
        assert (found.severity, "nothing listens there" in found.what) == ("fail", True)
        around = config("dgx.test", servers=(closed, bind))
        found = look("name-servers", healthy, config=around)
        assert found.severity == "warn"
        assert found.cure == f"cmdai-shell config set discovery.dns_servers '[\"{bind}\"]'"
        assert look("dns-records", healthy, config=around).severity == "ok"

    def test_one_that_is_silent(self, healthy: Surroundings, bind: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind(("127.0.0.1", 0))
            host, port = deaf.getsockname()
            around = config("dgx.test", servers=(f"{host}:{port}", bind))
            for name, severity in (("name-servers", "warn"), ("dns-records", "ok")):
                begun = time.monotonic()
                assert look(name, healthy, config=around).severity == severity
                assert time.monotonic() - begun < LONGEST_S

    def test_search_domains(
        self, healthy: Surroundings, bind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = Resolving(servers=(ONE,), search=("empty.test", "dgx.test"))
        monkeypatch.setattr(nameservers, "system", lambda: own)
        around = config("search", servers=(bind,))
        found = look("dns-records", healthy, config=around)
        assert found.severity == "ok"
        assert found.what == "empty.test has no records for us; dgx.test: 2 servers, good for 120 s"
        wanted = config("search", "empty.test", servers=(bind,))
        assert look("dns-records", healthy, config=wanted).severity == "fail"


def _until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    asked = Question("empty.test", "SOA")
    server = NameServer("127.0.0.1", port)
    until = time.monotonic() + 20
    while ask([server], [asked], 0.5)[server][asked].state != "found":
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
