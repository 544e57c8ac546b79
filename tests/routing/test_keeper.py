"""What is done for members between presses."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Handshake, Load
from cmdai_shell.errors import BackendBusy, BackendUnavailable, ModelMissing
from cmdai_shell.routing.keeper import Keeper, Pace
from cmdai_shell.routing.pool import Pool
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.virtual_loop import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cmdai_shell.core import Clock

QUEUE = Load(running=1, waiting=2)
GONE = Handshake(state="unreachable", detail="no connection")
OK = Handshake(state="ok", ttft=0.1, elapsed=0.2)


def watched_clock() -> Clock:
    """Fails where a test would hang, as nothing else gets its turn any more."""
    at, looks = -1.0, 0

    def look() -> float:
        nonlocal at, looks
        looks = looks + 1 if at == now() else 0
        at = now()
        assert looks < 1_000, "it turns without end"
        return at

    return look


@asynccontextmanager
async def kept(*servers: ScriptedServer) -> AsyncIterator[tuple[Pool, Keeper]]:
    pool = Pool(servers, random=lambda: 0.5)
    keeper = Keeper(pool, clock=watched_clock())
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keeper.run())
        yield pool, keeper
        keeping.cancel()


async def test_a_new_member_is_asked_to_compute_at_once():
    server = ScriptedServer("a")
    async with kept(server) as (pool, _):
        await asyncio.sleep(1)
        assert (server.handshaken, pool.snapshot(now())[0].state) == (1, "ok")
        late = ScriptedServer("b")
        pool.add(late)
        await asyncio.sleep(1)
        assert late.handshaken == 1


async def test_and_every_five_minutes_while_nobody_asks():
    server = ScriptedServer("a")
    async with kept(server) as (pool, _):
        await asyncio.sleep(1)
        await asyncio.sleep(1_800)
        assert 6 <= server.handshaken <= 7
        for _ in range(10):  # one that answers need not prove that it can
            await asyncio.sleep(200)
            member = next(iter(pool))
            member.asked(now())
            member.answered(now())
        assert 6 <= server.handshaken <= 8


async def test_more_rarely_while_the_person_is_away():
    server = ScriptedServer("a")
    server.loads = [QUEUE]
    async with kept(server):
        await asyncio.sleep(3_700)
        handshaken, loaded = server.handshaken, server.loaded
        await asyncio.sleep(36_000)
        assert server.handshaken - handshaken <= 21
        assert server.loaded - loaded <= 101


async def test_also_for_one_that_is_gone_until_there_is_a_press():
    server = ScriptedServer("a")
    server.handshakes = [GONE]
    async with kept(server) as (_, keeper):
        await asyncio.sleep(3_700)
        handshaken = server.handshaken
        await asyncio.sleep(36_000)
        assert server.handshaken - handshaken <= 121
        await asyncio.sleep(100)
        handshaken = server.handshaken
        keeper.pressed()
        await asyncio.sleep(0.1)
        assert server.handshaken == handshaken + 1


async def test_recovery_is_one_handshake_each_time_twice_as_late():
    server = ScriptedServer("a")
    server.handshakes = [GONE] * 4 + [OK]
    async with kept(server) as (pool, _):
        seen = []
        for _ in range(200):
            seen.append((server.handshaken, pool.snapshot(now())[0].breaker))
            await asyncio.sleep(0.1)
        assert server.handshaken == 5
        assert seen[-1][1] == "closed"
        changes = [n for n in range(1, 200) if seen[n][0] != seen[n - 1][0]]
        waits = [(b - a) / 10 for a, b in itertools.pairwise(changes)]
        assert waits == pytest.approx([0.75, 1.5, 3.0, 6.0], abs=0.35)  # half of chance 0.5


async def test_a_breaker_that_a_request_opened_is_seen_to():
    server = ScriptedServer("a")
    async with kept(server) as (pool, _):
        await asyncio.sleep(10)
        member = next(iter(pool))
        member.asked(now())
        member.failed(BackendUnavailable("refused", cause="refused"), now())
        pool.on_record()
        await asyncio.sleep(1.5)
        assert (server.handshaken, member.breaker.state) == (2, "closed")


async def test_a_model_that_is_missing_is_looked_for_at_once():
    server = ScriptedServer("a")
    async with kept(server) as (pool, _):
        await asyncio.sleep(10)
        member = next(iter(pool))
        member.asked(now())
        member.failed(ModelMissing("it has another one"), now())
        pool.on_record()
        await asyncio.sleep(1)
        assert (server.handshaken, member.state) == (2, "ok")


async def test_another_model_has_other_times():
    server = ScriptedServer("a")
    async with kept(server) as (pool, keeper):
        await asyncio.sleep(1)
        member = next(iter(pool))
        member.began(9.0, now())
        server.model = "another"
        keeper.pressed()
        await asyncio.sleep(1)
        assert (server.handshaken, member.ttft.expected) == (2, 0.1)


async def test_one_that_is_loading_is_asked_every_five_seconds():
    server = ScriptedServer("a")
    server.handshakes = [Handshake(state="loading", detail="loading the model")] * 3 + [OK]
    async with kept(server) as (pool, _):
        await asyncio.sleep(12)
        assert pool.snapshot(now())[0].state == "loading"
        await asyncio.sleep(6)
        assert pool.snapshot(now())[0].state == "ok"


async def test_one_that_wants_to_be_left_alone_is():
    server = ScriptedServer("a")
    busy = Handshake(state="loading", detail="too many requests", retry_after=600)
    server.handshakes = [busy, OK]
    async with kept(server) as (pool, _):
        await asyncio.sleep(590)
        assert (server.handshaken, pool.snapshot(now())[0].state) == (1, "loading")
        await asyncio.sleep(20)
        assert (server.handshaken, pool.snapshot(now())[0].state) == (2, "ok")
        [member] = pool
        member.asked(now())
        member.failed(BackendBusy("too many requests", retry_after=900), now())
        await asyncio.sleep(890)
        assert server.handshaken == 2
        await asyncio.sleep(20)
        assert server.handshaken == 3


async def test_queues_are_looked_at_while_the_person_is_active():
    server = ScriptedServer("a")
    server.loads = [QUEUE]
    async with kept(server) as (_, keeper):
        await asyncio.sleep(200)
        idle = server.loaded
        await asyncio.sleep(300)
        assert server.loaded - idle <= 6
        idle = server.loaded
        keeper.pressed()
        await asyncio.sleep(60)
        assert 9 <= server.loaded - idle <= 15


async def test_but_not_of_one_that_has_none():
    server = ScriptedServer("a")
    async with kept(server) as (_, keeper):
        await asyncio.sleep(1)
        keeper.pressed()
        await asyncio.sleep(50)
        assert server.loaded == 1


async def test_connections_are_kept_open_while_the_person_is_active():
    server = ScriptedServer("a")
    server.is_warm = False
    async with kept(server):
        await asyncio.sleep(1)
        assert server.warmed == 1
        await asyncio.sleep(200)
        server.is_warm = False
        await asyncio.sleep(200)
        assert server.warmed == 1


@pytest.mark.parametrize("fails", [BackendUnavailable("refused", cause="refused"), Load(), 9.0])
async def test_a_look_that_fails_has_it_prove_itself(fails: Load | Exception | float):
    server = ScriptedServer("a")
    server.loads = [QUEUE, fails]
    server.handshakes = [OK, GONE]
    async with kept(server) as (pool, _):
        await asyncio.sleep(4)
        assert pool.snapshot(now())[0].state == "ok"
        await asyncio.sleep(5)
        assert pool.snapshot(now())[0].state == "unreachable"


async def test_errors_of_our_own_end_nothing():
    server = ScriptedServer("a")
    server.loads = [QUEUE, KeyError("running"), QUEUE]
    async with kept(server):
        await asyncio.sleep(30)
        assert server.loaded >= 4


async def test_one_that_is_removed_is_left_alone():
    server = ScriptedServer("a")
    server.loads = [QUEUE]
    async with kept(server) as (pool, keeper):
        await asyncio.sleep(10)
        pool.remove("a")
        asked = server.loaded, server.handshaken
        keeper.pressed()
        await asyncio.sleep(1_000)
        assert (server.loaded, server.handshaken) == asked


class TestFreshen:
    async def test_it_returns_when_all_have_told(self):
        servers = [ScriptedServer("a"), ScriptedServer("b")]
        for server in servers:
            server.loads = [QUEUE, 0.01, QUEUE]
        async with kept(*servers) as (_, keeper):
            await asyncio.sleep(3)
            start = now()
            await keeper.freshen()
            assert now() - start == pytest.approx(0.01)
            assert [server.loaded for server in servers] == [2, 2]

    async def test_it_does_not_wait_for_long(self):
        servers = [ScriptedServer("a"), ScriptedServer("b")]
        servers[1].loads = [QUEUE, 1.0]
        async with kept(*servers) as (_, keeper):
            await asyncio.sleep(3)
            start = now()
            await keeper.freshen()
            assert now() - start == pytest.approx(0.03)

    async def test_fifty_presses_at_once_ask_once(self):
        servers = [ScriptedServer("a"), ScriptedServer("b")]
        servers[0].loads = servers[1].loads = [QUEUE]
        async with kept(*servers) as (_, keeper):
            await asyncio.sleep(3)
            asked = servers[0].loaded
            async with asyncio.TaskGroup() as group:
                for _ in range(50):
                    group.create_task(keeper.freshen())
            assert servers[0].loaded == asked + 1

    async def test_one_member_is_no_choice(self):
        server = ScriptedServer("a")
        server.loads = [QUEUE]
        async with kept(server) as (_, keeper):
            await asyncio.sleep(3)
            asked = server.loaded
            await keeper.freshen()
            assert server.loaded == asked

    async def test_without_the_keeper_running_nothing_is_waited_for(self):
        pool = Pool([ScriptedServer("a"), ScriptedServer("b")])
        start = now()
        await Keeper(pool, clock=now).freshen()
        assert now() == start


async def test_an_environment_can_have_an_interval_of_its_own():
    often, rarely = ScriptedServer("lab/a"), ScriptedServer("cloud/b")
    pool = Pool([often, rarely], random=lambda: 0.5)
    keeper = Keeper(pool, clock=now, paces={"lab": Pace(load_idle=10)})
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keeper.run())
        await asyncio.sleep(1_000)
        keeping.cancel()
    assert often.loaded == pytest.approx(6 * rarely.loaded, rel=0.2)


async def test_what_is_not_in_use_is_looked_at_more_rarely():
    used, other = ScriptedServer("lab/a"), ScriptedServer("cloud/b")
    async with kept(used, other) as (pool, keeper):
        pool.use("lab")
        await asyncio.sleep(1)
        used.is_warm = other.is_warm = False
        keeper.pressed()
        await asyncio.sleep(1_000)
        assert (used.warmed > 0, other.warmed) == (True, 0)
        assert used.loaded > 3 * other.loaded > 0
        assert other.handshaken == 1


async def test_a_server_that_says_it_is_ill_has_to_compute_at_once():
    server = ScriptedServer("a")
    server.loads = [QUEUE, BackendUnavailable("it says 503 at /ready, not 200")]
    server.handshakes = [OK, GONE]
    async with kept(server) as (pool, _):
        await asyncio.sleep(75)
        assert pool.snapshot(now())[0].state == "unreachable"


class TestTwoOnOnePool:
    """New settings: the next keeper is made while the one before is at work."""

    async def test_the_next_one_begins_when_the_one_before_has_ended(self):
        server = ScriptedServer("a")
        server.handshakes = [GONE, Handshake(state="unreachable", elapsed=5), OK]
        pool = Pool([server], random=lambda: 0.5)
        async with asyncio.TaskGroup() as group:
            former = group.create_task(Keeper(pool, clock=now).run())
            await until(lambda: server.handshaken == 2)  # the trial of its breaker runs
            member = next(iter(pool))
            assert member.breaker.state == "half-open"
            keeping = group.create_task(Keeper(pool, clock=watched_clock()).run())
            await asyncio.sleep(1)
            assert server.handshaken == 2
            former.cancel()
            await asyncio.sleep(1)
            assert (server.handshaken, member.breaker.state) == (3, "closed")
            keeping.cancel()

    async def test_a_trial_that_somebody_else_has_begun_is_waited_for(self):
        server = ScriptedServer("a")
        server.handshakes = [GONE, OK]
        async with kept(server) as (pool, _):
            await until(lambda: server.handshaken == 1)
            member = next(iter(pool))
            await until(lambda: member.breaker.state == "open")
            assert member.breaker.begin_trial(member.breaker.retry_at)
            await asyncio.sleep(100)
            assert server.handshaken == 1


async def test_a_trial_that_is_cancelled_is_begun_anew():
    server = ScriptedServer("a")
    server.handshakes = [GONE, Handshake(state="ok", elapsed=5)]
    async with kept(server) as (pool, _):
        await until(lambda: server.handshaken == 2)
    member = next(iter(pool))
    assert (member.state, member.breaker.state) == ("unreachable", "open")
    assert member.breaker.begin_trial(now())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  the condition is anything
            await asyncio.sleep(0.01)
