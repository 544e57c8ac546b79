"""Whatever servers do: an answer or an honest error, in time, and nothing is left behind."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from cmdai_shell.core import Completion, Notice, Prompt
from cmdai_shell.errors import CmdaiError, ModelUnavailable, NoBackendAvailable
from cmdai_shell.routing import Pool, Router, Rules, budget
from cmdai_shell.routing.race import Race
from tests.fakes import scripted_server as does
from tests.fakes.scripted_backend import Script, ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer, Turn, well
from tests.fakes.virtual_loop import now, run

if TYPE_CHECKING:
    from collections.abc import Iterable

ASK = Prompt(system="", user="go", max_tokens=16)

FAULTS = [
    getattr(does, name)
    for name in dir(does)
    if name.isupper() and isinstance(getattr(does, name), tuple)
]
STEP = st.one_of(
    st.floats(0, 3),
    st.sampled_from(["ls", " -la", "", "\n", Notice(text="loading")]),
    st.sampled_from([fault[-1] for fault in FAULTS if isinstance(fault[-1], Exception)]),
)
TURN = st.one_of(
    st.sampled_from(FAULTS),
    st.floats(0, 6).map(lambda ttft: well("ls -la", ttft)),
    st.lists(STEP, max_size=8),
)
SERVERS = st.lists(st.tuples(TURN, st.integers(0, 1), st.integers(0, 2)), max_size=6)
OWN = st.one_of(
    st.none(),
    st.just([1.3, "own"]),
    st.just([ModelUnavailable("no file")]),
    st.just([math.inf]),
    st.lists(STEP, min_size=1, max_size=5),
)


OWN_MARK = 9


def marked(turn: Iterable[object], number: int) -> list[Any]:
    """Each of its words says whose it is."""
    return [f"{number}{step}" if isinstance(step, str) and step.strip() else step for step in turn]


def voices(text: str) -> set[str]:
    return {letter for letter in text if letter.isdigit()}


def build(servers: list[tuple[Turn, int, int]]) -> list[ScriptedServer]:
    """Of each: what it does, its priority and its host."""
    return [
        ScriptedServer(
            f"s{n}", marked(turn, n), priority=priority, url=f"http://host{host}:{8000 + n}"
        )
        for n, (turn, priority, host) in enumerate(servers)
    ]


async def press(router: Router, seconds: float) -> tuple[list[str], Completion | CmdaiError, float]:
    start, deltas, end = now(), [], None
    try:
        async for piece in router.complete(ASK, seconds):
            if isinstance(piece, str):
                deltas.append(piece)
            elif isinstance(piece, Completion):
                end = piece
    except CmdaiError as error:
        end = error
    assert end is not None
    return deltas, end, now() - start


@settings(max_examples=100)
@given(SERVERS, OWN, st.floats(0.1, 30), st.integers(0, 9), st.booleans())
def test_a_press(
    turns: list[tuple[Turn, int, int]],
    own: list[object] | None,
    seconds: float,
    seed: int,
    trials: bool,
):
    async def main() -> None:
        servers = build(turns)
        script = cast("Script", {"go": marked(own or [], OWN_MARK)})
        backend = ScriptedBackend(script, name="own") if own else None
        pool = Pool(servers, random=Random(seed).random)
        router = Router(pool, backend, clock=now, trials=trials)
        for _ in range(3):
            before = sum(server.asked for server in servers)
            deltas, end, elapsed = await press(router, seconds)
            assert elapsed <= seconds + 1e-6
            shown = "".join(deltas)
            assert len(voices(shown)) <= 1
            if isinstance(end, Completion):
                assert end.text.strip()
                assert len(voices(end.text)) == 1
                if voices(shown) == voices(end.text):
                    assert end.text.startswith(shown)
                else:
                    assert end.attempts  # who was shown has come to no end
                if not end.attempts:
                    assert shown == end.text
                assert end.is_fallback == (end.backend == "own" and bool(servers))
            else:
                assert isinstance(end, NoBackendAvailable | ModelUnavailable)
                assert str(end)
            assert all(member.in_flight == 0 for member in pool)
            if servers:
                tried = pool.decisions[-1].tried
                asked = [one for one in tried if one.id != "own"]
                sent = sum(server.asked for server in servers) - before
                assert sent <= len(asked)  # one that was dropped at once may not have been sent
                last = {one.id: one for one in asked}  # only who lost is asked again
                assert all(one.outcome == "lost" for one in asked if one is not last[one.id])
                assert sum(one.why == "hedge" for one in asked) <= 1
                assert all(one.outcome for one in tried)

    run(main())


@settings(max_examples=100)
@given(SERVERS, st.floats(0.1, 1.9), st.integers(0, 9))
def test_with_a_model_every_press_is_answered_within_five_seconds(
    turns: list[tuple[Turn, int, int]], takes: float, seed: int
):
    async def main() -> None:
        script = cast("Script", {"go": [takes, "own"]})
        pool = Pool(build(turns), random=Random(seed).random)
        router = Router(pool, ScriptedBackend(script, name="own"), clock=now)
        for _ in range(3):
            _, end, elapsed = await press(router, 30)
            assert isinstance(end, Completion)
            assert elapsed <= 5 + takes * (not turns)

    run(main())


@settings(max_examples=40)
@given(st.lists(st.sampled_from(FAULTS), max_size=2), st.integers(0, 2), st.integers(0, 9))
def test_while_one_server_is_well_it_answers(bad: list[Turn], place: int, seed: int):
    async def main() -> None:
        servers = [ScriptedServer(f"bad{n}", turn) for n, turn in enumerate(bad)]
        servers.insert(place, ScriptedServer("good", kind="other"))
        own = ScriptedBackend(cast("Script", {"go": [1.3, "own"]}), name="own")
        router = Router(Pool(servers, random=Random(seed).random), own, clock=now)
        for _ in range(6):
            _, end, _ = await press(router, 30)
            assert isinstance(end, Completion)
            is_slow = any(fault in (does.TRICKLE, does.ENDLESS) for fault in bad)
            if len(bad) < 2 or not is_slow:  # else the other bad one may be asked beside it
                assert end.backend == "good"

    run(main())


def test_who_talks_without_a_pause_is_not_waited_for_longer():
    own = ScriptedBackend(cast("Script", {}), name="own")
    [member] = Pool([ScriptedServer("endless")])
    race = Race(
        [member],
        own,
        start=0,
        timeout=30,
        rules=Rules(),
        hedges=budget.hedges(5),
        retries=budget.retries(),
    )
    [endless] = race.due(0)
    for tenths in range(1, 40):
        race.hear(endless, "word", tenths / 10)
    [beside] = race.due(3.9)
    race.hear(beside, "ls", 4)
    race.end(beside, None, 4)
    race.hear(endless, "word", 4.49)
    assert race.winner is None
    race.hear(endless, "word", 4.51)
    assert race.winner is beside
