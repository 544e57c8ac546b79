"""Who may see the page and press its buttons: with real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from cmdai_shell.cli.client import Client
from cmdai_shell.cli.web import server
from cmdai_shell.errors import CmdaiError
from tests.fakes.api_socket import api_socket
from tests.fakes.told_status import told, trace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.fakes.api_socket import Told

TOKEN, NAME = "the-token", "abc.localhost"
OURS = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Served:
    port: int
    session: ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = {"Host": f"{NAME}:{self.port}"} | headers
        async with self.session.get(url, headers=headers) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Access-Control-Allow-Origin" not in answer.headers
            return answer.status, await answer.text()

    async def do(self, body: object, **headers: str) -> int:
        url, data = f"http://127.0.0.1:{self.port}/do", json.dumps(body)
        headers = {"Host": f"{NAME}:{self.port}"} | headers
        async with self.session.post(url, data=data, headers=headers) as answer:
            return answer.status

    async def until(self, wanted: str) -> dict[str, Any]:
        """The state, as soon as its JSON has this text."""
        number = -1
        async with asyncio.timeout(10):
            while True:
                status, text = await self.get(f"/state?after={number}", **OURS)
                assert status == 200
                if wanted in text:
                    found: dict[str, Any] = json.loads(text)
                    return found
                number = json.loads(text)["number"]


@pytest.fixture
def told_api(runtime_dir: Path) -> Iterator[Told]:
    with api_socket(told()) as served:
        yield served


@asynccontextmanager
async def served(interval: float = 0.05) -> AsyncIterator[Served]:
    listeners = server.bound(0)
    page = server.Page(Client(start=()), interval, TOKEN, NAME)
    async with ClientSession() as session, asyncio.TaskGroup() as group:
        serving = group.create_task(page.serve(*listeners))
        yield Served(listeners[0].getsockname()[1], session)
        serving.cancel()


async def test_the_page_itself_says_nothing(told_api: Told) -> None:
    async with served() as page:
        for path in ("/", "/page.css", "/page.js"):
            status, text = await page.get(path)
            assert status == 200
            assert "lab/spark" not in text
            assert TOKEN not in text


@pytest.mark.parametrize(
    "said", [{}, {"Authorization": "Bearer other"}, {"Authorization": f"Bearer {TOKEN}x"}]
)
async def test_without_the_token(told_api: Told, said: dict[str, str]) -> None:
    async with served() as page:
        status, text = await page.get("/state", **said)
        assert (status, "spark" in text) == (401, False)
        assert "the address that the terminal shows" in text
        assert (await page.get(f"/state?token={TOKEN}", Cookie=f"token={TOKEN}", **said))[0] == 401
        assert await page.do({"do": "drain", "name": "desk"}, **said) == 401
    assert told_api.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "evil.example.com",
        "127.0.0.1.nip.io",
        "127.0.0.1",
        "localhost",
        "old.localhost",
        "x@abc.localhost",
    ],
)
async def test_a_name_that_only_points_here(told_api: Told, name: str) -> None:
    async with served() as page:
        host = {"Host": f"{name}:{page.port}"}
        assert (await page.get("/", **host))[0] == 421
        status, text = await page.get("/state", **host, **OURS)
        assert (status, "spark" in text) == (421, False)
        assert await page.do({"do": "drain", "name": "desk"}, **host, **OURS) == 421
        assert (await page.get("/state", **OURS))[0] == 200
    assert told_api.asked == []


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin(told_api: Told, origin: str) -> None:
    """Even one that knows the token."""
    async with served() as page:
        other = {"Origin": origin}
        assert await page.do({"do": "drain", "name": "desk"}, **other, **OURS) == 403
        assert (await page.get("/state", **other, **OURS))[0] == 403
        own = {"Origin": f"http://{NAME}:{page.port}"}
        await page.until("desk")
        assert await page.do({"do": "drain", "name": "desk"}, **own, **OURS) == 204
        await page.until("desk gets no new request")
    assert told_api.asked == [("/v1/drain", {"name": "desk"})]


async def test_nobody_beyond_this_machine(told_api: Told) -> None:
    async with served() as page:
        await page.until("desk")
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.2", page.port))


async def test_what_else_there_is(told_api: Told) -> None:
    async with served() as page:
        assert (await page.get("/v1/status", **OURS))[0] == 404
        assert (await page.get("/../server.py", **OURS))[0] == 404
        assert (await page.get("/server.py", **OURS))[0] == 404


async def test_it_tells_what_is_new_as_soon_as_it_is(told_api: Told) -> None:
    async with served() as page:
        await page.until("lab/spark:8000")
        told_api.status["servers"][0]["state"] = "loading"
        told_api.traces.append(trace(1))
        told_api.status["last_request"]["elapsed_ms"] = 17.0
        found = await page.until("lab/spark:8000 is loading")
        assert found["servers"][0]["health"] == "ailing"
        assert [each["at"] for each in found["requests"]] == [1_700_000_001.0]


async def test_many_requests_at_once_are_all_there(told_api: Told) -> None:
    told_api.traces += [trace(number) for number in range(40)]
    async with served() as page:
        found = await page.until("lab/spark")
    assert len(found["requests"]) == 40


class TestTrust:
    URL = "http://192.168.1.77:8000"

    async def test_one_that_waits(self, told_api: Told) -> None:
        async with served() as page:
            await page.until("spark-1a2b")
            wish = {"do": "trust", "name": "spark-1a2b:8000", "url": self.URL}
            assert await page.do(wish, **OURS) == 204
            await page.until("spark-1a2b:8000 is trusted")
        assert told_api.asked == [("/v1/trust", {"name": "spark-1a2b:8000"})]

    @pytest.mark.parametrize(
        ("name", "url", "said"),
        [
            ("spark-1a2b:8000", "http://192.168.1.78:8000", "look again"),
            ("old:8443", "https://192.168.1.9:8443", "choose one that was found"),
            ("nobody", "", "choose one that was found"),
        ],
    )
    async def test_not_what_was_on_the_page(
        self, told_api: Told, name: str, url: str, said: str
    ) -> None:
        async with served() as page:
            await page.until("spark-1a2b")
            await page.do({"do": "trust", "name": name, "url": url}, **OURS)
            await page.until(said)
        assert told_api.asked == []


@pytest.mark.parametrize("body", [{}, {"do": "stop"}, {"do": "test", "name": 7}, [], "x" * 5000])
async def test_what_is_no_request(told_api: Told, body: object) -> None:
    async with served() as page:
        assert await page.do(body, **OURS) in (400, 413)


async def test_the_daemon_goes(runtime_dir: Path) -> None:
    async with served() as page:
        found = await page.until("no daemon is running")
        assert found["servers"] == []
        with api_socket(told()):
            await page.until("lab/spark:8000")


def test_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(CmdaiError, match="cannot be used"):
            server.bound(other.getsockname()[1])


def test_a_port_that_another_has_at_the_other_address() -> None:
    """A browser may look there first."""
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        other.listen()
        with pytest.raises(CmdaiError, match="cannot be used"):
            server.bound(other.getsockname()[1])


def test_no_run_has_the_name_of_another() -> None:
    """What an earlier program at this port left in the browser is another origin's."""
    names = {server.fresh_name(8000, platform) for platform in ("linux", "darwin") * 5}
    assert len(names) == 10
    assert all(name.endswith(".localhost") for name in names)
    assert server.fresh_name(0, "darwin") == "127.0.0.1"  # a Safari may not know the others
