"""Traces as a real collector has them that is not ours: Arize Phoenix, which knows the conventions
for generative AI.

CMDAI_TEST_PHOENIX   the phoenix program: pip install arize-phoenix in a venv of its own
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import urllib.request
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.observe import traces
from tests.daemon.test_metering import press
from tests.daemon.test_tracing import ID, WITHIN_S, Logged, close, desk_with, served
from tests.fakes.program import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHOENIX = os.environ.get("CMDAI_TEST_PHOENIX", "")

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not PHOENIX, reason="CMDAI_TEST_PHOENIX names no program"),
]


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)]


def asked(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return []


@pytest.fixture
def phoenix(tmp_path: Path) -> Iterator[str]:
    port, grpc = free_ports()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_WORKING_DIR": str(tmp_path),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    url = f"http://127.0.0.1:{port}"
    with running(
        [PHOENIX, "serve"],
        folder=tmp_path,
        environ=environ,
        is_up=lambda: asked(f"{url}/v1/projects"),
        seconds=120,
    ):
        yield url


async def test_a_failover(phoenix: str) -> None:
    bad, good = Logged("reset", wait=0.05), Logged(wait=0.05)
    async with served(bad, good):
        desk = desk_with(bad, good, more=f"[tracing]\notlp_endpoint = '{phoenix}'")
        traces.incoming.set(f"00-{ID}-b7ad6b7169203331-01")
        await press(desk, "list files")
        await close(desk)
    await asyncio.to_thread(desk.chain().meter.close)
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < 8:
            await asyncio.sleep(0.2)
            found = await asyncio.to_thread(asked, f"{phoenix}/v1/projects/default/spans?limit=50")
    assert {span["context"]["trace_id"] for span in found} == {ID}
    model = next(span for span in found if span["name"] == "model")
    chats = sorted((s for s in found if s["name"] == "chat m"), key=lambda s: str(s["start_time"]))
    assert {chat["parent_id"] for chat in chats} == {model["context"]["span_id"]}
    assert [chat["span_kind"] for chat in chats] == ["LLM", "LLM"]  # it knows the conventions
    assert [chat["status_code"] for chat in chats] == ["ERROR", "UNSET"]
    assert chats[0]["attributes"]["error.type"] == "reset"
    ids = [chat["context"]["span_id"] for chat in chats]
    assert [said.split("-")[2] for said in (*bad.parents, *good.parents)] == ids
    (trace,) = desk.traces()
    assert [attempt["span_id"] for attempt in trace["attempts"]] == ids
    for chat, attempt in zip(chats, trace["attempts"], strict=True):
        began = trace["at"] + attempt["began_ms"] / 1000
        there = datetime.fromisoformat(chat["start_time"]).timestamp()
        assert there == pytest.approx(began, abs=WITHIN_S)
