"""What is remembered of each member, and who may be asked."""

from __future__ import annotations

import pytest

from cmdai_shell.core import Handshake, Load, Probe, ServerState, Target
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ModelMissing,
)
from cmdai_shell.routing.member import Member, host
from cmdai_shell.routing.pool import Pool
from tests.fakes.scripted_server import ScriptedServer


def member(**options: int) -> Member:
    return Member(ScriptedServer("spark"), random=lambda: 0.0, **options)


def running(generated: float, running: int = 1) -> Load:
    return Load(running=running, waiting=0, generated=generated)


class TestHandshake:
    @pytest.mark.parametrize(
        ("state", "breaker", "is_candidate"),
        [
            ("ok", "closed", True),
            ("slow", "closed", True),
            ("login", "closed", False),
            ("no-model", "closed", False),
            ("loading", "closed", False),
            ("unreachable", "open", False),
            ("tls", "open", False),
            ("wrong-answer", "open", False),
        ],
    )
    def test_each_state(self, state: ServerState, breaker: str, is_candidate: bool):
        one = member()
        assert one.is_candidate
        one.note_handshake(Handshake(state=state, detail="why", hint="do", ttft=0.2), 1)
        assert (one.state, one.breaker.state, one.is_candidate) == (state, breaker, is_candidate)
        assert (one.why, one.hint) == (("", "") if is_candidate else ("why", "do"))

    def test_it_is_the_first_that_is_known_of_its_time(self):
        one = member()
        one.note_handshake(Handshake(state="ok", ttft=0.2, probe=Probe(kind="tgi")), 1)
        assert (one.ttft.expected, one.kind) == (0.2, "tgi")

    def test_after_a_recovery_its_share_grows(self):
        one = member()
        one.asked(0)
        one.failed(BackendUnavailable("gone", cause="refused"), 0)
        one.breaker.begin_trial(2)
        one.note_handshake(Handshake(state="ok", ttft=0.2), 2)
        assert one.view(12).recovered == 10
        assert one.is_candidate


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "state", "is_candidate"),
        [
            (BackendDenied("who are you"), "login", False),
            (ModelMissing("no such model"), "no-model", False),
            (BackendRejected("bad request"), "new", True),
            (BackendBusy("later"), "new", True),
            (BackendUnavailable("status 500"), "new", True),
            (BackendError("nonsense"), "new", True),
        ],
    )
    def test_one_is_forgiven_but_for_login_and_model(
        self, error: BackendError, state: str, is_candidate: bool
    ):
        one = member()
        one.asked(0)
        one.failed(error, 1)
        assert (one.state, one.is_candidate, one.in_flight) == (state, is_candidate, 0)
        assert one.breaker.state == "closed"

    @pytest.mark.parametrize(("says", "waits"), [(0, 5), (20, 20), (3_600, 3_600)])
    def test_busy_is_to_be_left_alone_for_as_long_as_it_says(self, says: float, waits: float):
        one = member()
        one.asked(0)
        one.failed(BackendBusy("later", retry_after=says), 100)
        assert one.busy_until == 100 + waits

    def test_what_bars_a_server_is_tried_again_where_only_requests_can(self):
        for error in (BackendDenied("who are you"), ModelMissing("no such model")):
            pool = Pool([ScriptedServer("spark")])
            [spark] = pool
            spark.asked(0)
            spark.failed(error, 100)
            assert not pool.candidates(159, trials=True)
            assert pool.candidates(161, trials=True) == [spark]
            assert not pool.candidates(161)  # the keeper sees to it
            spark.asked(161)
            spark.failed(error, 161)
            assert not pool.candidates(170, trials=True)

    def test_silence_beyond_its_limit_is_a_wedge(self):
        for seconds, state in ((1.9, "closed"), (2.1, "open")):
            one = member()
            one.asked(0)
            one.lost(seconds, seconds, silent=True)
            assert one.breaker.state == state
            assert one.ttft.expected == seconds

    def test_a_server_that_is_known_to_be_slow_has_a_longer_one(self):
        one = member()
        one.asked(0)
        one.began(2.0, 2)
        one.answered(3)
        one.asked(10)
        one.lost(7.0, 17, silent=True)
        assert one.breaker.state == "closed"


