"""HTTP to one server: connections, credentials, bounds, and every way in which they fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdai_shell.auth.authenticator import NoLogin
from cmdai_shell.backends import faults
from cmdai_shell.backends.http import HttpClient, Settings
from cmdai_shell.errors import BackendBusy, BackendDenied, BackendRejected, BackendUnavailable
from cmdai_shell.observe import traces
from tests.backends.contract import api_key
from tests.fakes.raw_server import CLOSE, LAST, RESET, chunk, http, raw, stream_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.fakes.raw_server import Answer

OK = http(b"{}")


@asynccontextmanager
async def client(url: str, **more: object) -> AsyncIterator[HttpClient]:
    found = HttpClient(url, name="lab/gpu", settings=Settings(**more))  # type: ignore[arg-type]
    try:
        yield found
    finally:
        await found.aclose()


@asynccontextmanager
async def noting() -> AsyncIterator[list[bool]]:
    """Whether, and how often, it was said that the prompt was written."""
    told: list[bool] = []
    mark = traces.written.set(lambda: told.append(True))
    yield told
    traces.written.reset(mark)


# --- what was sent


async def asked(one: HttpClient) -> None:
    async with one.open("POST", "/", 5, body={"n": 1}, has_prompt=True) as answer:
        await answer.read()


async def test_what_was_written_is_said_though_nobody_answers() -> None:
    async with raw([[CLOSE]]) as server, client(server.url) as one, noting() as told:
        with pytest.raises(BackendUnavailable):
            await asked(one)
        assert b'{"n": 1}' in server.requests[0]
        assert told


async def test_what_was_not_written_is_not_said() -> None:
    no_key = api_key("KEY", environ={})
    async with raw([[OK]]) as server, noting() as told:
        async with client("http://127.0.0.1:1") as away:
            with pytest.raises(BackendUnavailable):
                await asked(away)
        async with client(server.url, auth=no_key) as keyless:
            with pytest.raises(BackendDenied):
                await asked(keyless)
        async with client(server.url) as other:
            await other.post("/v2/repository/index", {}, 5)  # no person's words
        assert told == []


# --- connections


async def test_a_connection_is_used_again() -> None:
    async with raw([[OK]]) as server, client(server.url) as http_client:
        assert not http_client.is_warm
        for _ in range(3):
            assert (await http_client.get("/", 20)).json() == {}
            assert http_client.is_warm
        assert server.accepted == 1
        assert http_client.last_connect > 0


async def test_warm_is_a_matter_of_seconds() -> None:
    now = 0.0
    async with raw([[OK]]) as server, client(server.url, clock=lambda: now) as http_client:
        await http_client.warm("/health", 1)
        assert http_client.is_warm
        now = 5.0
        assert not http_client.is_warm


async def test_to_warm_is_no_error_and_carries_no_key() -> None:
    auth = api_key("KEY", environ={"KEY": "a-secret-key"})
    async with raw([[http(b"", "404 Not Found")]]) as server, client(server.url, auth=auth) as one:
        await one.warm("/health", 1)
        assert one.is_warm
        assert b"a-secret-key" not in server.requests[0]
    async with client("http://127.0.0.1:1") as other:
        await other.warm("/health", 1)
        assert not other.is_warm


@pytest.mark.parametrize("ending", [CLOSE, RESET])
async def test_a_connection_that_went_stale_is_no_failure(ending: str) -> None:
    stale: Answer = [ending]
    async with raw([[OK], stale], [[OK]]) as server, client(server.url) as http_client:
        for _ in range(3):
            assert (await http_client.post("/", {"n": 1}, 20)).status == 200
        assert server.accepted == 2


async def test_all_of_them_may_be_stale() -> None:
    connections = [[[0.05, OK], [CLOSE]] for _ in range(3)]
    async with raw(*connections, [[OK]]) as server, client(server.url) as http_client:
        await asyncio.gather(*(http_client.get("/", 20) for _ in range(3)))
        assert (await http_client.get("/", 20)).status == 200
        assert server.accepted == 4


async def test_a_server_that_worked_and_died_is_not_asked_again_by_itself() -> None:
    worked: Answer = [0.5, CLOSE]
    connections = [[[0.05, OK], worked] for _ in range(3)]
    async with raw(*connections) as server, client(server.url) as http_client:
        await asyncio.gather(*(http_client.get("/", 20) for _ in range(3)))
        with pytest.raises(BackendUnavailable):
            await http_client.post("/", {"a": "prompt"}, 20)
        assert sum(b"POST" in request for request in server.requests) == 1


async def test_a_fresh_connection_that_is_closed_is_a_failure() -> None:
    async with raw([[CLOSE]]) as server, client(server.url) as http_client:
        with pytest.raises(BackendUnavailable) as caught:
            await http_client.post("/", {}, 20)
        assert caught.value.cause == "reset"
        assert server.accepted == 1


async def test_connections_have_a_limit() -> None:
    async with raw([[0.05, OK]]) as server, client(server.url, max_connections=2) as http_client:
        await asyncio.gather(*(http_client.get("/", 5) for _ in range(6)))
        assert server.accepted == 2


# --- failures


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:1", "refused"),
        ("http://no-such-host.invalid", "dns"),
        ("https://127.0.0.1:1", "refused"),
    ],
)
async def test_nobody_there(url: str, cause: str) -> None:
    async with client(url) as http_client:
        with pytest.raises(BackendUnavailable) as caught:
            await http_client.get("/", 5)
    assert caught.value.cause == cause
    assert caught.value.hint == "cmdai-shell backends test lab/gpu"


async def test_a_host_that_swallows_packets_costs_its_connect_time_alone() -> None:
    """A listener whose queue is full drops what comes, as a host that is off does."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filling = open_sockets.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        async with client(f"http://127.0.0.1:{port}") as http_client:
            begun = loop.time()
            with pytest.raises(BackendUnavailable) as caught:
                await http_client.post("/", {}, 10)
    assert caught.value.cause == "connect"
    assert "connection" in caught.value.message
    assert 0.2 < loop.time() - begun < 3


