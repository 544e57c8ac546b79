"""Traces as an OpenTelemetry collector gets them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.config import Config
from cmdai_shell.config.loading import check
from cmdai_shell.config.schema import LoadBalancing, Tracing
from cmdai_shell.errors import ConfigError
from cmdai_shell.observe import otlp, traces
from cmdai_shell.observe.otlp import Outbox
from tests.daemon.test_metering import desk_of, press
from tests.daemon.test_tracing import ID, Logged, close, desk_with, served
from tests.fakes import scripted_server as does
from tests.fakes.in_thread import in_thread
from tests.fakes.otlp_collector import FakeCollector
from tests.fakes.scripted_server import ScriptedServer
from tests.integration.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.daemon.desk import Desk

INTERNAL, SERVER, CLIENT = 1, 2, 3
ERROR = 2


@pytest.fixture
def collector() -> FakeCollector:
    return FakeCollector()


@pytest.fixture
def url(collector: FakeCollector) -> Iterator[str]:
    with in_thread(collector.app()) as at:
        yield at


def sending(url: str, **more: Any) -> Config:
    balancing = LoadBalancing(health_check_enabled=False, strategy="priority")
    return Config(tracing=Tracing(otlp_endpoint=url, **more), load_balancing=balancing)


def delivered(desk: Desk) -> None:
    desk.chain().meter.close()


async def test_a_failover_below_the_trace_of_who_asks(collector: FakeCollector, url: str) -> None:
    bad, good = Logged("status", wait=0.02), Logged(wait=0.02)
    async with served(bad, good):
        desk = desk_with(bad, good, more=f"[tracing]\notlp_endpoint = '{url}'")
        traces.incoming.set(f"00-{ID}-b7ad6b7169203331-01")
        await press(desk, "list files", shell="zsh")
        await close(desk)
    await asyncio.to_thread(delivered, desk)
    root, *rest = collector.spans
    assert (root["name"], root["kind"], root["parent_id"]) == (
        "suggest",
        SERVER,
        "b7ad6b7169203331",
    )
    assert {span["trace_id"] for span in collector.spans} == {ID}
    assert root["attributes"]["cmdai.shell"] == "zsh"
    stages = {span["name"]: span for span in rest if span["kind"] == INTERNAL}
    assert list(stages) == ["ready", "prompt", "route", "model", "checks"]
    assert {stage["parent_id"] for stage in stages.values()} == {root["id"]}
    first, second = (span for span in rest if span["kind"] == CLIENT)
    # Below these two hangs what the servers made of the traceparent that they were told.
    told = [said.split("-") for said in (*bad.parents, *good.parents)]
    assert [(trace, span) for _, trace, span, _ in told] == [(ID, first["id"]), (ID, second["id"])]
    assert first["parent_id"] == second["parent_id"] == stages["model"]["id"]
    assert (first["name"], first["status"], second["status"]) == ("chat m", ERROR, 0)
    assert first["attributes"]["error.type"] == "status"
    port = int(good.url.rpartition(":")[2])
    assert second["attributes"] == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.usage.output_tokens": 2,
        "server.address": "127.0.0.1",
        "server.port": port,
        "cmdai.backend": f"lab/127.0.0.1:{port}",
        "cmdai.why": "failed",
        "cmdai.outcome": "answered",
        "cmdai.time_to_first_token_ms": second["attributes"]["cmdai.time_to_first_token_ms"],
    }
    for span, server in ((first, bad), (second, good)):
        assert span["began"] <= server.arrived[0] + 0.001
        assert span["ended"] >= server.ended[0] - 0.001
        assert root["began"] <= span["began"] <= span["ended"] <= root["ended"] + 0.001
    assert collector.resources[0]["service.name"] == "cmdai-shell"


async def test_no_words_of_the_person(collector: FakeCollector, url: str) -> None:
    desk = desk_of(ScriptedServer("spark", does.well("echo xyzzy")), config=sending(url))
    await press(desk, "say xyzzy", cwd="/home/xyzzy", last_command="xyzzy", path="/xyzzy")
    await asyncio.to_thread(delivered, desk)
    assert collector.spans
    assert b"xyzzy" not in b"".join(collector.raw)


async def test_words_if_they_are_wanted_and_no_credentials(
    collector: FakeCollector, url: str
) -> None:
    desk = desk_of(
        ScriptedServer("spark", does.well("echo xyzzy")), config=sending(url, otlp_words=True)
    )
    await press(desk, "say xyzzy --password=hunter2hunter2")
    await press(desk, "say plugh", private=True)
    await asyncio.to_thread(delivered, desk)
    attributes = collector.spans[0]["attributes"]
    assert "say xyzzy" in attributes["gen_ai.input.messages"]
    assert "echo xyzzy" in attributes["gen_ai.output.messages"]
    sent = b"".join(collector.raw)
    assert b"hunter2" not in sent
    assert b"plugh" not in sent


async def test_nobody_is_told_unless_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    desk = desk_of(ScriptedServer("spark", does.well()))
    await press(desk, "list files")
    assert desk.status()["traces"] is None
    assert desk.chain().meter._outbox._thread is None


async def test_its_key_is_in_the_environment(
    collector: FakeCollector, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=let-me-in")
    desk = desk_of(config=sending(url))
    await press(desk, "list files")
    await asyncio.to_thread(delivered, desk)
    assert collector.headers[0]["x-key"] == "let-me-in"


async def test_the_embedded_model_and_a_press_that_failed(
    collector: FakeCollector, url: str
) -> None:
    desk = desk_of(config=sending(url))
    await press(desk, "list files")
    await press(desk, "fail at once")
    await asyncio.to_thread(delivered, desk)
    own = next(span for span in collector.spans if span["name"].startswith("chat"))
    assert (own["kind"], own["attributes"]["gen_ai.provider.name"]) == (INTERNAL, "embedded")
    assert "server.address" not in own["attributes"]
    roots = [span for span in collector.spans if span["kind"] == SERVER]
    assert [root["status"] for root in roots] == [0, ERROR]


class TestACollectorThatFails:
    async def test_no_press_waits(self, collector: FakeCollector, url: str) -> None:
        collector.status = 503
        desk = desk_of(ScriptedServer("spark", does.well(ttft=0.0)), config=sending(url))
        start = time.monotonic()
        for n in range(50):
            await press(desk, f"words {n}")
        assert time.monotonic() - start < otlp.EACH_S
        start = time.monotonic()
        await asyncio.to_thread(delivered, desk)
        assert time.monotonic() - start < otlp.CLOSE_S + 1

    def test_what_waits_is_bounded_and_what_is_lost_is_counted(
        self, collector: FakeCollector, url: str
    ) -> None:
        collector.status = 503
        box = Outbox(url)
        for _ in range(3 * otlp.MOST_WAITING):
            box.put(list)
        assert box.lost >= otlp.MOST_WAITING
        box.close()

    def test_it_says_so_and_goes_on_when_it_is_back(
        self, collector: FakeCollector, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        collector.status = 400
        box = Outbox(url)
        for _ in range(2):
            box.put(list)
            asked = collector.asked
            until(lambda asked=asked: collector.asked > asked and box._waiting.empty())
        until(lambda: box.lost == 2)
        assert box.status()["problem"] == "the collector does not take them"
        told = [record.message for record in caplog.records if record.name == otlp.log.name]
        assert told == ["traces are not delivered"]
        collector.status = 200
        box.put(list)
        until(lambda: box.sent == 1)
        assert (box.problem, box.lost) == ("", 2)
        box.close()

    def test_one_that_is_not_there(self) -> None:
        box = Outbox("http://127.0.0.1:1")
        box.put(list)
        thread, start = box._thread, time.monotonic()
        box.close()
        assert time.monotonic() - start < otlp.CLOSE_S + 1
        until(lambda: not (thread and thread.is_alive()))

    def test_it_sends_them_nowhere_else(
        self, collector: FakeCollector, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = FakeCollector()
        with in_thread(elsewhere.app()) as there:
            monkeypatch.setenv("http_proxy", there)
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            collector.status, collector.location = 307, f"{there}/v1/traces"
            box = Outbox(url)
            box.put(list)
            until(lambda: box.lost == 1)
            box.close()
        assert (collector.asked > 0, elsewhere.asked) == (True, 0)

    def test_a_package_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
        box = Outbox("http://127.0.0.1:1")
        box.put(list)
        until(lambda: box.lost == 1)
        assert "-m pip install 'cmdai-shell[otlp]'" in box.status()["hint"]
        box.close()


async def test_another_collector_counts_at_once(collector: FakeCollector, url: str) -> None:
    meter = desk_of().chain().meter
    first = meter.exported(sending("http://127.0.0.1:1"))
    second = meter.exported(sending(url))
    assert first
    assert second
    assert (first["endpoint"], second["endpoint"]) == ("http://127.0.0.1:1", url)


@pytest.mark.parametrize(
    "wrong",
    ["http://93.184.216.34:4318", "http://otel.example.com", "localhost:4318", "https://u:p@x/"],
)
def test_a_wrong_address_is_an_error_of_the_settings(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"tracing\.otlp_endpoint"):
        check("tracing.otlp_endpoint", wrong)


def test_nothing_is_imported_before_it_is_needed() -> None:
    program = "import sys, cmdai_shell.daemon.metering; sys.exit('opentelemetry' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", program]) == 0