class TestLoad:
    def test_running_without_making_tokens_for_five_seconds_is_a_wedge(self):
        one = member()
        for now in (0, 3):
            one.note_load(running(700), now)
            assert one.breaker.state == "closed"
        one.note_load(running(700), 6)
        assert (one.breaker.state, one.state) == ("open", "unreachable")
        assert one.why == "it makes no tokens, though requests wait for them"

    @pytest.mark.parametrize(
        "loads",
        [
            [running(700), running(701), running(702)],
            [running(700), running(700, 0), running(700)],
            [Load(running=1), Load(running=1), Load(running=1)],
            [Load(), Load(), Load()],
        ],
    )
    def test_else_it_is_not(self, loads: list[Load]):
        one = member()
        for n, load in enumerate(loads):
            one.note_load(load, 4 * n)
        assert one.breaker.state == "closed"

    def test_a_gateways_figures_are_not_one_engines(self):
        one = member()
        probe = Probe(kind="openai", via_gateway=True)
        one.note_handshake(Handshake(state="ok", probe=probe), 0)
        for now in (0, 4, 8, 12):
            one.note_load(running(700), now)
        assert one.breaker.state == "closed"

    def test_an_old_account_counts_as_none(self):
        one = member()
        one.note_load(Load(waiting=7, running=3, cache_used=0.5), 10)
        assert (one.view(15).waiting, one.view(15).running) == (7, 3)
        assert (one.view(15.1).waiting, one.view(15.1).cache_used) == (0, 0.0)


class TestPool:
    def test_members_come_and_go(self):
        pool, changes = Pool(), []
        pool.on_change = lambda: changes.append(len(pool))
        pool.add(ScriptedServer("a"))
        pool.add(ScriptedServer("b"))
        assert [one.id for one in pool] == ["a", "b"]
        assert pool.remove("a") is not None
        assert pool.remove("a") is None
        assert (len(pool), changes[:3]) == (1, [1, 2, 1])

    def test_who_was_found_and_is_of_no_environment_goes_with_every_one(self):
        pool = Pool([ScriptedServer("lab/a"), ScriptedServer("cloud/b")], watched={"lab"})
        pool.use("lab")
        pool.add(ScriptedServer("spark"))
        assert [one.id for one in pool.candidates(0)] == ["lab/a", "spark"]
        assert [one.id for one in pool if pool.is_watched(one)] == ["lab/a", "spark"]
        pool.use("cloud")
        assert [one.id for one in pool.candidates(0)] == ["cloud/b", "spark"]
        pool.use("none")
        assert not pool.candidates(0)
        assert [one.id for one in pool if pool.is_watched(one)] == ["lab/a"]

    def test_what_status_shows(self):
        pool = Pool([ScriptedServer("a", priority=3), ScriptedServer("b")], random=lambda: 0.0)
        first, second = pool
        first.note_handshake(Handshake(state="tls", detail="expired", hint="renew it"), 10)
        second.note_handshake(Handshake(state="ok", ttft=0.2), 10)
        second.note_load(Load(waiting=2), 11)
        a, b = pool.snapshot(10.5), pool.snapshot(12)
        assert (a[0].state, a[0].why, a[0].hint) == ("tls", "expired", "renew it")
        assert (a[0].breaker, a[0].retry_in, a[0].priority) == ("open", 0.5, 3)
        assert (b[1].state, b[1].score, b[1].load_age) == ("ok", pytest.approx(0.5), 1)

    def test_a_hedge_goes_by_those_of_the_same_priority_and_model(self):
        pool = Pool([ScriptedServer("a"), ScriptedServer("b"), ScriptedServer("c", priority=1)])
        a, b, c = pool
        for _ in range(10):
            a.began(0.3, 0)
            b.began(0.4, 0)
            c.began(1.2, 0)
        assert pool.hedge_after(a) == 0.4
        assert pool.hedge_after(c) == 1.2


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://Spark.local:8000/v1", "spark.local"),
        ("https://api.example.com", "api.example.com"),
        ("http://[fe80::1%25eth0]:8000", "fe80::1%25eth0"),
        ("http://192.168.1.7:9000", "192.168.1.7"),
    ],
)
def test_the_host_of_an_address(url: str, name: str):
    assert host(url) == name


