"""What requests, decisions, breakers and handshakes become in numbers; the audit log."""

from __future__ import annotations

import asyncio
import gc
import json
import stat
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.config import Config, paths
from cmdai_shell.config.schema import Audit, History, LoadBalancing
from cmdai_shell.core import SuggestRequest
from cmdai_shell.daemon import compose
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.observe import exposition
from tests.fakes import scripted_server as does
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from cmdai_shell.core import Update
    from cmdai_shell.errors import CmdaiError

ALONE = LoadBalancing(health_check_enabled=False, strategy="priority")
"""Who is asked is in the tests' hands."""


def desk_of(*servers: ScriptedServer, config: Config | None = None) -> Desk:
    """Over the scripted model as the embedded one, and these servers."""
    model = ScriptedBackend(name="embedded")
    config = config or Config(load_balancing=ALONE)

    def chain(former: Chain | None) -> Chain:
        return Chain(config, time.monotonic, [model], former, remote=servers)

    return Desk(chain, clock=time.monotonic)


async def press(desk: Desk, line: str, **more: Any) -> Update | CmdaiError:
    return [found async for found in desk.answer(SuggestRequest(line=line, **more))][-1]


def numbers(desk: Desk, name: str) -> dict[tuple[str, ...], float]:
    """Of each series its value, or how many there were."""
    found = exposition.as_json(desk.families()).get(name, {"series": []})
    return {
        tuple(one["labels"].values()): one.get("value", one.get("count")) for one in found["series"]
    }


def audit() -> list[dict[str, Any]]:
    file = paths.log_dir() / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def test_a_suggestion_by_a_server() -> None:
    desk = desk_of(ScriptedServer("lab/spark", does.well()))
    await press(desk, "list files", shell="zsh")
    assert numbers(desk, "cmdai_requests_total") == {("suggest", "zsh", "insert", "server"): 1}
    assert numbers(desk, "cmdai_suggestions_total") == {("safe", "insert"): 1}
    assert numbers(desk, "cmdai_route_decisions_total") == {("lab/spark", "first", "answered"): 1}
    assert numbers(desk, "cmdai_router_overhead_seconds") == {("priority",): 1}
    model = ("chat", "vllm", "scripted-model", "lab/spark")
    assert numbers(desk, "gen_ai_client_operation_duration_seconds") == {(*model, ""): 1}
    assert numbers(desk, "gen_ai_client_operation_time_to_first_chunk_seconds") == {model: 1}
    assert numbers(desk, "gen_ai_client_token_usage") == {(*model, "output"): 1}
    assert numbers(desk, "cmdai_backend_up") == {("lab/spark", "lab", "ok"): 1}


async def test_a_cached_one() -> None:
    desk = desk_of()
    await press(desk, "list files")
    await press(desk, "list files")
    assert numbers(desk, "cmdai_cache_requests_total") == {("hit",): 1, ("miss",): 1}
    origins = {key[3]: count for key, count in numbers(desk, "cmdai_requests_total").items()}
    assert origins == {"embedded": 1, "cache": 1}


async def test_a_failover_by_its_cause() -> None:
    dead = ScriptedServer("dead", does.BLACK_HOLE, priority=9)
    desk = desk_of(dead, ScriptedServer("spark", does.well(ttft=0.01)))
    await press(desk, "list files")
    assert numbers(desk, "cmdai_failover_seconds") == {("dead", "connect"): 1}
    found = exposition.as_json(desk.families())["cmdai_failover_seconds"]["series"][0]
    assert found["sum"] == pytest.approx(0.25, abs=0.1)
    errors = {
        key[3:]: count
        for key, count in numbers(desk, "gen_ai_client_operation_duration_seconds").items()
    }
    assert errors == {("dead", "connect"): 1, ("spark", ""): 1}


async def test_a_breaker_that_opens() -> None:
    desk = desk_of(ScriptedServer("dead", does.REFUSED), ScriptedServer("spark", does.well()))
    desk.chain()
    assert numbers(desk, "cmdai_breaker_state") == {("dead",): 0, ("spark",): 0}
    await press(desk, "list files")
    assert numbers(desk, "cmdai_breaker_changes_total") == {("dead", "open"): 1}
    assert numbers(desk, "cmdai_breaker_state") == {("dead",): 2, ("spark",): 0}


