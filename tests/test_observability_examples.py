"""The dashboard, the rules and the scrape configuration of examples/observability."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cmdai_shell.config import Config
from cmdai_shell.config.schema import KEYS, LoadBalancing, Metrics
from cmdai_shell.observe.metrics import SPECS
from tests.daemon.test_listener import asked, got
from tests.daemon.test_metering import desk_of, press
from tests.fakes import scripted_server as does
from tests.fakes.scripted_server import ScriptedServer

FOLDER = Path(__file__).parents[1] / "examples" / "observability"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
RULES = (FOLDER / "alerts.yml").read_text()


def written_names() -> set[str]:
    """As they stand in Prometheus."""
    found = set()
    for spec in SPECS.values():
        ends = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
        found |= {spec.name + end for end in ends[spec.kind]}
    return found


@pytest.mark.parametrize("text", [*QUERIES, RULES])
def test_each_name_is_one_of_ours(text: str):
    names = set(re.findall(r"\b(?:cmdai|gen_ai_client)_\w+", text))
    assert names
    assert names <= written_names()


def test_the_port_is_the_one_of_the_settings():
    assert f"127.0.0.1:{KEYS['metrics.port'].default}" in (FOLDER / "prometheus.yml").read_text()


def test_panels_do_not_overlap():
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len({*places}) == len(places)
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(places)


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool")
@pytest.mark.parametrize("words", [("config", "prometheus.yml"), ("rules", "alerts.yml")])
def test_promtool_takes_them(words: tuple[str, str]):
    what, file = words
    done = subprocess.run(["promtool", "check", what, FOLDER / file], check=False)
    assert done.returncode == 0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


SILENT = ("cmdai_hedges", "cmdai_discovered", "cmdai_embedded_memory")
"""No hedge, nothing found and no engine in this scene."""


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("prometheus"), reason="there is no prometheus")
async def test_the_dashboards_queries_return_data(tmp_path: Path):
    """After a few presses, some of which fail over, in a real Prometheus with the rules loaded."""
    port, own = free_port(), free_port()
    servers = [
        ScriptedServer("lab/dead", does.ERROR_500, priority=9),
        ScriptedServer("lab/spark", does.well(ttft=0.02)),
    ]
    balancing = LoadBalancing(strategy="priority", failure_threshold=100)
    config = Config(load_balancing=balancing, metrics=Metrics(enabled=True, port=port))
    desk = desk_of(*servers, config=config)
    (tmp_path / "alerts.yml").write_text(RULES)
    text = (FOLDER / "prometheus.yml").read_text()
    text = text.replace("127.0.0.1:9464", f"127.0.0.1:{port}").replace("15s", "200ms")
    (tmp_path / "prometheus.yml").write_text(text)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        await got(port)
        process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{own}",
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        empty = [query for query in QUERIES if not any(word in query for word in SILENT)]
        try:
            for number in range(100):  # the numbers have to grow while they are scraped
                await press(desk, f"words {number // 2}")
                if number == 10:
                    for server in servers:  # nobody is left but the embedded model
                        server.turns = [does.ERROR_500]
                await asyncio.sleep(0.1)
                if number % 10 == 9:
                    empty = [query for query in empty if not await asked(own, query)]
                if not empty:
                    break
        finally:
            process.terminate()
            await process.wait()
            life.cancel()
    assert empty == []
