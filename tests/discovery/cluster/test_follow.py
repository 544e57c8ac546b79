"""One kind of object, listed and watched, against an API that does as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.discovery.cluster.api import Fault
from cmdai_shell.discovery.cluster.follow import (
    ABSENT_S,
    FIRST_S,
    GRACE_S,
    LONGEST_S,
    STEADY_S,
    Backoff,
    Denied,
    Follower,
    News,
    Without,
)
from cmdai_shell.discovery.cluster.world import POOLS, SERVICES, Changed, Listed, Resource
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

Step = Fault | list[tuple[str, dict[str, Any]]]


class Over(Exception):
    """The script is at its end."""


class Script:
    """An Api, a clock and a sleep: each list and each watch takes the next step. A watch whose step
    is a list lasts ``lasts`` seconds and ends in good order; a Fault in a list ends it."""

    def __init__(self, *steps: Any, lasts: float = 240.0, renews: bool = False) -> None:
        self.steps = list(steps)
        self.lasts = lasts
        self.renews = renews
        self.now = 1_000.0
        self.slept: list[float] = []
        self.asked: list[str] = []
        self.told: list[News] = []

    def next(self, what: str) -> Any:
        self.asked.append(what)
        if not self.steps:
            raise Over
        step = self.steps.pop(0)
        if isinstance(step, Fault):
            raise step
        return step

    async def all(self, path: str, query: Mapping[str, str]) -> tuple[list[Any], str]:
        return self.next("list"), "7"

    async def watch(
        self, path: str, query: Mapping[str, str], version: str
    ) -> AsyncGenerator[tuple[str, Any], None]:
        events = self.next(f"watch {version}")
        yield "OPEN", {}
        self.now += self.lasts
        for event in events:
            if isinstance(event, Fault):
                raise event
            yield event

    async def renew(self, number: int) -> bool:
        self.asked.append("renew")
        return self.renews

    async def tell(self, news: News) -> None:
        self.told.append(news)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def run(self, resource: Resource = SERVICES, error: type[Exception] = Over) -> Any:
        api: Any = self
        follower = Follower(
            api, resource, "ml", self.tell, query={}, random=lambda: 0.0, clock=lambda: self.now,
            sleep=self.sleep,
        )  # fmt: skip
        with pytest.raises(error) as caught:
            await follower.run()
        return caught.value


def named(name: str, version: str = "8") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ml", "resourceVersion": version}}


async def test_it_lists_then_watches_from_there():
    script = Script([named("a")], [("ADDED", named("b", "9"))], [("DELETED", named("a", "12"))])
    await script.run()
    assert script.asked == ["list", "watch 7", "watch 9", "watch 12"]
    listed, added, deleted = script.told
    assert isinstance(listed, Listed)
    assert [one.key for one in listed.objects] == [("ml", "a")]
    assert isinstance(added, Changed)
    assert (added.key, added.value.key) == (("ml", "b"), ("ml", "b"))
    assert isinstance(deleted, Changed)
    assert (deleted.key, deleted.value) == (("ml", "a"), None)
    assert script.slept == []


async def test_bookmarks_move_on():
    bookmark = {"metadata": {"resourceVersion": "40"}}
    script = Script([], [("BOOKMARK", bookmark)])
    await script.run()
    assert script.asked == ["list", "watch 7", "watch 40"]


@pytest.mark.parametrize("status", [410, 0])
async def test_gone_is_listed_again_at_once_and_then_less_and_less_often(status: int):
    gone = Fault("gone", "too old", status)
    script = Script([], [gone], [], [gone], [], [gone], lasts=0.0)
    await script.run()
    assert script.asked[:4] == ["list", "watch 7", "list", "watch 7"]
    assert script.slept == [0.0, 2 * FIRST_S, 4 * FIRST_S]


async def test_a_lost_server_is_tried_ever_less_often_and_never_given_up():
    lost = Fault("lost", "refused")
    script = Script([], [lost], *[lost] * 9, lasts=0.0)
    await script.run()
    assert script.asked == ["list", "watch 7", *["list"] * 10]
    assert script.slept[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert script.slept[-1] == LONGEST_S
    assert len(script.told) == 1


async def test_a_watch_that_held_makes_the_next_fault_a_first_one():
    lost = Fault("lost", "reset")
    script = Script([], [lost], [], [lost], [], [lost], lasts=STEADY_S)
    await script.run()
    assert script.slept == [FIRST_S] * 3


async def test_a_server_that_ends_every_watch_at_once_is_not_run_after():
    script = Script([], [], [], [], lasts=0.0)
    await script.run()
    assert script.slept == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]


async def test_one_that_is_never_there_is_an_error():
    error = await Script(Fault("lost", "refused\x1b[2J")).run(error=DiscoveryError)
    assert "cannot be reached: refused" in error.message
    assert "\x1b" not in error.message


async def test_a_login_is_made_anew_once():
    denied = Fault("login", "Unauthorized", 401)
    script = Script(denied, [], renews=True)
    await script.run()
    assert script.asked == ["list", "renew", "list", "watch 7"]
    error = await Script(denied).run(error=DiscoveryError)
    assert "does not know us" in error.message


@pytest.mark.parametrize("cause", ["rights", "absent", "login"])
async def test_a_server_that_begins_is_given_time_to_know_us(cause: Any):
    lost, early = Fault("lost", "reset"), Fault(cause, "not yet")
    script = Script([], [lost], early, early, [], lasts=240.0)
    await script.run(POOLS)
    assert [type(news) for news in script.told] == [Listed, Listed]


async def test_but_not_for_ever():
    lost, late = Fault("lost", "reset"), Fault("rights", "no")
    script = Script([], [lost], *[late] * 99)
    await script.run(error=Denied)
    assert GRACE_S < sum(script.slept) < 3 * GRACE_S


async def test_a_right_to_watch_that_is_missing_is_told_although_the_list_is_allowed():
    words = 'x is forbidden: User "viewer" cannot watch resource "services" in API group ""'
    denied = await Script([], Fault("rights", words, 403)).run(error=Denied)
    assert (denied.right.verb, denied.right.user) == ("watch", "viewer")


@pytest.mark.parametrize(("cause", "is_right"), [("rights", True), ("absent", False)])
async def test_what_can_be_done_without_is_looked_for_later(cause: Any, is_right: bool):
    script = Script(Fault(cause, "no"), [])
    await script.run(POOLS)
    first, second = script.told
    assert isinstance(first, Without)
    assert bool(first.right) is is_right
    assert isinstance(second, Listed)
    assert script.slept == [ABSENT_S]


async def test_what_can_be_done_without_and_fails_holds_nobody_up():
    script = Script(Fault("lost", "conversion webhook failed", 500), [])
    await script.run(POOLS)
    assert [type(news) for news in script.told] == [Without, Listed]


async def test_a_cluster_that_is_too_old_is_told():
    error = await Script(Fault("absent", "not found", 404)).run(error=DiscoveryError)
    assert "1.21" in error.hint


@pytest.mark.parametrize("random", [lambda: 0.0, lambda: 0.5, lambda: 0.999])
def test_the_wait_grows_and_stays_bounded(random: Callable[[], float]):
    backoff = Backoff(random)
    waits = [backoff.again() for _ in range(40)]
    assert FIRST_S / 2 <= waits[0] <= FIRST_S
    assert LONGEST_S / 2 <= waits[-1] <= LONGEST_S