async def test_the_embedded_model_in_a_servers_place() -> None:
    desk = desk_of(ScriptedServer("dead", does.REFUSED))
    await press(desk, "list files")
    assert numbers(desk, "cmdai_embedded_fallbacks_total") == {("refused",): 1}
    await press(desk, "other words")
    assert numbers(desk, "cmdai_embedded_fallbacks_total")[("none-well",)] == 1
    assert numbers(desk, "cmdai_panics_total") == {(): 1}


async def test_a_request_that_fails() -> None:
    desk = desk_of()
    await press(desk, "fail")
    assert numbers(desk, "cmdai_requests_total") == {("suggest", "bash", "no-backend", "none"): 1}


async def test_one_that_is_cancelled() -> None:
    desk = desk_of()
    try:
        async with asyncio.timeout(0.05):
            await press(desk, "hang")
    except TimeoutError:
        pass
    assert numbers(desk, "cmdai_requests_total") == {("suggest", "bash", "cancelled", "none"): 1}


async def test_handshakes() -> None:
    desk = desk_of(ScriptedServer("spark", does.well()), config=Config())
    for member in desk.chain().pool:
        await member.server.handshake(1.0)
    assert numbers(desk, "cmdai_handshake_seconds") == {("spark", "ok"): 1}


async def test_numbers_go_on_after_a_reload() -> None:
    desk = desk_of()
    await press(desk, "list files")
    desk.reload()
    await press(desk, "list files")
    assert sum(numbers(desk, "cmdai_requests_total").values()) == 2


async def test_no_words_are_in_them() -> None:
    desk = desk_of(ScriptedServer("spark", does.REJECTED, does.well("echo xyzzy")))
    await press(desk, "say xyzzy", cwd="/home/xyzzy", last_command="xyzzy")
    assert b"xyzzy" not in exposition.prometheus(desk.families())


async def test_ten_thousand_requests_do_not_grow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred servers come and go; what they say they are called changes at every request."""
    monkeypatch.setattr(compose, "paths", paths)
    desk = desk_of(config=Config(audit=Audit(enabled=False), history=History(enabled=False)))
    chain = desk.chain()
    meter = chain.meter

    def requests(count: int) -> None:
        for number in range(count):
            request = SuggestRequest(line="list files")
            trace = meter.begin(chain.config, request, time.monotonic())
            call = trace.call()
            call.backend, call.model = f"server-{number % 150}", f"model-{number}"
            call.ended, call.tokens, call.ttft = time.monotonic() + 1, 9, 0.1
            meter.end(chain, trace, None, {"outcome": "cancelled"})

    def series() -> int:
        return sum(len(family.series) for family in meter.metrics.families())

    requests(2_000)
    before = series()
    gc.collect()
    tracemalloc.start()
    try:
        first, _ = tracemalloc.get_traced_memory()
        requests(10_000)
        gc.collect()
        last, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert series() == before
    assert last - first < 400_000  # the 200 traces that were there before are not in the first
    assert len(meter.traces) == 200


async def test_what_was_suggested_is_audited() -> None:
    desk = desk_of()
    await press(desk, "delete build", shell="fish")
    trace = desk.traces()[-1]["trace_id"]
    desk.chain().meter.close()
    (line,) = audit()
    assert line.pop("time").startswith("20")
    assert line.pop("reasons")
    assert line == {
        "op": "suggest", "shell": "fish", "command": "rm -rf ./build", "risk": "caution",
        "action": "insert", "from": "embedded", "is_fallback": False, "trace": trace,
    }  # fmt: skip
    file = paths.log_dir() / "audit.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "off", [{"audit": Audit(enabled=False)}, {"history": History(enabled=False)}]
)
async def test_the_audit_log_can_be_switched_off(off: dict[str, Any]) -> None:
    desk = desk_of(config=Config(**off))
    await press(desk, "list files")
    desk.chain().meter.close()
    assert not audit()


async def test_private_requests_are_in_no_file() -> None:
    desk = desk_of()
    await press(desk, "list files", private=True)
    desk.chain().meter.close()
    assert not audit()
