"""Which environment is in use, and whom a request may ask: from the configuration to servers."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Handshake, Probe, Suggestion, SuggestRequest
from cmdai_shell.daemon import compose
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.errors import ConfigError
from tests.daemon.conftest import until
from tests.daemon.test_metering import numbers
from tests.daemon.test_servers import configured, living
from tests.fakes import scripted_server as does
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer, well

if TYPE_CHECKING:
    from cmdai_shell.core import Update
    from cmdai_shell.errors import CmdaiError

TWO = """\
[environments.lab]
endpoints = ["http://192.168.1.7:8000", "http://192.168.1.8:8000"]
[environments.cloud]
endpoints = ["https://gpu.example.com"]
"""
IDS = "lab/192.168.1.7:8000", "lab/192.168.1.8:8000", "cloud/gpu.example.com:443"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class House:
    """A daemon's desk with scripted servers and a model of its own."""

    def __init__(
        self,
        settings: str,
        *servers: ScriptedServer,
        clock: Clock | None = None,
        monkeypatch: pytest.MonkeyPatch | None = None,
    ) -> None:
        self.servers = servers or tuple(ScriptedServer(id_, well(f"echo {id_}")) for id_ in IDS)
        self.own = ScriptedBackend(name="own")
        config = configured(settings)
        if monkeypatch:  # then only servers of the configured environment are there from the start
            there = {s.endpoint.environment: [] for s in self.servers}
            for server in self.servers:
                there[server.endpoint.environment].append(server)
            find = lambda environment, *_: there[environment.id]  # noqa: E731
            monkeypatch.setattr(compose, "servers_of", find)
            monkeypatch.setattr("cmdai_shell.daemon.remote.servers_of", find)
            monkeypatch.setattr(compose, "_engine", lambda *_: self.own)
            self.chain = Chain(config, clock or time.monotonic)
        else:
            remote = self.servers
            self.chain = Chain(config, clock or time.monotonic, [self.own], remote=remote)
        self.desk = Desk(lambda _: self.chain, clock=time.monotonic)

    async def press(self, line: str = "list files", **names: str) -> Update | CmdaiError:
        request = SuggestRequest(line=line, **names)  # type: ignore[arg-type]
        return [update async for update in self.desk.answer(request)][-1]

    async def backend(self, line: str = "list files", **names: str) -> str:
        found = await self.press(line, **names)
        assert isinstance(found, Suggestion), found
        return found.backend

    @property
    def asked(self) -> list[int]:
        return [server.asked for server in self.servers]

    def says(self, place: int, state: str = "ok", seconds: float = 0.01) -> None:
        """What the keeper learns of a server."""
        member = next(m for m in self.chain.pool if m.id == self.servers[place].name)
        found = Handshake(state=state, probe=Probe(kind="vllm", latency=seconds))  # type: ignore[arg-type]
        member.note_handshake(found, self.chain._clock())

    @property
    def active(self) -> str:
        return str(self.chain.active.status()["active"])

    @property
    def reason(self) -> str:
        return str(self.chain.active.status()["reason"])


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> House:
    return House('active_environment = "lab"\n' + TWO, monkeypatch=monkeypatch)