@pytest.mark.parametrize("turns", range(1, 13))
async def test_who_was_too_busy_to_see_the_connection_tries_again(turns: int) -> None:
    """The loop stands still at some point between dialling and being connected."""
    async with raw([[OK]]) as server, client(server.url, connect_timeout=0.05) as http_client:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(http_client.post("/", {}, 20))
            for _ in range(turns):
                await asyncio.sleep(0)
            time.sleep(0.2)  # noqa: ASYNC251  that is the point
        assert asked.result().status == 200


async def test_plain_http_stays_in_the_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    public = [(2, 1, 6, "", ("93.184.216.34", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: public)
    async with client("http://gpu.example.com") as http_client:
        with pytest.raises(BackendUnavailable) as caught:
            await http_client.get("/", 20)
    assert caught.value.cause == "dns"
    assert caught.value.message == (
        "lab/gpu is not in your own network: "
        "http:// would send your words and any key unencrypted; use https://"
    )


@pytest.mark.parametrize(
    ("steps", "cause"),
    [
        ([float("inf")], "timeout"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", float("inf")], "stall"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", CLOSE], "reset"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"], "garbage"),
        ([b"nonsense\r\n\r\n"], "garbage"),
        ([stream_head(), chunk(b"{}"), b"zz\r\n"], "garbage"),
        ([stream_head(), *[chunk(b"x" * 1_000_000)] * 6, LAST], "garbage"),
    ],
)
async def test_answers_that_are_none(steps: Answer, cause: str) -> None:
    patience = 0.5 if float("inf") in steps else 30
    async with raw([steps]) as server, client(server.url) as http_client:
        with pytest.raises(BackendUnavailable) as caught:
            await http_client.get("/", patience)
        assert caught.value.cause == cause
        assert not http_client.is_warm


async def test_what_is_no_json_is_said_and_not_repeated() -> None:
    async with raw([[http(b"<html>secret")]]) as server, client(server.url) as http_client:
        reply = await http_client.get("/", 20)
        with pytest.raises(BackendUnavailable, match="no JSON") as caught:
            reply.json()
    assert caught.value.cause == "garbage"
    assert "secret" not in str(caught.value)


async def test_busy_says_for_how_long() -> None:
    answer = http(b"", "429 Too Many Requests", "Retry-After: 7")
    async with raw([[answer]]) as server, client(server.url) as http_client:
        with pytest.raises(BackendBusy) as caught:
            await http_client.get("/", 20)
    assert caught.value.retry_after == 7


async def test_it_goes_nowhere_else() -> None:
    async with raw([[OK]]) as other:
        moved = http(b"", "302 Found", f"Location: {other.url}/")
        async with raw([[moved]]) as server, client(server.url) as http_client:
            with pytest.raises(BackendUnavailable, match="302"):
                await http_client.get("/", 20)
            with pytest.raises(BackendRejected):
                await http_client.get("http://169.254.169.254/latest", 1)
        assert other.accepted == 0


async def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with raw([[OK]]) as server, client(server.url) as http_client:
        assert (await http_client.get("/", 20)).status == 200


async def test_leaving_early_closes_the_connection() -> None:
    async with (
        raw([[stream_head(), chunk(b"data: x\n\n"), float("inf")]]) as server,
        client(server.url) as http_client,
    ):
        async with http_client.open("GET", "/", 5) as answer:
            assert (await anext(answer.events())).data == "x"
        assert not http_client.is_warm
        await asyncio.wait_for(server.gone.wait(), 20)


async def test_what_is_being_read_when_it_is_closed_fails_at_once() -> None:
    async with (
        raw([[stream_head(), chunk(b"data: rm -rf ./\n\n"), float("inf")]]) as server,
        client(server.url) as http_client,
    ):
        async with asyncio.timeout(2), http_client.open("GET", "/", 9) as answer:
            events = answer.events()
            await anext(events)
            await http_client.aclose()
            with pytest.raises(BackendUnavailable) as caught:
                await anext(events)
        assert caught.value.cause == "reset"


async def test_and_so_does_what_was_not_answered_yet() -> None:
    async with (
        raw([[float("inf")]]) as server,
        client(server.url) as http_client,
        asyncio.TaskGroup() as group,
    ):
        request = group.create_task(_failed(http_client))
        while not server.requests:  # noqa: ASYNC110  it is the server's to say
            await asyncio.sleep(0.005)
        await http_client.aclose()
        assert await asyncio.wait_for(request, 2) == "reset"


async def _failed(http_client: HttpClient) -> str:
    with pytest.raises(BackendUnavailable) as caught:
        await http_client.get("/", 9)
    return caught.value.cause


async def test_a_cancelled_request_closes_it_too() -> None:
    async with raw([[float("inf")]]) as server, client(server.url) as http_client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await http_client.get("/", 5)
        await asyncio.wait_for(server.gone.wait(), 20)


# --- credentials


class Renewing(NoLogin):
    """A token that has ended, and the one after it."""

    cure = "log in again"

    def __init__(self) -> None:
        self.token = "the-old-token"

    async def headers(self, _: object = None) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def invalidate(self) -> bool:
        is_old = self.token == "the-old-token"
        self.token = "the-new-token"
        return is_old


async def test_a_token_that_has_ended_is_renewed_once() -> None:
    no = http(b'{"error":"the-old-token has expired"}', "401 Unauthorized")
    async with raw([[no], [OK]]) as server, client(server.url, auth=Renewing()) as http_client:
        assert (await http_client.get("/", 20)).status == 200
    assert [b"the-new-token" in request for request in server.requests] == [False, True]
    async with raw([[no]]) as server, client(server.url, auth=Renewing()) as http_client:
        with pytest.raises(BackendDenied):
            await http_client.get("/", 20)
    assert len(server.requests) == 2


async def test_who_is_not_let_in_is_told_what_to_type() -> None:
    no = http(b"", "401 Unauthorized")
    async with raw([[no]]) as server, client(server.url) as nobody:
        with pytest.raises(BackendDenied) as caught:
            await nobody.get("/", 20)
        assert caught.value.hint == (
            "cmdai-shell config set environments.lab.api_key_env LAB_API_KEY; "
            "export LAB_API_KEY=...; cmdai-shell daemon restart"
        )
        far = faults.key_hint("home-lab/gpu:8000", "http://192.168.1.7:8000")
        assert (
            "config set environments.home-lab.allow_http_credentials true; export HOME_LAB_" in far
        )
        wrong = api_key("GPU_KEY", environ={"GPU_KEY": "a-wrong-key"})
        async with client(server.url, auth=wrong) as other:
            with pytest.raises(BackendDenied) as caught:
                await other.get("/", 20)
        assert caught.value.hint == "export GPU_KEY=..., then cmdai-shell daemon restart"


async def test_no_secret_in_a_log_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    auth = api_key("KEY", environ={"KEY": "sk-planted-secret"})
    body = b'{"error":{"message":"bad key sk-planted-secret"}}'
    refusal = http(body, "401 Unauthorized")
    async with raw([[refusal]]) as server, client(server.url, auth=auth) as http_client:
        with pytest.raises(BackendDenied) as caught:
            await http_client.post("/", {"prompt": "a person's words"}, 20)
        everything = f"{caught.value!s}{caught.value!r}{http_client!r}{http_client.settings!r}"
    assert b"sk-planted-secret" in server.requests[0]
    for record in caplog.records:
        everything += f"{record.getMessage()}{getattr(record, 'fields', '')}"
    assert "exchange" in everything
    assert "planted" not in everything
    assert "person's words" not in everything


async def test_a_connection_that_we_were_too_busy_to_see_is_no_fault_of_the_server() -> None:
    async with raw([[http(b"{}")]]) as server:
        settings = Settings(connect_timeout=0.05)
        client = HttpClient(server.url, name="gpu", settings=settings)
        loop, left = asyncio.get_running_loop(), 4

        def block() -> None:
            nonlocal left
            time.sleep(0.06)
            left -= 1
            if left:
                loop.call_soon(block)

        loop.call_soon(block)
        try:
            assert (await client.get("/", 5)).status == 200
        finally:
            await client.aclose()


# --- TLS


@asynccontextmanager
async def tls_server() -> AsyncIterator[tuple[str, bytes]]:
    """Its URL, and its certificate's authority: made by nobody that the system trusts."""
    trustme = pytest.importorskip("trustme", reason="trustme is not installed")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def hello(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/", hello)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    try:
        yield f"https://127.0.0.1:{server.port}", authority.cert_pem.bytes()
    finally:
        await server.close()


class Trusting(NoLogin):
    def __init__(self, authority: bytes, pin: aiohttp.Fingerprint | None = None) -> None:
        self._context = ssl.create_default_context(cadata=authority.decode())
        self._pin = pin

    def ssl(self) -> ssl.SSLContext | None:
        return self._context

    def pin(self) -> aiohttp.Fingerprint | None:
        return self._pin


async def test_a_certificate_of_nobody() -> None:
    async with tls_server() as (url, authority):
        async with client(url) as http_client:
            with pytest.raises(BackendUnavailable) as caught:
                await http_client.get("/", 20)
        assert caught.value.cause == "tls"
        assert "certificate" in caught.value.message
        async with client(url, auth=Trusting(authority)) as http_client:
            assert (await http_client.get("/", 20)).status == 200
        wrong = aiohttp.Fingerprint(b"x" * 32)
        async with client(url, auth=Trusting(authority, wrong)) as http_client:
            with pytest.raises(BackendUnavailable, match="pinned"):
                await http_client.get("/", 20)


async def test_an_unknown_authority_says_the_line_that_names_it() -> None:
    async with tls_server() as (url, _):
        for name, line in {
            "lab/gpu:8443": "config set environments.lab.tls_ca_path /path/ca.pem",
            url: f"config add-environment NAME --url {url} --set tls_ca_path=/path/ca.pem",
        }.items():
            one = HttpClient(url, name=name, settings=Settings(auth=NoLogin()))
            try:
                with pytest.raises(BackendUnavailable) as caught:
                    await one.get("/", 20)
            finally:
                await one.aclose()
            assert caught.value.hint == f"cmdai-shell {line}"


async def test_a_pin_alone_does_not_switch_the_check_off() -> None:
    class Pinned(NoLogin):
        def pin(self) -> aiohttp.Fingerprint | None:
            return aiohttp.Fingerprint(b"x" * 32)

    async with tls_server() as (url, _), client(url, auth=Pinned()) as http_client:
        with pytest.raises(BackendUnavailable, match="cannot be trusted") as caught:
            await http_client.get("/", 20)
    assert "pinned" not in caught.value.message


async def test_plain_http_where_tls_was_expected() -> None:
    server = TestServer(web.Application())
    async with server, client(f"https://127.0.0.1:{server.port}") as one:
        with pytest.raises(BackendUnavailable) as caught:
            await one.get("/", 20)
    assert caught.value.cause == "tls"
