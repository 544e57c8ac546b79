"""Who is asked first."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.routing.policies import POLICIES, Turn, View, adaptive, score

VIEW = st.builds(
    View,
    id=st.text("abcdefgh", min_size=1, max_size=6),
    priority=st.integers(-3, 3),
    weight=st.integers(1, 10),
    ttft=st.floats(0.01, 60),
    in_flight=st.integers(0, 50),
    waiting=st.integers(0, 1000),
    running=st.integers(0, 1000),
    cache_used=st.floats(0, 1),
    connect=st.floats(0, 1),
    recovered=st.floats(0, 1e6),
)
VIEWS = st.lists(VIEW, unique_by=lambda view: view.id, max_size=20)


def turn(number: int = 0, session: str = "", seed: int = 0) -> Turn:
    return Turn(random=Random(seed).random, number=number, session=session)


def order(policy: str, *views: View, **options: int | str) -> list[str]:
    return POLICIES[policy](views, turn(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", POLICIES)
class TestEach:
    @given(views=VIEWS, number=st.integers(0, 10**6), seed=st.integers(0, 100))
    def test_asks_each_member_once_and_by_priority(
        self, policy: str, views: list[View], number: int, seed: int
    ):
        names = order(policy, *views, number=number, seed=seed)
        assert sorted(names) == sorted(view.id for view in views)
        if policy != "adaptive":
            by_name = {view.id: view.priority for view in views}
            priorities = [by_name[name] for name in names]
            assert priorities == sorted(priorities, reverse=True)

    @given(views=VIEWS)
    def test_the_same_chance_gives_the_same_order(self, policy: str, views: list[View]):
        assert order(policy, *views, seed=1) == order(policy, *views, seed=1)


class TestAdaptive:
    @pytest.mark.parametrize(
        "worse",
        [
            {"ttft": 0.6},
            {"in_flight": 1},
            {"waiting": 2},
            {"running": 20},
            {"cache_used": 0.95},
            {"connect": 0.1},
            {"recovered": 3.0},
        ],
    )
    def test_what_makes_a_server_worse(self, worse: dict[str, float]):
        views = View(id="bad", **worse), View(id="good")
        assert order("adaptive", *views) == ["good", "bad"]

    def test_weight_makes_it_better(self):
        assert order("adaptive", View(id="one"), View(id="two", weight=2)) == ["two", "one"]

    def test_near_ties_are_shared_out(self):
        views = View(id="one", ttft=0.3), View(id="two", ttft=0.301)
        firsts = Counter(order("adaptive", *views, seed=seed)[0] for seed in range(200))
        assert min(firsts.values()) > 60

    def test_a_priority_holds_while_the_wait_is_not_felt(self):
        home, cloud = View(id="home", priority=1, ttft=1.2), View(id="cloud", ttft=0.1)
        assert order("adaptive", home, cloud) == ["home", "cloud"]

    def test_and_is_left_when_it_is(self):
        cloud = View(id="cloud", ttft=0.3)
        slow = View(id="home", priority=1, ttft=5.0)
        queue = View(id="home", priority=1, ttft=0.3, waiting=17)
        for home in (slow, queue):
            assert order("adaptive", home, cloud) == ["cloud", "home"]

    def test_but_not_for_one_that_is_no_better(self):
        home, cloud = View(id="home", priority=1, ttft=3.0), View(id="cloud", ttft=1.0)
        assert order("adaptive", home, cloud) == ["home", "cloud"]

    @given(VIEW, st.integers(1, 50))
    def test_more_waiting_is_never_better(self, view: View, more: int):
        longer = View(**{name: getattr(view, name) for name in View.__slots__} | {
            "waiting": view.waiting + more})  # fmt: skip
        assert score(longer) > score(view)

    def test_no_member(self):
        assert adaptive([], turn()) == []


def test_round_robin_takes_turns_by_weight():
    views = View(id="one"), View(id="two", weight=2), View(id="three"), View(id="low", priority=-1)
    orders = [order("round_robin", *views, number=number) for number in range(8)]
    assert Counter(names[0] for names in orders) == {"one": 2, "two": 4, "three": 2}
    assert orders[0] == ["one", "two", "three", "low"]
    assert orders[3] == ["three", "one", "two", "low"]


def test_random_goes_by_weight():
    views = View(id="one"), View(id="two", weight=3)
    firsts = Counter(order("random", *views, seed=seed)[0] for seed in range(1000))
    assert 680 < firsts["two"] < 820


def test_latency_based_ignores_queues():
    views = View(id="slow", ttft=0.5), View(id="fast", ttft=0.1, waiting=100)
    assert order("latency_based", *views) == ["fast", "slow"]


def test_priority_goes_by_the_list():
    views = View(id="b", ttft=9.0), View(id="a"), View(id="c", priority=1)
    assert order("priority", *views) == ["c", "b", "a"]


class TestSticky:
    VIEWS = tuple(View(id=f"server{n}") for n in range(10))

    def test_a_session_stays(self):
        firsts = {order("sticky", *self.VIEWS, session="bash", seed=s)[0] for s in range(20)}
        assert len(firsts) == 1

    def test_sessions_are_spread(self):
        firsts = Counter(order("sticky", *self.VIEWS, session=str(n))[0] for n in range(1000))
        assert len(firsts) == 10
        assert min(firsts.values()) > 60

    def test_a_lost_server_moves_only_its_own_sessions(self):
        for n in range(100):
            before = order("sticky", *self.VIEWS, session=str(n))
            after = order("sticky", *self.VIEWS[1:], session=str(n))
            assert [name for name in before if name != "server0"] == after