class TestNames:
    async def test_only_the_environment_that_was_asked_for(self, fixed: House):
        assert await fixed.backend("one", environment="cloud") == IDS[2]
        assert await fixed.backend("two", environment="lab") in IDS[:2]
        assert await fixed.backend("three") in IDS[:2]
        assert await fixed.backend("four", environment="auto") in IDS[:2]
        assert fixed.asked[2] == 1

    async def test_or_no_server(self, fixed: House):
        found = await fixed.press(environment="none")
        assert isinstance(found, Suggestion)
        assert (found.backend, found.is_fallback) == ("own", False)
        assert fixed.asked == [0, 0, 0]

    @pytest.mark.parametrize("name", [IDS[1], "192.168.1.8:8000"])
    async def test_only_the_server_that_was_asked_for(self, fixed: House, name: str):
        for line in ("one", "two", "three"):
            assert await fixed.backend(line, backend=name) == IDS[1]
        assert fixed.asked == [0, 3, 0]

    async def test_also_of_another_environment(self, fixed: House):
        assert await fixed.backend(backend="gpu.example.com:443") == IDS[2]

    async def test_an_environment_is_all_that_it_has(self, fixed: House):
        assert await fixed.backend("one", backend="cloud") == IDS[2]
        assert await fixed.backend("two", backend="lab") in IDS[:2]
        assert isinstance(await fixed.press(backend="cloud", environment="lab"), ConfigError)

    async def test_a_name_that_is_nearly_right(self, fixed: House):
        found = await fixed.press(backend="clowd")
        assert isinstance(found, ConfigError)
        assert found.hint == "did you mean cloud?"

    async def test_or_only_the_model_here(self, fixed: House):
        found = await fixed.press(backend="embedded")
        assert isinstance(found, Suggestion)
        assert (found.backend, found.is_fallback) == ("own", False)
        assert fixed.asked == [0, 0, 0]

    async def test_that_model_stands_in_for_a_server_that_fails(self):
        bad = [ScriptedServer(id_, does.REFUSED) for id_ in IDS]
        found = await House(TWO, *bad).press(backend=IDS[0])
        assert isinstance(found, Suggestion)
        assert (found.backend, found.is_fallback) == ("own", True)
        assert [server.asked for server in bad] == [1, 0, 0]

    async def test_who_is_named_is_asked_though_it_was_ill(self):
        denied = ScriptedServer(IDS[0], does.DENIED, well())
        house = House(TWO, denied, ScriptedServer(IDS[1]))
        assert await house.backend("one", backend=IDS[0]) == "own"
        assert await house.backend("two", backend=IDS[0]) == IDS[0]

    async def test_the_cache_keeps_them_apart(self, fixed: House):
        for _ in range(2):
            await fixed.press(environment="lab")
            await fixed.press(environment="cloud")
            await fixed.press(backend=IDS[0])
            await fixed.press(backend="embedded")
        assert fixed.asked[2] == 1
        assert sum(fixed.asked[:2]) == 2
        assert len(fixed.own.prompts) == 1
        assert await fixed.backend() in IDS[:2]  # the one in use, by name or not
        assert sum(fixed.asked) == 3

    async def test_nothing_of_it_is_told_to_the_model(self, fixed: House):
        await fixed.press("list files", environment="cloud")
        assert "cloud" not in repr(fixed.servers[2].prompts)

    @pytest.mark.parametrize(
        ("names", "says"),
        [
            ({"environment": "cluod"}, "no environment 'cluod': did you mean cloud?"),
            ({"environment": "x"}, "no environment 'x': choose of: lab, cloud"),
            ({"backend": "x"}, f"no server 'x': choose of: {', '.join(IDS)}, embedded"),
            (
                {"backend": IDS[0], "environment": "cloud"},
                f"no server '{IDS[0]}' in cloud: choose of: {IDS[2]}, embedded",
            ),
        ],
    )
    async def test_unknown_ones_are_an_error_that_says_what_exists(
        self, fixed: House, names: dict[str, str], says: str
    ):
        found = await fixed.press(**names)
        assert isinstance(found, ConfigError)
        assert str(found) == says
        assert fixed.asked == [0, 0, 0]

    async def test_one_address_in_two_environments(self):
        twice = '[environments.a]\nendpoints = ["http://g:1"]\n'
        found = await House(twice + twice.replace(".a", ".b")).press(backend="g:1")
        assert str(found) == "g:1 can be a/g:1 or b/g:1: name it whole"