class TestDrained:
    """It gets no new request, whoever asks for one."""

    def pool(self) -> Pool:
        return Pool([ScriptedServer("spark"), ScriptedServer("desk")])

    @pytest.mark.parametrize("target", [Target(), Target(backend="spark")])
    def test_it_is_asked_neither_when_it_is_well_nor_when_nobody_is(self, target: Target):
        pool = self.pool()
        pool.drain("spark")
        assert "spark" in [m.id for m in pool.within(target)]
        assert "spark" not in [m.id for m in pool.candidates(0, target, trials=True)]
        spark = next(iter(pool))
        for now in range(3):
            spark.asked(now)
            spark.failed(BackendUnavailable("gone", cause="refused"), now)
        assert "spark" not in [m.id for m in pool.candidates(99, target, trials=True)]
        assert "spark" not in [m.id for m in pool.ailing(target)]

    def test_what_it_has_goes_on_and_counts(self):
        pool = self.pool()
        spark = next(iter(pool))
        spark.asked(0)
        pool.drain("spark")
        assert (pool.snapshot(0)[0].is_drained, pool.snapshot(0)[0].in_flight) == (True, 1)
        spark.answered(1)
        assert pool.snapshot(1)[0].in_flight == 0

    def test_who_comes_back_is_drained_still(self):
        pool = self.pool()
        pool.drain("spark")
        pool.remove("spark")
        assert not pool.add(ScriptedServer("spark")).is_candidate
        other = Pool([ScriptedServer("spark")], drained=pool.drained)
        assert not other.candidates(0)

    def test_taken_back(self):
        pool = self.pool()
        pool.drain("spark")
        pool.drain("spark", is_drained=False)
        assert [m.id for m in pool.candidates(0)] == ["spark", "desk"]

    def test_it_says_how_it_is_taken_back(self):
        pool = self.pool()
        pool.drain("spark")
        assert next(iter(pool)).why_not == "drained: cmdai-shell backends undrain spark"


class TestBeforeTheFirstHandshake:
    """Of one that was found and trusted."""

    def test_nobody_sends_it_words_not_even_in_a_panic_or_by_its_name(self):
        pool = Pool([ScriptedServer("written")])
        found = pool.add(ScriptedServer("found"), is_proven=False)
        for member in pool:
            member.failed(BackendUnavailable("gone", cause="refused"), 0)
        assert pool.candidates(1e6, trials=True) == [next(iter(pool))]
        assert [member.id for member in pool.ailing()] == ["written"]
        assert pool.candidates(1e6, Target(backend="found")) == []
        assert pool.ailing(Target(backend="found")) == []
        assert found.why_not

    def test_it_has_to_compute_once_and_is_one_of_all_then(self):
        pool = Pool()
        found = pool.add(ScriptedServer("found"), is_proven=False)
        found.note_handshake(Handshake(state="wrong-answer"), 0)
        assert pool.ailing() == []
        found.note_handshake(Handshake(state="ok"), 1e6)
        assert pool.candidates(1e6) == [found]
        found.failed(BackendUnavailable("gone", cause="refused"), 1e6)
        assert pool.ailing() == [found]
