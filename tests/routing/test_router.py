"""The failover loop, with scripted members and seconds that cost nothing."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from cmdai_shell.core import Abilities, Completion, Notice, Prompt, Target
from cmdai_shell.errors import BackendUnavailable, ModelUnavailable, NoBackendAvailable
from cmdai_shell.routing import Pool, Router, Rules
from cmdai_shell.routing.policies import POLICIES
from tests.fakes import scripted_server as does
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer, well
from tests.fakes.virtual_loop import START, now

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.fakes.scripted_backend import Script

ASK = Prompt(system="", user="go")


def own_model(*steps: object) -> ScriptedBackend:
    backend = ScriptedBackend(cast("Script", {"go": list(steps or [1.3, "own"])}), name="embedded")
    backend.title = "the model"
    return backend


def router(*servers: ScriptedServer, own: ScriptedBackend | None = None, **options: Any) -> Router:
    pool = Pool(servers, random=lambda: 0.5)
    return Router(pool, own, clock=now, strategy="priority", **options)


async def answer(of: Router, seconds: float = 5) -> tuple[list[str | Notice], Completion]:
    pieces = [piece async for piece in of.complete(ASK, seconds)]
    assert isinstance(pieces[-1], Completion)
    return cast("list[str | Notice]", pieces[:-1]), pieces[-1]


class TestOneMember:
    async def test_streams_deltas_and_ends_with_the_whole(self):
        server = ScriptedServer("one", [0.1, "ls", Notice(text="busy"), 0.1, " -la"])
        pieces, whole = await answer(router(server))
        assert pieces == ["ls", Notice(text="busy"), " -la"]
        assert (whole.text, whole.backend, whole.model) == ("ls -la", "one", "scripted-model")
        assert (whole.tokens, whole.is_fallback, whole.attempts) == (2, False, ())
        assert (whole.ttft, whole.elapsed) == (pytest.approx(0.1), pytest.approx(0.2))

    async def test_the_embedded_model_alone_has_the_whole_deadline(self):
        own = own_model(Notice(text="loading"), 20.0, "ls", 9.0, " -la")
        pieces, whole = await answer(router(own=own), 30)
        assert pieces == [Notice(text="loading"), "ls", " -la"]
        assert (whole.text, whole.is_fallback, whole.attempts) == ("ls -la", False, ())

    async def test_without_a_model_it_says_so_itself(self):
        error = ModelUnavailable("no model", hint="cmdai-shell model pull")
        with pytest.raises(ModelUnavailable) as caught:
            await answer(router(own=own_model(error)))
        assert caught.value is error

    async def test_no_member(self):
        with pytest.raises(NoBackendAvailable, match="no backend is configured"):
            await answer(router())

    async def test_the_deadline_holds(self):
        own = own_model(math.inf)
        with pytest.raises(NoBackendAvailable, match=r"the model: no answer within 0\.05 s"):
            await answer(router(own=own), 0.05)
        assert own.cancelled == 1

    async def test_a_stream_that_stops_half_way_is_late_too(self):
        with pytest.raises(NoBackendAvailable, match="no answer within 5 s"):
            await answer(router(ScriptedServer("slow", does.STALLED)))

    async def test_late_because_it_is_not_ready_says_what_it_was_doing(self):
        own = own_model(Notice(text="reading the instructions, 97 %, 29.8 s"), math.inf)
        with pytest.raises(NoBackendAvailable) as caught:
            await answer(router(own=own), 0.05)
        assert str(caught.value) == (
            "the model: not ready yet (reading the instructions, 97 %): press again in a moment"
        )

    async def test_an_endless_answer_is_none(self):
        flood = ScriptedServer("flood", does.FLOOD)
        with pytest.raises(NoBackendAvailable, match="flood: does not stop"):
            await answer(router(flood))
        assert flood.cancelled == 1

    async def test_closing_cancels_the_backend(self):
        hung = ScriptedServer("hung", does.STALLED)
        pieces = cast("AsyncGenerator[object, None]", router(hung).complete(ASK, 5))
        assert await anext(pieces) == "rm"
        await pieces.aclose()
        assert hung.cancelled == 1

    async def test_cancelling_the_task_cancels_the_backend(self):
        hung = ScriptedServer("hung", does.WEDGED)
        of = router(hung)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await answer(of)
        assert hung.cancelled == 1


class TestForms:
    """Each member is asked in its own."""

    async def test_rich_and_plain(self):
        large = ScriptedServer("large", does.REFUSED, abilities=frozenset({"large", "schema"}))
        small = ScriptedServer("small")
        made = []

        def rich(abilities: Abilities) -> Prompt:
            made.append(abilities)
            return Prompt(system="much", user="do", schema="{}", n=4)

        pieces = [
            piece async for piece in router(large, small).complete(replace(ASK, rich=rich), 5)
        ]
        assert made == [{"large", "schema"}]
        assert large.prompts == [Prompt(system="much", user="do", schema="{}", n=4)]
        assert small.prompts == [ASK]
        assert small.prompts[0].rich is None
        whole = cast("Completion", pieces[-1])
        assert (whole.backend, whole.abilities) == ("small", frozenset())

    async def test_the_rich_form_is_not_made_for_a_small_member(self):
        def rich(abilities: Abilities) -> Prompt:
            raise AssertionError(abilities)

        small = ScriptedServer("small", abilities=frozenset({"schema"}))
        pieces = [piece async for piece in router(small).complete(replace(ASK, rich=rich), 5)]
        assert isinstance(pieces[-1], Completion)

    async def test_the_answer_says_what_its_backend_can(self):
        large = ScriptedServer("large", abilities=frozenset({"large"}))
        _, whole = await answer(router(large))
        assert whole.abilities == {"large"}
        assert large.prompts == [ASK]


FAULTS = {
    "refused": (does.REFUSED, 0.05),
    "black hole": (does.BLACK_HOLE, 0.3),
    "no name": (does.NO_NAME, 0.05),
    "expired": (does.EXPIRED, 0.05),
    "wedged": (does.WEDGED, 1.6),
    "500": (does.ERROR_500, 0.05),
    "garbage": (does.GARBAGE, 0.05),
    "busy": (does.BUSY, 0.05),
    "busy until": (does.BUSY_20S, 0.05),
    "denied": (does.DENIED, 0.05),
    "no model": (does.NO_MODEL, 0.05),
    "empty": (does.EMPTY, 0.05),
    "cut": (does.CUT, 0.2),
    "stalled": (does.STALLED, 1.2),
    "flood": (does.FLOOD, 0.2),
    "endless": (does.ENDLESS, 3.1),
    "trickle": (does.TRICKLE, 3.1),
}
"""What goes wrong with the first server -> seconds until the second one is at work, at most."""


@pytest.mark.parametrize("fault", FAULTS)
class TestAFault:
    async def test_the_next_server_answers(self, fault: str):
        turn, added = FAULTS[fault]
        bad, good = ScriptedServer("bad", turn), ScriptedServer("good")
        own = own_model(math.inf)
        _, whole = await answer(router(bad, good, own=own))
        assert (whole.text, whole.backend, whole.is_fallback) == ("ls -la", "good", False)
        assert whole.elapsed <= 0.12 + added
        assert whole.attempts[0].startswith("bad: ")
        assert bad.asked == good.asked == 1

    async def test_the_embedded_model_answers_when_that_was_the_only_one(self, fault: str):
        _, whole = await answer(router(ScriptedServer("bad", FAULTS[fault][0]), own=own_model()))
        assert (whole.text, whole.backend, whole.is_fallback) == ("own", "embedded", True)
        assert whole.elapsed <= 4.6
        assert whole.attempts[0].startswith("bad: ")

    async def test_everything_fails(self, fault: str):
        own = own_model(ModelUnavailable("no file", hint="cmdai-shell model pull"))
        servers = [ScriptedServer(name, FAULTS[fault][0]) for name in ("one", "two")]
        with pytest.raises(NoBackendAvailable) as caught:
            await answer(router(*servers, own=own))
        text = "; ".join(caught.value.attempts)
        assert all(words in text for words in ("one: ", "two: "))
        assert "no file" not in text  # whoever has servers need not hear of it
        assert caught.value.hint != "cmdai-shell model pull"


class TestFailover:
    async def test_deltas_are_one_members_only(self):
        pieces, whole = await answer(router(ScriptedServer("one", does.CUT), ScriptedServer("two")))
        assert pieces == ["rm"]
        assert whole.text == "ls -la"

    async def test_one_that_never_spoke_takes_nothing_from_the_next(self):
        servers = ScriptedServer("one", does.ERROR_500), ScriptedServer("two")
        pieces, _ = await answer(router(*servers))
        assert pieces == ["ls ", "-la"]

    async def test_its_name_is_said_once(self):
        error = BackendUnavailable("one does not listen", cause="refused")
        _, whole = await answer(router(ScriptedServer("one", [error]), ScriptedServer("two")))
        assert whole.attempts == ("one: does not listen",)

    async def test_three_are_asked_at_most(self):
        bad = [ScriptedServer(f"bad{n}", does.ERROR_500) for n in range(4)]
        _, whole = await answer(router(*bad, own=own_model()))
        assert [server.asked for server in bad] == [1, 1, 1, 0]
        assert whole.backend == "embedded"

    async def test_but_one_that_is_not_there_was_not_asked(self):
        bad = [ScriptedServer(f"bad{n}", does.REFUSED) for n in range(5)]
        _, whole = await answer(router(*bad, ScriptedServer("good"), own=own_model()))
        assert whole.backend == "good"

    async def test_a_request_that_is_wrong_is_not_sent_to_the_same_software(self):
        first = ScriptedServer("one", does.REJECTED)
        same, other = ScriptedServer("two"), ScriptedServer("three", kind="tgi")
        _, whole = await answer(router(first, same, other))
        assert (same.asked, whole.backend) == (0, "three")

    async def test_refused_credentials_are_not_tried_again_on_the_same_host(self):
        first = ScriptedServer("one", does.DENIED, url="http://box:8000", login="lab")
        same = ScriptedServer("two", url="http://box:8001", login="lab")
        other = ScriptedServer("three", login="lab")
        _, whole = await answer(router(first, same, other))
        assert (same.asked, whole.backend) == (0, "three")
        assert whole.attempts == ("one: it does not know the key",)

    @pytest.mark.parametrize(("one", "two"), [("lab", "cloud"), ("lab", ""), ("", "")])
    async def test_others_are_and_so_is_a_server_that_wants_none(self, one: str, two: str):
        first = ScriptedServer("one", does.DENIED, url="http://box:8000", login=one)
        second = ScriptedServer("two", url="http://box:8001", login=two)
        _, whole = await answer(router(first, second))
        assert whole.backend == "two"

    async def test_and_those_are_asked_by_the_next_press(self):
        first = ScriptedServer("one", does.DENIED, url="http://box:8000", login="lab")
        second = ScriptedServer("two", url="http://box:8001", login="lab")
        of = router(first, second, own=own_model())
        assert [(await answer(of))[1].backend for _ in range(2)] == ["embedded", "two"]

    async def test_an_error_of_our_own_costs_one_member(self):
        _, whole = await answer(
            router(ScriptedServer("one", [KeyError("choices")]), ScriptedServer("two"))
        )
        assert whole.backend == "two"
        assert whole.attempts == ("one: an error of our own (KeyError)",)

    async def test_switched_off(self):
        servers = ScriptedServer("one", does.ERROR_500), ScriptedServer("two")
        rules = Rules(most=1, hedge=False)
        _, whole = await answer(router(*servers, own=own_model(), rules=rules))
        assert (whole.backend, servers[1].asked) == ("embedded", 0)


@pytest.mark.parametrize("strategy", POLICIES)
class TestBusy:
    async def test_one_that_said_for_how_long_is_asked_once(self, strategy: str):
        busy = ScriptedServer("busy", does.BUSY_20S, weight=100)
        other = ScriptedServer("other", well("ls"))
        pool = Pool([busy, other], random=lambda: 0.5)
        of = Router(pool, None, clock=now, strategy=strategy)
        for _ in range(10):
            assert (await answer(of))[1].backend == "other"
        assert busy.asked <= 1

    async def test_but_where_nobody_else_is_it_is_asked_beside_the_model(self, strategy: str):
        busy = ScriptedServer("busy", does.BUSY_20S, well("ls"))
        of = Router(Pool([busy]), own_model(), clock=now, strategy=strategy)
        assert [(await answer(of))[1].backend for _ in range(2)] == ["embedded", "busy"]


async def test_a_login_that_was_refused_is_tried_again_where_nobody_else_sees_to_it():
    server = ScriptedServer("one", does.DENIED, well("ls"))
    of = router(server, own=own_model(), trials=True)
    assert [(await answer(of))[1].backend for _ in range(2)] == ["embedded", "embedded"]
    assert server.asked == 1
    await asyncio.sleep(60)
    assert (await answer(of))[1].backend == "one"


class TestHedge:
    async def test_a_late_first_token_asks_a_second_host(self):
        slow = ScriptedServer("slow", well("slow", ttft=1.4))
        same = ScriptedServer("same", url="http://slow:8001")
        other = ScriptedServer("other")
        _, whole = await answer(router(slow, same, other))
        assert (whole.backend, same.asked) == ("other", 0)
        assert whole.ttft == pytest.approx(0.9)  # hedged after 0.8: nothing is known yet
        assert whole.attempts == ("slow: no first word within 0.9 s",)
        assert slow.cancelled == 1

    async def test_who_was_only_second_is_asked_again_if_the_first_dies(self):
        late = ScriptedServer("late", [1.0, "rm", math.inf])
        other = ScriptedServer("other", well("other", ttft=0.5))
        _, whole = await answer(router(late, other, own=own_model()))
        assert (whole.backend, other.asked, other.cancelled) == ("other", 2, 1)
        assert whole.elapsed < 2.6

    async def test_the_first_may_still_be_first(self):
        slow = ScriptedServer("slow", well("slow", ttft=1.0))
        other = ScriptedServer("other", well("other", ttft=1.0))
        of = router(slow, other)
        pieces, whole = await answer(of)
        assert (pieces, whole.backend, whole.attempts) == (["sl", "ow"], "slow", ())
        assert other.cancelled == 1
        assert of._pool.decisions[-1].hedge == "lost"

    async def test_what_is_usual_is_not_late(self):
        turns = [*(well(ttft=0.3 - n / 200) for n in range(20)), well(ttft=0.7)]
        usual, other = ScriptedServer("usual", *turns), ScriptedServer("other")
        of = router(usual, other)
        for _ in range(20):
            await answer(of)
        _, whole = await answer(of)
        assert (whole.backend, other.asked) == ("other", 1)
        assert whole.ttft == pytest.approx(0.295 + 0.1)

    async def test_the_budget(self):
        """Three at once, then one in twenty presses."""
        slow, other = ScriptedServer("slow", well(ttft=1.0)), ScriptedServer("other")
        of = router(slow, other)
        hedged = []
        for _ in range(40):
            await answer(of)
            slow_member = next(iter(of._pool))
            slow_member.ttft.kept.clear()
            hedged.append(of._pool.decisions[-1].hedge)
        assert hedged[:4] == ["won", "won", "won", "suppressed"]
        assert hedged.count("won") == 4

    async def test_without_a_budget_silence_is_not_waited_for_alone(self):
        servers = ScriptedServer("wedged", does.WEDGED), ScriptedServer("other")
        _, whole = await answer(router(*servers, hedge_percent=0))
        assert whole.ttft == pytest.approx(1.6)

    async def test_a_stall_goes_on_elsewhere(self):
        pieces, whole = await answer(
            router(ScriptedServer("one", does.STALLED), ScriptedServer("two"))
        )
        assert (pieces, whole.text) == (["rm"], "ls -la")
        assert whole.attempts == ("one: it stopped in the middle of its answer for 1 s",)


@pytest.mark.parametrize(
    ("name", "turn", "more"),
    [
        ("one that is late", [1.4, "rm", math.inf], {}),
        ("one that stalls", does.STALLED, {}),
        ("one whose time is over", [0.1, *["a", 0.3] * 20], {"timeout": 1.0}),
    ],
)
async def test_who_has_lost_is_cancelled_while_the_press_goes_on(
    name: str, turn: does.Turn, more: dict[str, Any]
):
    """Down to the server: it computes for nobody."""
    bad = ScriptedServer("bad", turn, **more)
    good = ScriptedServer("good", [0.5, *["ls ", 0.5] * 4])
    async with asyncio.TaskGroup() as group:
        pressed = group.create_task(answer(router(bad, good)))
        while not good.prompts or not bad.cancelled:
            await asyncio.sleep(0.01)
            assert now() < START + 2.5
        assert not pressed.done()
    assert pressed.result()[1].backend == "good"


class TestAnAnswerWithoutAnEnd:
    """One that trickles, and never stalls: another server is asked beside it after 3 s."""

    async def test_whoever_is_whole_first_has_answered_and_nothing_flickers(self):
        slow, good = ScriptedServer("slow", does.TRICKLE), ScriptedServer("good")
        of = router(slow, good, own=own_model(math.inf))
        pieces, whole = await answer(of, 30)
        assert set(pieces) == {"a"}
        assert (whole.text, whole.elapsed) == ("ls -la", pytest.approx(3.12))
        assert whole.attempts == ("slow: no answer within 3.1 s",)
        assert (slow.cancelled, good.cancelled) == (1, 0)
        assert [tried.why for tried in of._pool.decisions[-1].tried] == ["first", "slow", "beside"]

    async def test_the_slow_one_may_still_be_first(self):
        slow = ScriptedServer("slow", [0.1, *["a", 0.8] * 4, "z"])
        other = ScriptedServer("other", well("other", ttft=0.5))
        pieces, whole = await answer(router(slow, other, own=own_model(math.inf)), 30)
        assert (pieces, whole.text) == ([*"aaaaz"], "aaaaz")
        assert (whole.attempts, other.asked, other.cancelled) == ((), 1, 1)

    async def test_it_is_asked_on_another_host(self):
        slow = ScriptedServer("slow", does.TRICKLE)
        same, other = ScriptedServer("same", url="http://slow:8001"), ScriptedServer("other")
        _, whole = await answer(router(slow, same, other, own=own_model(math.inf)), 30)
        assert (whole.backend, same.asked) == ("other", 0)

    async def test_what_begins_late_gets_a_moment(self):
        gone = ScriptedServer("gone", [0.1, *["a", 0.9] * 2, 0.5, BackendUnavailable("gone")])
        late, other = ScriptedServer("late", [0.3, "ls", 0.7, " -la"]), ScriptedServer("other")
        _, whole = await answer(router(gone, late, other, own=own_model(math.inf)), 30)
        assert (whole.backend, other.asked) == ("late", 0)

    async def test_one_that_fails_gives_its_place_to_the_next(self):
        slow, bad = ScriptedServer("slow", does.TRICKLE), ScriptedServer("bad", does.ERROR_500)
        _, whole = await answer(router(slow, bad, ScriptedServer("good"), own=own_model(math.inf)))
        assert (whole.backend, whole.elapsed) == ("good", pytest.approx(3.13))

    async def test_the_slow_one_dies_and_the_other_goes_on(self):
        slow = ScriptedServer("slow", [*["a", 0.8] * 4, "a", BackendUnavailable("gone")])
        other, third = ScriptedServer("other", [0.1, *"or", 0.5, "z"]), ScriptedServer("third")
        pieces, whole = await answer(router(slow, other, third, own=own_model(math.inf)), 30)
        assert (set(pieces), whole.text, third.asked) == ({"a"}, "orz", 0)

    async def test_both_are_too_slow_and_the_embedded_model_answers(self):
        servers = [ScriptedServer(name, does.TRICKLE) for name in "ab"]
        _, whole = await answer(router(*servers, own=own_model()), 30)
        assert (whole.text, whole.elapsed) == ("own", pytest.approx(4.5))
        assert [server.cancelled for server in servers] == [1, 1]

    async def test_not_beyond_what_may_be_asked(self):
        slow, good = ScriptedServer("slow", does.TRICKLE), ScriptedServer("good")
        _, whole = await answer(router(slow, good, own=own_model(), rules=Rules(most=1)), 30)
        assert (whole.text, good.asked) == ("own", 0)

    async def test_a_short_deadline_is_shared_out(self):
        _, whole = await answer(
            router(ScriptedServer("slow", does.TRICKLE), ScriptedServer("b")), 3
        )
        assert (whole.backend, whole.elapsed) == ("b", pytest.approx(1.8 + 0.12))

    async def test_it_is_asked_after_the_others_for_a_while(self):
        slow, good = ScriptedServer("slow", does.TRICKLE), ScriptedServer("good", well(ttft=0.3))
        of = Router(Pool([slow, good], random=lambda: 0.5), clock=now)
        slow_member = next(iter(of._pool))
        slow_member.ttft.observe(0.1, now())
        for _ in range(3):
            _, whole = await answer(of)
            assert whole.backend == "good"
        assert (slow.asked, good.asked) == (1, 3)
        assert slow_member.breaker.state == "closed"


class TestTheEmbeddedModel:
    async def test_it_starts_beside_and_is_taken_at_the_end_of_the_servers_time(self):
        wedged, own = ScriptedServer("wedged", does.WEDGED), own_model(1.3, "own")
        pieces, whole = await answer(router(wedged, own=own), 30)
        assert (pieces, whole.text, whole.is_fallback) == (["own"], "own", True)
        assert whole.elapsed == pytest.approx(4.5)
        assert whole.ttft == pytest.approx(1.5 + 1.3)
        assert whole.attempts == ("wedged: no answer within 4.5 s",)

    async def test_a_server_that_answers_meanwhile_is_preferred(self):
        slow, own = ScriptedServer("slow", well("slow", ttft=4.0)), own_model(1.3, "own")
        pieces, whole = await answer(router(slow, own=own), 30)
        assert (pieces, whole.backend, own.cancelled) == (["sl", "ow"], "slow", 0)
        assert not whole.is_fallback

    async def test_it_is_taken_at_once_when_the_servers_are_exhausted(self):
        servers = [ScriptedServer(name, [2.5, BackendUnavailable("gone")]) for name in "ab"]
        _, whole = await answer(router(*servers, own=own_model(0.2, "own"), hedge_percent=0))
        assert whole.is_fallback
        assert whole.elapsed < 4.3

    async def test_it_is_not_troubled_when_a_server_answers_in_time(self):
        own = own_model()
        await answer(router(ScriptedServer("good", well(ttft=1.4)), own=own))
        assert own.prompts == []

    async def test_a_slow_trickle_is_ended(self):
        pieces, whole = await answer(
            router(ScriptedServer("slow", does.TRICKLE), own=own_model()), 30
        )
        assert whole.text == "own"
        assert whole.elapsed == pytest.approx(4.5)
        assert set(pieces) == {"a"}

    async def test_not_ready_at_the_end_of_their_time_the_first_whole_answer_counts(self):
        slow, own = ScriptedServer("slow", well("slow", ttft=6.0)), own_model(30.0, "own")
        _, whole = await answer(router(slow, own=own), 30)
        assert (whole.text, whole.elapsed) == ("slow", pytest.approx(6.02))
        assert own.cancelled == 1

    async def test_without_it_the_servers_have_the_whole_deadline(self):
        slow = ScriptedServer("slow", well("slow", ttft=20.0))
        for own in (None, own_model(ModelUnavailable("no file"))):
            _, whole = await answer(router(slow, own=own), 30)
            assert whole.text == "slow"

    async def test_its_notices_are_shown_when_it_is_awaited(self):
        own = own_model(Notice(text="loading"), 0.1, Notice(text="thinking"), 0.1, "own")
        pieces, _ = await answer(router(ScriptedServer("gone", does.REFUSED), own=own))
        assert pieces == [Notice(text="loading"), Notice(text="thinking"), "own"]
        own = own_model(0.1, Notice(text="thinking"), "own")
        pieces, _ = await answer(router(ScriptedServer("slow", well(ttft=2.5)), own=own))
        assert pieces == ["ls ", "-la"]

    async def test_a_short_deadline_is_shared_out(self):
        own = own_model(0.5, "own")
        _, whole = await answer(router(ScriptedServer("wedged", does.WEDGED), own=own), 2)
        assert (whole.text, whole.elapsed) == ("own", pytest.approx(1.8))


class TestPanic:
    async def test_when_nobody_is_well_all_are_asked_and_the_model_beside(self):
        """Until somebody has looked, the breaker of a dead server stays open."""
        back, own = ScriptedServer("back", does.REFUSED, well(ttft=1.0)), own_model(3.0, "own")
        of = router(back, own=own)
        await answer(of, 30)
        _, whole = await answer(of, 30)
        assert (whole.backend, whole.attempts) == ("back", ())
        assert len(own.prompts) == 2
        assert own.cancelled == 1
        decision = of._pool.decisions[-1]
        assert decision.is_panic
        assert [tried.began for tried in decision.tried] == [0, 0]
        await answer(of, 30)
        assert not of._pool.decisions[-1].is_panic

    async def test_one_that_waits_for_a_login_is_not_asked_again_and_says_so(self):
        server, own = ScriptedServer("spark", does.DENIED), own_model()
        of = router(server, own=own)
        await answer(of)
        _, whole = await answer(of)
        assert (server.asked, whole.elapsed) == (1, pytest.approx(1.3))
        assert whole.attempts == ("spark: it does not know the key",)
        assert whole.is_fallback

    async def test_which_is_of_no_interest_while_another_one_answers(self):
        of = router(ScriptedServer("spark", does.DENIED), ScriptedServer("cloud"))
        await answer(of)
        _, whole = await answer(of)
        assert whole.attempts == ()
        assert of._pool.decisions[-1].passed_over == (("spark", "it does not know the key"),)

    async def test_it_says_so_too_when_there_is_no_model(self):
        own = own_model(ModelUnavailable("no model is here", hint="cmdai-shell model pull"))
        of = router(ScriptedServer("spark", does.DENIED), own=own)
        for _ in range(2):
            with pytest.raises(NoBackendAvailable) as caught:
                await answer(of)
            assert str(caught.value) == "spark: it does not know the key: cmdai-shell auth login"

    async def test_what_to_do_about_it_is_said_where_the_model_stands_in(self):
        of = router(ScriptedServer("spark", does.DENIED), own=own_model())
        for _ in range(2):
            _, whole = await answer(of)
            assert whole.remedy == "spark: it does not know the key: cmdai-shell auth login"
        down = router(ScriptedServer("spark", does.REFUSED), own=own_model())
        assert (await answer(down))[1].remedy == ""

    async def test_the_same_said_twice_is_said_once(self):
        bad = ScriptedServer("bad", does.ERROR_500, retries=2, backoff=0.01)
        with pytest.raises(NoBackendAvailable) as caught:
            await answer(router(bad))
        assert (bad.asked, caught.value.attempts) == (3, ("bad: status 500",))


class TestWhatIsLearned:
    async def test_a_server_that_is_gone_is_not_asked_again(self):
        gone, good = ScriptedServer("gone", does.REFUSED), ScriptedServer("good")
        of = router(gone, good)
        for _ in range(5):
            await answer(of)
        assert (gone.asked, good.asked) == (1, 5)

    async def test_three_errors_are_enough(self):
        bad = ScriptedServer("bad", does.ERROR_500)
        of = router(bad, ScriptedServer("good"))
        for _ in range(5):
            await answer(of)
        assert bad.asked == 3

    async def test_one_wedge_is_enough(self):
        bad = ScriptedServer("bad", does.WEDGED)
        of = router(bad, ScriptedServer("good", well(ttft=1.3)))
        for _ in range(3):
            await answer(of)
        assert bad.asked == 1

    async def test_a_busy_server_is_asked_later_not_never(self):
        busy, good = ScriptedServer("busy", does.BUSY_20S, well()), ScriptedServer("good")
        of = Router(Pool([busy, good], random=lambda: 0.5), clock=now)
        await answer(of)
        assert [s.breaker for s in of._pool.snapshot(now())] == ["closed", "closed"]
        await answer(of)
        assert busy.asked == 1
        good.turns = [does.ERROR_500]
        await answer(of)
        assert busy.asked == 2

    @pytest.mark.parametrize("turn", [does.DENIED, does.NO_MODEL, does.REJECTED, does.BUSY])
    async def test_what_is_no_ones_fault_leaves_the_breaker_alone(self, turn: does.Turn):
        server = ScriptedServer("one", turn)
        of = router(server, own=own_model())
        for _ in range(6):
            await answer(of)
        assert of._pool.snapshot(now())[0].breaker == "closed"

    async def test_cancelled_is_not_failed(self):
        hung = ScriptedServer("hung", does.WEDGED)
        of = router(hung)
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(4.9):
                    await answer(of)
        (standing,) = of._pool.snapshot(now())
        assert (standing.breaker, standing.in_flight) == ("closed", 0)
        assert standing.ttft == pytest.approx(4.9)  # but all know how long it was silent

    async def test_without_a_keeper_a_request_tries_one_whose_time_has_come(self):
        back = ScriptedServer("back", does.REFUSED, well())
        of = router(back, ScriptedServer("good"), trials=True)
        await answer(of)
        await answer(of)
        assert back.asked == 1
        await asyncio.sleep(1)
        _, whole = await answer(of)
        assert (whole.backend, back.asked) == ("back", 2)

    async def test_the_account(self):
        of = router(ScriptedServer("bad", does.ERROR_500), ScriptedServer("good"), own=own_model())
        await answer(of)
        decision = of._pool.decisions[-1]
        assert [name for name, _ in decision.order] == ["bad", "good"]
        assert [(t.id, t.why, t.outcome, t.detail) for t in decision.tried] == [
            ("bad", "first", "failed", "status 500"),
            ("good", "failed", "answered", ""),
        ]
        assert (decision.answered_by, decision.is_panic, decision.hedge) == ("good", False, "")
        assert decision.elapsed == pytest.approx(0.13)


class TestAnEnvironmentsOwn:
    """What its file says of how its servers are asked."""

    async def test_time_for_an_answer(self):
        slow = ScriptedServer("slow", [0.1, *["a", 0.3] * 20], timeout=1.0)
        _, whole = await answer(router(slow, ScriptedServer("good")))
        assert whole.backend == "good"
        assert whole.elapsed == pytest.approx(1.12)
        assert whole.attempts == ("slow: no whole answer within 1 s",)
        assert slow.cancelled == 1

    async def test_also_for_one_that_never_pauses(self):
        flood = ScriptedServer("flood", [0.1, *["a", 0.001] * 5_000], timeout=1.0)
        _, whole = await answer(router(flood, ScriptedServer("good")))
        assert (whole.backend, whole.elapsed) == ("good", pytest.approx(1.12, abs=0.01))

    async def test_with_nobody_else_the_person_is_told_what_to_change(self):
        with pytest.raises(NoBackendAvailable) as caught:
            await answer(router(ScriptedServer("lab/slow", does.STALLED, timeout=1.0)), 5)
        assert caught.value.hint == "cmdai-shell config set environments.lab.timeout_ms 4000"

    async def test_a_slow_one_that_nobody_can_answer_in_place_of_gets_longer(self):
        def slow():
            return ScriptedServer("slow", [1.5, "ls"], timeout=1.0)

        _, whole = await answer(router(slow()))
        assert (whole.backend, whole.elapsed) == ("slow", pytest.approx(1.5))
        with pytest.raises(NoBackendAvailable) as caught:
            await answer(router(ScriptedServer("slow", does.STALLED, timeout=1.0)))
        assert caught.value.attempts == ("slow: no whole answer within 3 s",)
        _, whole = await answer(router(slow(), ScriptedServer("good")))
        assert whole.backend == "good"

    async def test_further_tries_each_after_a_wait(self):
        server = ScriptedServer("a", does.ERROR_500, does.CUT, well(), retries=2, backoff=0.2)
        _, whole = await answer(router(server))
        assert (whole.text, server.asked) == ("ls -la", 3)
        assert whole.elapsed == pytest.approx(0.01 + 0.2 + 0.11 + 0.2 + 0.12)

    async def test_and_no_more(self):
        server = ScriptedServer("a", does.ERROR_500, retries=1)
        _, whole = await answer(router(server, own=own_model()))
        assert (whole.backend, server.asked) == ("embedded", 2)

    @pytest.mark.parametrize("turn", [does.REFUSED, does.DENIED, does.REJECTED, does.BUSY])
    async def test_not_of_one_that_would_say_the_same(self, turn: does.Turn):
        server = ScriptedServer("a", turn, retries=5)
        await answer(router(server, own=own_model()))
        assert server.asked == 1

    async def test_others_go_first(self):
        bad = ScriptedServer("bad", does.ERROR_500, retries=5)
        _, whole = await answer(router(bad, ScriptedServer("good")))
        assert (whole.backend, bad.asked) == ("good", 1)


async def test_each_attempt_is_in_the_log_at_debug_without_a_word(caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG", logger="cmdai_shell.routing.router")
    words = BackendUnavailable("it says: rm my-secret", cause="reset")
    await answer(router(ScriptedServer("bad", [0.1, "ls", words]), ScriptedServer("good")))
    found = [record.fields for record in caplog.records if record.msg == "attempt"]  # type: ignore[attr-defined]
    assert [(f["backend"], f["outcome"], f["cause"], f["tokens"]) for f in found] == [
        ("bad", "failed", "reset", 1),
        ("good", "answered", "", 2),
    ]
    assert found[1]["model"] == "scripted-model"
    assert (found[0]["seconds"], found[1]["ttft"]) == (0.1, 0.1)
    assert not any(word in str(found) for word in ("ls", "secret", "go'"))


class TestDrained:
    async def test_others_answer_and_the_account_says_why(self):
        spark, desk = ScriptedServer("spark", well()), ScriptedServer("desk", well())
        of = router(spark, desk)
        of._pool.drain("spark")
        _, whole = await answer(of)
        assert (whole.backend, spark.asked) == ("desk", 0)
        assert of._pool.decisions[-1].passed_over == (
            ("spark", "drained: cmdai-shell backends undrain spark"),
        )

    async def test_not_even_by_name_or_for_want_of_others(self):
        spark, dead = ScriptedServer("spark", well()), ScriptedServer("dead", does.REFUSED)
        of = router(spark, dead)
        of._pool.drain("spark")
        with pytest.raises(NoBackendAvailable, match="dead: connection refused"):
            await answer(of)
        with pytest.raises(NoBackendAvailable, match="backends undrain spark"):
            _ = [piece async for piece in of.complete(ASK, 5, Target(backend="spark"))]
        assert spark.asked == 0

    async def test_what_it_has_begun_it_finishes(self):
        spark = ScriptedServer("spark", [0.1, "ls", 0.3, " -la"])
        of = router(spark, own=own_model())
        pieces = of.complete(ASK, 5)
        assert await anext(pieces) == "ls"
        of._pool.drain("spark")
        rest = [piece async for piece in pieces]
        assert isinstance(rest[-1], Completion)
        assert (rest[-1].text, rest[-1].backend) == ("ls -la", "spark")

    async def test_it_is_not_the_next_of_a_race_that_runs(self):
        first = ScriptedServer("first", [1.0, BackendUnavailable("status 500", cause="status")])
        spark = ScriptedServer("spark", well())
        of = router(first, spark, own=own_model())
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(answer(of))
            await asyncio.sleep(0.1)
            of._pool.drain("spark")
        assert (asking.result()[1].backend, spark.asked) == ("embedded", 0)

    async def test_a_race_without_others_ends_at_once(self):
        first = ScriptedServer("first", [0.2, BackendUnavailable("status 500", cause="status")])
        of = router(first, ScriptedServer("spark", well()))
        start = now()
        asyncio.get_running_loop().call_later(0.1, of._pool.drain, "spark")
        with pytest.raises(NoBackendAvailable, match="first: status 500"):
            await answer(of, 30)
        assert now() - start < 1