class TestFixed:
    async def test_only_its_servers_are_known_and_looked_after(self, fixed: House):
        async with living(fixed.chain):
            await until(lambda: all(s.handshaken for s in fixed.servers[:2]))
            assert fixed.servers[2].handshaken == 0
            await fixed.press(environment="cloud")
            assert fixed.servers[2].asked == 1
        assert fixed.servers[2].handshaken == 0
        assert all(server.closed for server in fixed.servers)

    async def test_status_says_so(self, fixed: House):
        told = "the settings name it; 1 more environment not asked yet"
        assert (fixed.active, fixed.reason) == ("lab", told)
        await fixed.press(environment="cloud")
        assert (fixed.active, fixed.reason) == ("lab", "the settings name it")

    async def test_none_asks_no_server(self, monkeypatch: pytest.MonkeyPatch):
        house = House('active_environment = "none"\n' + TWO, monkeypatch=monkeypatch)
        assert await house.backend("one") == "own"
        assert (house.active, house.reason) == ("", "no server is asked")
        assert await house.backend("two", environment="lab") in IDS[:2]
        assert [server.handshaken for server in house.servers] == [0, 0, 0]


class TestAuto:
    async def test_only_the_chosen_one_is_asked(self):
        house = House(TWO)
        for place in range(3):
            house.says(place)
        for n in range(6):
            assert await house.backend(f"words {n}") in IDS[:2]
        assert house.reason == "lab answered in 10 ms (local), before cloud"

    async def test_a_near_one_goes_first_until_it_has_had_time_to_say_who_it_is(self):
        clock = Clock()
        house = House(TWO, clock=clock)
        assert (house.active, house.reason) == ("lab", "lab goes first; it is being asked")
        house.says(2)
        assert house.active == "lab"
        clock.now += 3.1
        assert (house.active, house.reason) == ("cloud", "cloud answered in 10 ms (cloud)")
        house.says(0)
        assert house.active == "lab"

    async def test_decided_anew_when_a_server_fails_or_comes_back(self):
        house = House(TWO)
        for place in range(3):
            house.says(place)
        assert house.active == "lab"
        house.says(0, "unreachable")
        assert house.active == "lab"
        house.says(1, "login")
        assert house.active == "cloud"
        assert await house.backend() == IDS[2]
        house.says(1)
        assert house.active == "lab"

    async def test_or_is_slow_but_not_at_every_press(self):
        clock = Clock()
        house = House(TWO + "priority = 1\n", clock=clock)
        clock.now += 3.1
        for place in range(3):
            house.says(place)
        for _ in range(2):  # a figure that is worse now and then moves nobody
            house.says(0, seconds=0.3)
            house.says(1, seconds=0.3)
        clock.now += 5.1
        assert house.active == "lab"
        for place in range(2):
            house.says(place, seconds=0.3)
        assert house.active == "lab"
        clock.now += 5.1
        assert house.reason == "cloud answered in 10 ms (cloud), before lab"

    async def test_the_one_in_use_stays_when_nobody_answers(self):
        house = House(TWO)
        house.says(0)
        for place in range(3):
            house.says(place, "unreachable")
        assert house.active == "lab"

    async def test_a_trusted_one_of_no_environment_is_asked_while_the_environments_have_none(self):
        """An environment that looks for its servers itself has none at first."""
        found = ScriptedServer("spark:8000", well("echo spark"))
        house = House('[environments.office]\ndiscovery_method = "mdns"\n', found)
        assert house.chain.active.name == ""
        made = await house.press()
        assert isinstance(made, Suggestion)
        assert made.backend == "spark:8000"

    async def test_the_cloud_only_if_it_may(self):
        off = "[environment_detection]\nfallback_to_cloud = false\n"
        house = House(off + TWO, *(ScriptedServer(id_, does.REFUSED) for id_ in IDS))
        house.says(0, "unreachable")
        house.says(1, "unreachable")
        house.says(2)
        assert await house.backend() == "own"
        assert house.servers[2].asked == 0
        assert "fallback_to_cloud is off" in house.reason

    async def test_the_others_are_known_and_asked_by_name(self):
        house = House(TWO)
        async with living(house.chain):
            await until(lambda: all(server.handshaken for server in house.servers))
            assert await house.backend(environment="cloud") == IDS[2]
        states = {s.id: s.is_active for s in house.chain.pool.snapshot(0)}
        assert states == {IDS[0]: True, IDS[1]: True, IDS[2]: False}

    async def test_the_keeper_decides_between_presses(self):
        house = House(TWO)
        for server in house.servers[:2]:
            server.handshakes = [Handshake(state="unreachable")]
        house.servers[2].handshakes = [
            Handshake(state="ok", probe=Probe(kind="vllm", latency=0.02))
        ]
        async with living(house.chain):
            await until(lambda: house.chain.pool.active == "cloud")
        assert sum(house.asked) == 0

    async def test_without_a_keeper_requests_find_out(self):
        off = "[load_balancing]\nhealth_check_enabled = false\n"
        servers = [ScriptedServer(IDS[0], does.REFUSED), ScriptedServer(IDS[2])]
        house = House(off + TWO, *servers)
        assert [await house.backend("one"), await house.backend("two")] == ["own", IDS[2]]


