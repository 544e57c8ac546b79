"""The numbers at a port of this machine."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientConnectionError, ClientSession

from cmdai_shell.cli.status import summary
from cmdai_shell.config import Config
from cmdai_shell.config.schema import Metrics
from cmdai_shell.core import SuggestRequest
from cmdai_shell.daemon import listener
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from tests.daemon.conftest import until
from tests.fakes.scripted_backend import ScriptedBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


@asynccontextmanager
async def living(port: int, *, enabled: bool = True) -> AsyncIterator[Desk]:
    config = Config(metrics=Metrics(enabled=enabled, port=port))
    model = ScriptedBackend(name="embedded")
    desk = Desk(lambda former: Chain(config, time.monotonic, [model], former), clock=time.monotonic)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        yield desk
        life.cancel()


async def got(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    """As soon as somebody listens."""
    async with ClientSession() as session, asyncio.timeout(10):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as found:
                    return found.status, await found.text()
            except ClientConnectionError:
                await asyncio.sleep(0.02)


async def press(desk: Desk) -> None:
    [_ async for _ in desk.answer(SuggestRequest(line="list files"))]


async def test_only_if_the_settings_say_so(port: int) -> None:
    async with living(port) as desk:
        await press(desk)
        status, text = await got(port)
        assert status == 200
        assert "cmdai_requests_total{" in text
    async with living(port, enabled=False) as desk:
        await press(desk)
        await asyncio.sleep(0.1)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port))


async def test_a_port_that_is_taken_is_told_until_it_is_free() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        async with living(taken) as desk:
            await until(lambda: desk.status()["metrics"]["problem"])
            rows = dict(summary(desk.status()))
            assert rows["metrics"].startswith(f"none, port {taken}: address already in use; ")
            assert "cmdai-shell config set metrics.port " in rows["metrics"]
            other.close()
            await until(lambda: not desk.status()["metrics"]["problem"])
            assert dict(summary(desk.status()))["metrics"] == f"http://127.0.0.1:{taken}/metrics"
    async with living(taken, enabled=False) as desk:
        assert desk.status()["metrics"] is None


async def test_nothing_else_is_there(port: int) -> None:
    async with living(port):
        assert (await got(port, "/v1/status"))[0] == 404


@pytest.mark.parametrize("name", ["evil.example.com", "evil.example.com:9464", "127.0.0.1.nip.io"])
async def test_a_page_in_a_browser_may_not_read_it(port: int, name: str) -> None:
    async with living(port):
        status, text = await got(port, Host=name)
        assert status == 421
        assert "cmdai" not in text
        assert (await got(port, Host=f"localhost:{port}"))[0] == 200


async def test_a_port_that_is_taken_is_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "AGAIN_S", 0.01)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        async with living(port) as desk:
            await press(desk)  # no press fails for it
            await until(lambda: "metrics port not free" in caplog.messages)
            other.close()
            assert (await got(port))[0] == 200
    assert caplog.messages.count("metrics port not free") == 1


async def test_after_a_reload_it_is_still_there(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "AGAIN_S", 0.01)
    async with living(port) as desk:
        await press(desk)
        await got(port)
        desk.reload()
        await press(desk)
        for _ in range(100):
            if "} 2.0" in (await got(port))[1]:
                return
            await asyncio.sleep(0.05)
        pytest.fail("the second press is in no number")


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("prometheus"), reason="there is no prometheus")
async def test_prometheus_scrapes_it(port: int, tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        own = found.getsockname()[1]
    target = f"{{static_configs: [{{targets: ['127.0.0.1:{port}']}}]"
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        f"scrape_configs: [{target}, job_name: cmdai-shell}}]\n"
    )
    async with living(port) as desk:
        await press(desk)
        await got(port)
        process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{own}",
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            for _ in range(300):
                if found := await asked(own, "cmdai_requests_total"):
                    break
                await asyncio.sleep(0.1)
            assert found[0]["metric"]["origin"] == "embedded"
            assert found[0]["value"][1] == "1"
            assert (await asked(own, "up"))[0]["value"][1] == "1"
        finally:
            process.terminate()
            await process.wait()


async def asked(port: int, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers a query with."""
    try:
        async with (
            ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}) as found,
        ):
            body = await found.text()
            result: list[dict[str, Any]] = json.loads(body)["data"]["result"] if found.ok else []
            return result
    except ClientConnectionError:
        return []
