"""One look around: what several say of one server, whom it is asked, and what went wrong."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestServer

from cmdai_shell.core import Added, Endpoint
from cmdai_shell.discovery import probe
from cmdai_shell.discovery.approval import made
from cmdai_shell.discovery.candidate import Candidate
from cmdai_shell.discovery.found import Found
from cmdai_shell.discovery.probe import Answer, Host
from cmdai_shell.discovery.search import Search, Trouble
from cmdai_shell.errors import DiscoveryError
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.scripted_source import ScriptedSource, there

if TYPE_CHECKING:
    from collections.abc import Sequence

LAN = (ipaddress.ip_network("192.168.1.0/24"),)
FOREVER = float("inf")


def search(*sources: ScriptedSource, **more: Any) -> Search:
    return Search(sources, Found(), clock=time.monotonic, random=lambda: 0.5, **more)


def ssh(host: str, address: str) -> Added:
    labels = {"host": host, "addresses": address}
    return Added(endpoint=Endpoint(id=host, url=f"http://{address}:22", labels=labels))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Host]:
    """Hosts that were asked; each has a vLLM on port 8000."""
    found: list[Host] = []

    async def ask(host: Host, *, ports: Sequence[tuple[int, str]]) -> tuple[Answer, ...]:
        found.append(host)
        labels = {"host": host.name, "addresses": " ".join(host.addresses)}
        url = f"http://{host.addresses[0]}:8000"
        endpoint = Endpoint(id=f"probe/{url}", url=url, kind="vllm", source="probe", labels=labels)
        return (Answer(endpoint=endpoint, models=("a-7b", "b-7b")),)

    monkeypatch.setattr(probe, "ask", ask)
    return found


async def test_it_ends_after_its_time_and_closes_its_sources() -> None:
    source = ScriptedSource("mdns", [there("a"), FOREVER])
    one = search(source)
    begun = time.monotonic()
    await one.run(0.2)
    assert time.monotonic() - begun >= 0.2
    assert source.closed == 1
    (seen,) = one.seen()
    assert (seen.url, seen.state, seen.sources) == (
        "http://192.168.1.7:8000",
        "candidate",
        ("mdns",),
    )
    assert one.troubles() == ()


async def test_nobody_is_waited_for_when_all_have_failed() -> None:
    one = search(
        ScriptedSource("mdns", [DiscoveryError("no network", "plug it in")]),
        ScriptedSource("kubernetes", [DiscoveryError("no cluster", "kubectl")]),
    )
    begun = time.monotonic()
    await one.run(60)
    assert time.monotonic() - begun < 20
    assert one.troubles() == (
        Trouble(source="mdns", problem="no network", hint="plug it in"),
        Trouble(source="kubernetes", problem="no cluster", hint="kubectl"),
    )


async def test_what_two_sources_of_one_kind_say_is_said_once() -> None:
    errors = [DiscoveryError("no kubeconfig", "kubectl") for _ in range(2)]
    one = search(
        ScriptedSource("kubernetes", [errors[0]]), ScriptedSource("kubernetes:2", [errors[1]])
    )
    await one.run(0.3)
    assert [trouble.source for trouble in one.troubles()] == ["kubernetes"]


async def test_a_trusted_one_is_listed_also_when_nobody_announces_it(asked: list[Host]) -> None:
    endpoint = Endpoint(id="desk", url="http://192.168.1.9:8000", source="mdns")
    candidate = Candidate(name="desk", endpoint=endpoint, state="candidate")
    found = Found(approvals=[made(candidate, "desk", "", (), 0.0)])
    one = Search([], found, hosts=["192.168.1.9"], clock=time.monotonic, random=lambda: 0.5)
    assert [(seen.name, seen.state, seen.sources) for seen in one.seen()] == [
        ("desk", "approved", ("you",))
    ]
    await one.run(0.2)
    (seen,) = one.seen()  # and who is asked at its address is no other
    assert (seen.name, seen.state, seen.sources) == ("desk", "approved", ("probe",))


async def test_a_source_that_fails_does_not_end_the_others() -> None:
    one = search(
        ScriptedSource("mdns", [DiscoveryError("no network", "plug it in")]),
        ScriptedSource("dns", [0.1, there("b"), FOREVER]),
    )
    await one.run(0.4)
    assert [seen.sources for seen in one.seen()] == [("dns",)]
    assert [trouble.source for trouble in one.troubles()] == ["mdns"]


@pytest.mark.parametrize(("address", "state"), [("10.77.0.1", "candidate"), ("8.8.8.8", "refused")])
async def test_a_name_is_looked_up_before_it_is_said_to_be_of_no_use(
    monkeypatch: pytest.MonkeyPatch, address: str, state: str
) -> None:
    """As the daemon does, so that both say the same of it."""

    async def resolved(name: str) -> list[str]:
        if name != "spark.lab.test":
            raise DiscoveryError(f"nobody knows where {name} is", "its address instead?")
        return [address]

    monkeypatch.setattr(probe, "resolved", resolved)
    known = there("a", "http://spark.lab.test:8000", source="dns")
    unknown = there("b", "http://gone.lab.test:8000", source="dns")
    one = search(ScriptedSource("dns", [known, unknown, known, FOREVER]))
    await one.run(0.3)
    states = {seen.url: seen.state for seen in one.seen()}
    assert states["http://spark.lab.test:8000"] == state
    assert states["http://gone.lab.test:8000"] == "refused"


async def test_who_is_not_to_be_asked_is_not(asked: list[Host]) -> None:
    one = search(ScriptedSource("mdns", [ssh("spark-1.local", "192.168.1.9"), FOREVER]))
    await one.run(0.2)
    assert asked == []


async def test_hosts_that_look_like_a_spark_are_asked_once(asked: list[Host]) -> None:
    spark, laptop = ssh("spark-1.local", "192.168.1.9"), ssh("laptop.local", "192.168.1.8")
    one = search(
        ScriptedSource("mdns", [spark, FOREVER]),
        names=ScriptedSource("names", [spark, laptop, FOREVER]),
        networks=LAN,
    )
    await one.run(0.2)
    assert [host.name for host in asked] == ["spark-1.local"]
    (by_ssh, answered) = one.seen()
    assert by_ssh.url.endswith(":22")
    assert (answered.name, answered.url) == ("spark-1:8000", "http://192.168.1.9:8000")
    assert (answered.kind, answered.state, answered.models) == ("vllm", "open", ("a-7b", "b-7b"))


async def test_one_box_that_is_announced_and_answers_is_one(asked: list[Host]) -> None:
    labels = {"host": "spark-1.local", "addresses": "192.168.1.9 fd00::9"}
    said = Endpoint(id="x", url="http://spark-1.local:8000", model="a-7b", labels=labels)
    one = search(
        ScriptedSource("mdns", [Added(endpoint=said), FOREVER]),
        names=ScriptedSource("names", [FOREVER]),
        networks=LAN,
    )
    await one.run(0.2)
    (seen,) = one.seen()
    assert (seen.name, seen.state, seen.sources) == ("spark-1:8000", "candidate", ("mdns", "probe"))
    assert (seen.kind, seen.models) == ("vllm", ("a-7b", "b-7b"))


async def test_hosts_that_are_named() -> None:
    async with TestServer(FakeOpenAI("sglang").app()) as server:
        ports = [(server.port or 0, "/v1/models")]
        one = search(hosts=["127.0.0.1", "8.8.8.8"], ports=ports)
        begun = time.monotonic()
        await one.run(60)
        assert time.monotonic() - begun < 20
        (seen,) = one.seen()
        assert seen.name == f"127.0.0.1:{server.port}"
    assert (seen.kind, seen.state) == ("sglang", "open")
    (trouble,) = one.troubles()
    assert "not in your own network" in trouble.problem


async def test_a_host_that_is_named_and_has_none() -> None:
    one = search(hosts=["127.0.0.1"], ports=[(1, "/v1/models")])
    await one.run(60)
    (trouble,) = one.troubles()
    assert "no server that we know answers" in trouble.problem
    assert trouble.hint.endswith("backends test http://127.0.0.1:PORT")


async def test_it_can_be_looked_at_while_it_goes_on() -> None:
    one = search(ScriptedSource("mdns", [there("a"), FOREVER]))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(one.run(60))
        async with asyncio.timeout(20):
            while not one.seen():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()