class TestFallbackAnswers:
    async def test_not_kept_once_a_server_is_well(self):
        server = ScriptedServer(IDS[0], does.REFUSED, well())
        house = House(TWO, server)
        assert await house.backend() == "own"
        house.says(0)
        assert await house.backend() == IDS[0]
        assert await house.backend() == IDS[0]
        assert (server.asked, len(house.own.prompts)) == (2, 1)

    async def test_kept_while_none_is(self):
        house = House(TWO, ScriptedServer(IDS[0], does.REFUSED, well()))
        house.says(0, "login")
        assert [await house.backend(), await house.backend()] == ["own", "own"]
        assert len(house.own.prompts) == 1

    async def test_own_answers_are_kept_where_no_server_is_to_be_asked(self):
        house = House(TWO)
        for _ in range(2):
            assert await house.backend(backend="embedded") == "own"
        assert len(house.own.prompts) == 1


def test_nothing_to_choose_where_no_environment_is(monkeypatch: pytest.MonkeyPatch):
    house = House("", ScriptedServer("a"))
    assert house.chain.active.status() == {"active": "", "configured": "", "reason": ""}
    assert replace(SuggestRequest(), environment="") == house.chain.addressed(SuggestRequest())


class TestDrained:
    async def test_by_a_short_name_until_it_is_taken_back(self, fixed: House):
        found = fixed.desk.drain("192.168.1.7:8000")
        assert found == {"name": IDS[0], "is_drained": True, "in_flight": 0}
        assert [await fixed.backend(f"words {n}") for n in range(3)] == [IDS[1]] * 3
        fixed.desk.drain(IDS[0], is_drained=False)
        fixed.desk.drain(IDS[1])
        assert await fixed.backend("others") == IDS[0]

    async def test_of_an_environment_whose_servers_are_not_there_yet(self, fixed: House):
        fixed.desk.drain("cloud/gpu.example.com:443")
        assert await fixed.backend("one", environment="cloud") == "own"
        assert fixed.asked[2] == 0

    async def test_an_environment_without_others_is_left(self):
        house = House(TWO)
        for place in range(3):
            house.says(place)
        assert house.active == "lab"
        for name in IDS[:2]:
            house.desk.drain(name)
        assert house.active == "cloud"
        assert await house.backend() == IDS[2]

    async def test_no_such_server(self, fixed: House):
        with pytest.raises(ConfigError, match="no server 'spark'"):
            fixed.desk.drain("spark")

    async def test_it_is_told_and_counted(self):
        desk = House(TWO).desk
        desk.chain()
        desk.drain(IDS[0])
        told = {each["id"]: each["is_drained"] for each in desk.status()["servers"]}
        assert told == {IDS[0]: True, IDS[1]: False, IDS[2]: False}
        drained = numbers(desk, "cmdai_backend_drained")
        assert drained == {(IDS[0],): 1, (IDS[1],): 0, (IDS[2],): 0}

    async def test_new_settings_do_not_undo_it(self, monkeypatch: pytest.MonkeyPatch):
        fixed = House('active_environment = "lab"\n' + TWO, monkeypatch=monkeypatch)
        fixed.desk.drain(IDS[0])
        changed = configured(
            'active_environment = "lab"\n[load_balancing]\nmax_attempts = 2\n' + TWO
        )
        later = Chain(changed, time.monotonic, former=fixed.chain)
        assert later.pool is not fixed.chain.pool
        assert [m.id for m in later.pool.candidates(0)] == [IDS[1]]
