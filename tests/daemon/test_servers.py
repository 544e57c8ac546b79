"""Servers in the chain: looked after, told of, and kept when the configuration is read again."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from cmdai_shell.config import Config, load, paths
from cmdai_shell.config.schema import Discovery, Embedded, History, LoadBalancing, Manual, Suggest
from cmdai_shell.core import Handshake, Suggestion, SuggestRequest
from cmdai_shell.daemon import compose, remote
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from tests.daemon.conftest import until
from tests.daemon.test_desk import Engine
from tests.fakes import scripted_server as does
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cmdai_shell.core import Clock

LAB = """\
[environments.lab]
endpoints = ["http://192.168.1.7:8000", {url = "http://192.168.1.8:8000", priority = 5}]
[environments.cloud]
endpoints = ["https://gpu.example.com"]
"""


@asynccontextmanager
async def living(chain: Chain) -> AsyncIterator[Chain]:
    async with asyncio.TaskGroup() as group:
        life = group.create_task(chain.live(asyncio.Event()))
        yield chain
        life.cancel()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(compose, "_engine", lambda config, clock: engine)
    return engine


def configured(text: str) -> Config:
    folder = paths.config_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)
    return load()


async def press(desk: Desk, line: str = "list files") -> Suggestion:
    updates = [update async for update in desk.answer(SuggestRequest(line=line))]
    assert isinstance(updates[-1], Suggestion)
    return updates[-1]


class TestWhichServers:
    def test_those_of_every_environment_where_none_is_chosen(self):
        found = remote.servers(configured(LAB), time.monotonic)
        assert [server.endpoint.id for server in found] == [
            "lab/192.168.1.8:8000",
            "lab/192.168.1.7:8000",
            "cloud/gpu.example.com:443",
        ]

    def test_or_those_of_the_chosen_one(self):
        found = remote.servers(configured('active_environment = "cloud"\n' + LAB), time.monotonic)
        assert [server.endpoint.environment for server in found] == ["cloud"]

    def test_or_none(self):
        config = configured('active_environment = "none"\n' + LAB)
        assert not remote.servers(config, time.monotonic)
        assert not remote.servers(Config(), time.monotonic)


class TestRules:
    def test_what_the_configuration_says(self):
        rules = remote.race_rules(LoadBalancing(failover_timeout_ms=3_000, max_attempts=5))
        assert (rules.remote_s, rules.most, rules.hedge) == (3.0, 5, True)
        assert remote.race_rules(LoadBalancing(hedge_budget_percent=0)).hedge is False
        off = remote.race_rules(LoadBalancing(failover_enabled=False))
        assert (off.most, off.hedge) == (1, False)

    def test_looks(self):
        pace = remote.health_pace(LoadBalancing(health_check_interval_s=30))
        assert (pace.load_idle, pace.handshake) == (30, 150)


class TestLife:
    async def test_servers_are_handshaken_while_the_chain_lives(self):
        server = ScriptedServer("spark")
        chain = Chain(Config(), time.monotonic, [ScriptedBackend()], remote=[server])
        async with living(chain):
            await until(lambda: chain.pool.snapshot(0)[0].state == "ok")
        assert server.handshaken == 1
        assert server.closed

    async def test_not_where_health_checks_are_off(self):
        server = ScriptedServer("spark")
        config = Config(load_balancing=LoadBalancing(health_check_enabled=False))
        chain = Chain(config, time.monotonic, [ScriptedBackend()], remote=[server])
        async with living(chain):
            await asyncio.sleep(0.05)
        assert server.handshaken == 0

    async def test_the_model_is_loaded_when_one_server_is_left(self, engine: Engine):
        servers = [ScriptedServer("a"), ScriptedServer("b")]
        servers[0].handshakes = [Handshake(state="ok"), Handshake(state="unreachable")]
        chain = Chain(Config(), time.monotonic, remote=servers)
        async with living(chain):
            await until(lambda: all(server.loaded for server in servers))
            assert not engine.warmed
            next(iter(chain.pool)).note_handshake(Handshake(state="unreachable"), time.monotonic())
            chain.pool.on_record()
            await until(lambda: len(engine.warmed) == 1)

    async def test_and_at_once_where_there_is_only_one(self, engine: Engine):
        chain = Chain(Config(), time.monotonic, remote=[ScriptedServer("a")])
        async with living(chain):
            await until(lambda: len(engine.warmed) == 1)


class TestReload:
    def chains(
        self, monkeypatch: pytest.MonkeyPatch, before: Config, after: Config
    ) -> tuple[Chain, Chain]:
        monkeypatch.setattr(compose, "servers", lambda config, clock: [ScriptedServer("a")])
        monkeypatch.setattr(compose, "_engine", lambda config, clock: Engine())
        former = Chain(before, time.monotonic)
        chain = Chain(after, time.monotonic, former=former)
        former.retire(chain)
        return former, chain

    async def test_what_is_known_of_servers_is_kept(self, monkeypatch: pytest.MonkeyPatch):
        sharing = Config(suggest=Suggest(share_cwd=True))
        former, chain = self.chains(monkeypatch, Config(), sharing)
        await former.live(asyncio.Event())
        (member,) = chain.pool
        assert member is next(iter(former.pool))
        assert not member.server._server.closed

    async def test_unless_they_are_others(self, monkeypatch: pytest.MonkeyPatch):
        former, chain = self.chains(monkeypatch, Config(), configured(LAB))
        await former.live(asyncio.Event())
        (member,) = former.pool
        assert member is not next(iter(chain.pool))
        assert member.server._server.closed

    async def test_two_within_one_press_leave_it_its_server(self, monkeypatch: pytest.MonkeyPatch):
        """The servers go from the first chain to the second, and not on to the third."""
        made: list[ScriptedServer] = []

        def servers(config: Config, clock: Clock) -> list[ScriptedServer]:
            made.append(ScriptedServer(f"spark{len(made)}"))
            return made[-1:]

        engines = [Engine(), Engine()]
        left = iter(engines)
        monkeypatch.setattr(compose, "servers", servers)
        monkeypatch.setattr(compose, "_engine", lambda config, clock: next(left))
        quiet = Config(manual=Manual(enabled=False), history=History(enabled=False),
                       discovery=Discovery(mdns=False), suggest=Suggest(recipes=False))  # fmt: skip
        alike = replace(quiet, suggest=Suggest(recipes=False, share_cwd=True))
        other = replace(
            quiet, embedded=Embedded(threads=1), load_balancing=LoadBalancing(failure_threshold=9)
        )
        async with asyncio.TaskGroup() as group:
            first = Chain(quiet, time.monotonic)
            lives = [group.create_task(first.live(asyncio.Event()))]
            with first.in_use():
                second = Chain(alike, time.monotonic, former=first)
                lives.append(group.create_task(second.live(asyncio.Event())))
                first.retire(second)
                third = Chain(other, time.monotonic, former=second)
                lives.append(group.create_task(third.live(asyncio.Event())))
                second.retire(third)
                assert len(made) == 2
                ended, _ = await asyncio.wait(lives, timeout=0.5)
                assert not ended
                assert not made[0].closed
                assert not engines[0].closed
            await asyncio.wait(lives[:2])
            assert made[0].closed
            assert engines[0].closed
            assert not made[1].closed
            assert not engines[1].closed
            lives[2].cancel()


async def test_status_tells_how_servers_do_and_what_was_decided():
    servers = [ScriptedServer("spark", does.REFUSED), ScriptedServer("cloud")]
    chain = Chain(Config(), time.monotonic, [ScriptedBackend()], remote=servers)
    desk = Desk(lambda _: chain, clock=time.monotonic)
    found = await press(desk)
    assert found.backend in ("spark", "cloud")
    status = json.loads(json.dumps(desk.status()))
    assert [server["id"] for server in status["servers"]] == ["spark", "cloud"]
    assert status["decisions"][-1]["answered_by"] == "cloud"
    assert "list files" not in json.dumps([status["servers"], status["decisions"]])
