"""Servers and decisions in ``status``, from what the daemon really tells."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from cmdai_shell.cli import pool
from cmdai_shell.config import Config
from cmdai_shell.core import EMBEDDED, Handshake, Load, SuggestRequest
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.diagnose import reasons
from tests.fakes import scripted_server as does
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer


async def told(*servers: ScriptedServer, presses: int = 1) -> tuple[Chain, dict[str, Any]]:
    chain = Chain(Config(), time.monotonic, [ScriptedBackend(name="own")], remote=servers)
    desk = Desk(lambda _: chain, clock=time.monotonic)
    for n in range(presses):
        async for _ in desk.answer(SuggestRequest(line=f"list files {n}")):
            pass
    return chain, json.loads(json.dumps(desk.status()))


async def test_how_servers_do():
    chain, _ = await told(ScriptedServer("spark", priority=2), ScriptedServer("cloud"), presses=0)
    spark, cloud = chain.pool
    spark.note_handshake(Handshake(state="ok", ttft=0.2), time.monotonic())
    spark.note_load(Load(waiting=2), time.monotonic())
    cloud.note_handshake(Handshake(state="login", detail="it wants a key"), time.monotonic())
    found = {"servers": [asdict(one) for one in chain.pool.snapshot(time.monotonic())]}
    assert list(pool.servers(found)) == [
        ("server", "spark: ok; first word after 200 ms; scripted-model; priority 2; 2 waiting"),
        (
            "server",
            "cloud: not let in, it wants a key; scripted-model; cmdai-shell backends test cloud",
        ),
    ]


async def test_who_was_only_named_once_is_not_listed_beside_the_environment_in_use():
    chain, _ = await told(ScriptedServer("spark"), presses=0)
    (server,) = map(asdict, chain.pool.snapshot(0))
    found = {
        "environment": {"configured": "lab", "active": "lab", "reason": "named"},
        "servers": [server, {**server, "id": "once", "is_active": False}],
    }
    assert [label for label, text in pool.servers(found)] == ["environment", "server"]


async def test_a_model_that_is_a_path_goes_by_its_last_part():
    server = ScriptedServer("spark")
    server.model = "/models/coder-7b.gguf"
    _, found = await told(server)
    ((_, text),) = pool.servers(found)
    assert text.endswith("; coder-7b.gguf")
    assert found["servers"][0]["model"] == "/models/coder-7b.gguf"


async def test_who_was_asked_and_who_was_not():
    first, second = ScriptedServer("spark", does.DENIED), ScriptedServer("cloud", priority=-1)
    _, found = await told(first, second)
    ((label, text),) = pool.decisions(found)
    assert label == "asked"
    assert text.startswith("spark (failed after 0.0")
    assert "s: it does not know the key); cloud as the one before failed (answered after" in text
    _, found = await told(first, second, presses=2)
    assert ("not asked", "spark: it does not know the key") in list(pool.decisions(found))


async def test_no_model_here_is_no_news_where_a_server_answered():
    _, found = await told(ScriptedServer("spark"))
    (decision,) = found["decisions"]
    missing = {"id": EMBEDDED, "why": "beside", "outcome": "failed", "elapsed": 0.0}
    missing |= {"cause": "no-model", "detail": "no model is here yet"}
    decision["tried"].append(missing)
    assert "this CPU" not in str(list(pool.decisions(found)))
    assert not reasons.of(found, EMBEDDED)
    decision["answered_by"] = ""
    assert "no model is here yet" in str(list(pool.decisions(found)))


async def test_a_server_that_is_gone():
    _, found = await told(ScriptedServer("spark", does.REFUSED))
    ((_, text),) = pool.servers(found)
    assert text.startswith("spark: does not answer, connection refused; tried again in ")
    rows = dict(pool.decisions(found))
    assert "own (answered after" in rows["asked"]


def test_without_servers_nothing_is_said():
    assert not list(pool.servers({"servers": []}))
    assert not list(pool.decisions({}))


async def test_the_environment_in_use_and_why():
    _, found = await told(presses=0)
    assert list(pool.servers(found)) == []
    why = "Lab answered in 12 ms (local), before cloud"
    found["environment"] = {"active": "lab", "configured": "auto", "reason": why}
    assert list(pool.servers(found)) == [("environment", f"lab: {why}")]
    chain, _ = await told(ScriptedServer("cloud/a"), presses=0)
    chain.pool.use("lab")
    (standing,) = chain.pool.snapshot(0)
    ((_, text),) = pool.servers({"servers": [asdict(standing)]})
    assert text == "cloud/a: not asked: another environment is in use; scripted-model"


def test_one_that_was_trusted_and_is_not_used_is_told_with_what_to_type():
    story = "not used here: over http only in 10.77.0.0/24, behind the router of then"
    hint = "if this is your network: cmdai-shell backends trust desk"
    one = {"name": "desk", "url": "http://10.77.0.1:8000", "state": "elsewhere"}
    found = {**one, "story": story, "hint": hint}
    discovery = {"problem": "", "sources": [], "found": [found]}
    assert list(pool.found_servers({"discovery": discovery})) == [
        ("found", f"desk (http://10.77.0.1:8000), {story}; {hint}")
    ]
    away = {**one, "story": "not used here: over http only in 10.77.0.0/24", "hint": ""}
    ((_, told),) = pool.found_servers({"discovery": {**discovery, "found": [away]}})
    assert told.endswith("10.77.0.0/24")  # in a cafe nobody is asked to trust
    kept = {**one, "state": "approved", "story": "not used yet: it cannot be reached", "hint": ""}
    ((_, told),) = pool.found_servers({"discovery": {**discovery, "found": [kept]}})
    assert told == "desk (http://10.77.0.1:8000), not used yet: it cannot be reached"


def test_a_record_that_is_not_there_is_named():
    source = {"name": "dns:lab", "state": "listening", "known": 0, "hint": "",
              "problem": "no SRV record _x._tcp.lab.test"}  # fmt: skip
    rows = pool.found_servers({"discovery": {"problem": "", "sources": [source], "found": []}})
    said = "dns:lab: listening; 0 known; no SRV record _x._tcp.lab.test"
    assert list(rows) == [("discovery", said)]


def test_before_anybody_was_listened_to_it_says_so():
    discovery = {"problem": "", "begins": True, "sources": [], "found": []}
    told = list(pool.found_servers({"discovery": discovery}))
    assert told == [("discovery", "begins: who is there is not known yet")]
