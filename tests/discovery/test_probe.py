"""Which hosts are asked, how little, and what their answers mean."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends import identify
from cmdai_shell.core import Endpoint
from cmdai_shell.discovery import probe
from cmdai_shell.discovery.probe import Host, Round, is_stock
from cmdai_shell.errors import DiscoveryError
from tests.fakes import chat_server
from tests.fakes.fake_tgi import FakeTgi
from tests.fakes.ollama_server import FakeOllama
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.raw_server import CLOSE, RESET, http, raw
from tests.models import model_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Host(name="spark-1a2b.local", addresses=("127.0.0.1",))
LAN = (ipaddress.ip_network("192.168.1.0/24"), ipaddress.ip_network("fd00::/64"))


def seen(host: str, addresses: str) -> Endpoint:
    labels = {"host": host, "addresses": addresses}
    return Endpoint(id=host, url="http://x:22", source="mdns", labels=labels)


# --- whom


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("spark-1a2b", True),
        ("spark-1a2b.local", True),
        ("SPARK-1A2B.local.", True),
        ("gx10-cafe.local", True),
        ("dgx-1.local", True),
        ("gb10-x", True),
        ("spark", False),
        ("sparky-1", False),
        ("my-spark-1a2b", False),
        ("spark-1a2b.example.com", False),
        ("spark-1\n", False),
        ("", False),
    ],
)
def test_names_of_a_stock_spark(name: str, wanted: bool) -> None:
    assert is_stock(name) is wanted


def test_each_host_is_asked_once_at_its_best_addresses() -> None:
    round_ = Round(LAN)
    said = "169.254.7.7 fe80::1%eth0 fd00::7 192.168.1.7 10.9.9.9"
    assert round_.next(seen("Spark-1A2B.local.", said)) == Host(
        name="spark-1a2b.local", addresses=("192.168.1.7", "fd00::7", "fe80::1%eth0")
    )
    assert round_.next(seen("spark-1a2b.local", "192.168.1.8")) is None
    assert round_.next(seen("spark-3c4d.local", "192.168.1.7")) is None
    assert round_.next(seen("laptop.local", "192.168.1.9")) is None


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "224.0.0.251",
        "255.255.255.255",
        "10.9.9.9",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%]@8.8.8.8:80/#",
        "fe80::1%a/b",
        "2001:4860:4860::8888",
        "spark",
        "",
    ],
)
def test_nobody_has_us_ask_elsewhere(address: str) -> None:
    assert Round(LAN).next(seen("spark-1a2b.local", address)) is None


def test_names_are_free_and_do_not_make_us_ask_hundreds() -> None:
    round_ = Round(LAN, most=3)
    asked = [round_.next(seen(f"spark-{n}.local", f"192.168.1.{n}")) for n in range(1, 99)]
    assert len([host for host in asked if host]) == 3


async def test_who_is_named_may_be_this_machine() -> None:
    assert await probe.named("127.0.0.1") == Host(name="127.0.0.1", addresses=("127.0.0.1",))
    assert (await probe.named("[::1]")).addresses == ("::1",)
    assert "127.0.0.1" in (await probe.named("localhost")).addresses
    assert (await probe.named("10.9.9.9")).addresses == ("10.9.9.9",)


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "http://10.0.0.1:8000",
        "10.0.0.1:8000",
        "a b",
        "a/b",
        "",
        "\x1b[2J",
        "fe80::1%]@x",
    ],
)
async def test_who_is_not_asked_though_named(host: str) -> None:
    with pytest.raises(DiscoveryError) as caught:
        await probe.named(host)
    assert caught.value.hint
    assert "\x1b" not in caught.value.message


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DiscoveryError, match="nobody knows where"):
        await probe.named("spark-1a2b.local")


def test_a_name_server_that_is_silent_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(60) and [])
    monkeypatch.setattr(probe, "_RESOLVE_S", 0.1)
    begun = time.monotonic()
    with pytest.raises(DiscoveryError, match="nobody knows where"):
        asyncio.run(probe.named("spark-1a2b.local"))
    assert time.monotonic() - begun < 20
    over.set()


def test_own_networks() -> None:
    assert all(not net.is_loopback for net in probe.own_networks())


# --- asking


@asynccontextmanager
async def serving(*apps: web.Application) -> AsyncIterator[list[int]]:
    servers = [TestServer(app, host="127.0.0.1") for app in apps]
    try:
        for server in servers:
            await server.start_server()
        yield [server.port or 0 for server in servers]
    finally:
        for server in servers:
            await server.close()


def models(*ports: int) -> list[tuple[int, str]]:
    return [(port, "/v1/models") for port in ports]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_several_servers_of_one_host() -> None:
    vllm, ollama, tgi = FakeOpenAI("vllm"), FakeOllama(), FakeTgi()
    async with serving(vllm.app(), ollama.app(), tgi.app()) as (first, second, third):
        ports = [*models(first, third, free_port()), (second, "/api/tags")]
        found = {answer.endpoint.url: answer for answer in await probe.ask(HERE, ports=ports)}
    answer = found[f"http://127.0.0.1:{first}"]
    assert answer.endpoint.kind == "vllm"
    assert answer.models
    assert answer.endpoint.source == "probe"
    assert answer.endpoint.labels["host"] == "spark-1a2b.local"
    assert found[f"http://127.0.0.1:{second}"].endpoint.kind == "ollama"
    assert found[f"http://127.0.0.1:{second}"].models
    assert found[f"http://127.0.0.1:{third}"].endpoint.kind == "tgi"
    assert vllm.paths == ["/v1/models"]
    assert vllm.requests == []


async def test_triton_is_asked_what_it_is() -> None:
    async def metadata(_: web.Request) -> web.Response:
        return web.json_response({"name": "triton", "version": "2.51.0"})

    app = web.Application()
    app.router.add_get("/v2", metadata)
    async with serving(app) as (port,):
        (answer,) = await probe.ask(HERE, ports=models(port))
    assert answer.endpoint.kind == "triton"


async def test_no_host_gets_more_than_six_requests() -> None:
    asked: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"detail": "Not Found"}, status=404)

    apps = []
    for _ in range(8):
        app = web.Application()
        app.router.add_get("/{path:.*}", refuse)
        apps.append(app)
    async with serving(*apps) as ports:
        assert await probe.ask(HERE, ports=models(*ports)) == ()
        assert asked == ["/v1/models"] * 6
        asked.clear()
        await probe.ask(HERE, ports=models(*ports[:4], free_port(), free_port()))
        assert asked == ["/v1/models"] * 4 + ["/v2"] * 2


async def test_an_address_that_leads_nowhere_is_passed_over() -> None:
    async with serving(FakeOpenAI("vllm").app()) as (port,):
        host = Host(name="spark-1", addresses=("127.0.0.9", "127.0.0.1"))
        (answer,) = await probe.ask(host, ports=models(port))
    assert answer.endpoint.url == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (http(b'{"error":"Unauthorized"}', "401 Unauthorized"), "login"),
        (http(b'{"detail":"Not authenticated"}', "403 Forbidden"), "login"),
        (http(b'{"error":{"message":"Loading model"}}', "503 Service Unavailable"), "loading"),
        (http(b'{"data":[]}'), "open"),
    ],
)
async def test_servers_that_are_there_and_say_little(answer: bytes, state: str) -> None:
    async with raw([[answer]]) as server:
        (found,) = await probe.ask(HERE, ports=models(port_of(server.url)))
    assert (found.state, found.endpoint.kind, found.models) == (state, "auto", ())
    assert found.endpoint.labels.get("auth", "") == ("bearer" if state == "login" else "")
    head = server.requests[0].lower()
    assert b"authorization" not in head
    assert b"cookie" not in head


@pytest.mark.parametrize(
    "answer",
    [
        [http(b"<title>router</title>")],
        [http(b"[]")],
        [http(b'{"data":{}}')],
        [http(b'{"models":[]}')],
        [http(b"Unauthorized", "401 Unauthorized")],
        [http(b"{}", "401 Unauthorized")],
        [http(b"", "302 Found", "Location: http://127.0.0.1:1/v1/models")],
        [http(b"[" * 100_000)],
        [http(b'{"data":[' + b"{}," * 200_000 + b"{}]}")],
        [http(b'{"data":' + b"9" * 10_000 + b"}")],
        [b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000],
        [b"\x00\xff" * 100],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", CLOSE],
        [CLOSE],
        [RESET],
    ],
    ids=range(15),
)
async def test_what_is_no_server(answer: list[bytes | str]) -> None:
    async with raw([answer]) as server:
        assert await probe.ask(HERE, ports=models(port_of(server.url))) == ()
    assert server.accepted <= 2


async def test_who_never_ends_does_not_hold_up_the_others() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{"
    begun = time.monotonic()
    async with (
        raw([[endless, float("inf")]]) as slow,
        raw([[float("inf")]]) as mute,
        serving(FakeOpenAI().app()) as (port,),
    ):
        ports = models(port_of(slow.url), port_of(mute.url), port)
        (answer,) = await probe.ask(HERE, ports=ports, within=0.5)
    assert answer.endpoint.url.endswith(f":{port}")
    assert time.monotonic() - begun < 5


async def test_names_of_models_cannot_move_a_cursor() -> None:
    rows = [{"id": "\x1b]0;owned\x07\x1b[2Ja\nb" + "x" * 900, "owned_by": "vllm"}, {"id": 7}, 3]
    body = json.dumps({"data": rows * 100}).encode()
    async with raw([[http(body)]]) as server:
        (found,) = await probe.ask(HERE, ports=models(port_of(server.url)))
    (name,) = found.models
    assert name.isprintable()
    assert name.startswith("a bx")
    assert len(name) <= 200
    assert found.endpoint.kind == "vllm"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "models", "id", "name", "owned_by"]), inner)
    ),
)


@given(document=documents, status=st.sampled_from([200, 401, 404, 503]))
def test_any_document_is_read(document: Any, status: int) -> None:
    for path in ("/v1/models", "/api/tags"):
        answer = probe.read(HERE, "http://10.0.0.7:8000", path, status, document)
        if answer is not None:
            assert all(name.isprintable() and name for name in answer.models)
            assert len(answer.models) <= probe.MOST_MODELS


def test_kinds_are_those_of_the_backends() -> None:
    assert probe.OWNERS == identify.OWNERS


@pytest.mark.real
@pytest.mark.model
@pytest.mark.timeout(600)
@pytest.mark.skipif(not chat_server.PROGRAM, reason="llama-server is not installed")
async def test_a_real_llama_server() -> None:
    with chat_server.serving(model_path("smollm2-135m")) as url:
        begun = time.monotonic()
        (answer,) = await probe.ask(await probe.named("localhost"), ports=models(port_of(url)))
        print(f"found in {(time.monotonic() - begun) * 1000:.1f} ms: {answer}")
    assert answer.endpoint.kind == "llama.cpp"
    assert "SmolLM2" in answer.models[0]
