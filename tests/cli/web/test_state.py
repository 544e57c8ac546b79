from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.cli.watched import Watched
from cmdai_shell.cli.web.state import document
from tests.fakes.told_status import attempt, member, sight, told, trace


def watched(**other: Any) -> Watched:
    made = Watched()
    made.saw(told() | other, 10.0)
    return made


def shown(made: Watched, busy: str = "") -> dict[str, Any]:
    return document(made, busy, 12.0, 1_700_000_000.0)


def test_members_and_the_model_here() -> None:
    lab, desk, cloud, here = shown(watched())["servers"]
    assert (lab["name"], lab["health"], lab["latency"]) == ("lab/spark:8000", "well", "210 ms")
    assert (lab["kept"], lab["queue"], lab["can"]) == ([210], 0, ["test", "drain"])
    assert (desk["health"], desk["breaker"], desk["kept"]) == ("down", "open", [0])
    assert "left alone for 8 s" in desk["state"]
    assert cloud["health"] == "unused"
    assert (here["name"], here["health"], here["can"]) == ("this CPU", "well", [])


def test_one_that_is_drained() -> None:
    (first, *_) = shown(watched(servers=[member("a", is_drained=True)]))["servers"]
    assert first["is_drained"]
    assert first["state"].startswith("drained")


def test_only_a_candidate_can_be_trusted() -> None:
    found = {each["name"]: each["can_trust"] for each in shown(watched())["found"]}
    assert found == {"spark-1a2b:8000": True, "old:8443": False}


def test_requests_of_all_kinds() -> None:
    made = watched()
    failed = attempt("desk", "failed", cause="reset")
    made.asked(
        [
            trace(1, failed, attempt("lab/spark:8000")),
            trace(2, attempt("embedded"), origin="embedded", calls=[{"backend": "embedded"}]),
            trace(3, origin="history", calls=[], attempts=[]),
            trace(
                4, failed, origin="none", calls=[{"backend": ""}], outcome="no-backend-available"
            ),
            trace(5, origin="none", calls=[], attempts=[], outcome="hint"),
            trace(6, is_running=True),
        ]
    )
    found = shown(made)["requests"]
    assert [(each["kind"], each["by"]) for each in found] == [
        ("server", "lab/spark:8000"),
        ("cpu", "the model on this CPU"),
        ("own", ""),
        ("none", ""),
        ("own", ""),
    ]
    assert found[0]["way"] == "desk failed 310 ms (reset); lab/spark:8000 answered 310 ms"
    assert found[2]["way"] == "nobody was asked: history"


def test_before_the_first_look_and_after_the_last() -> None:
    made = Watched()
    made.missed("no daemon is running", "cmdai-shell daemon start", 11.0)
    found = shown(made)
    assert (found["problem"], found["seen_at"], found["servers"]) == (
        "no daemon is running",
        None,
        [],
    )
    made = watched()
    made.missed("no daemon is running", "cmdai-shell daemon start", 11.0)
    found = shown(made, "testing desk")
    assert found["seen_at"] == found["now"] - 2
    assert found["busy"] == "testing desk"
    assert found["events"] == [
        {"number": 0, "at": found["now"] - 1, "text": "no daemon is running"}
    ]


@given(st.text(max_size=400))
def test_whatever_servers_are_called(name: str) -> None:
    made = watched(
        servers=[member(name, why=name, model=name, kind=name)],
        discovery={
            "found": [sight(name, name, story=name, sources=[name])],
            "sources": [{"name": name, "state": name, "problem": name, "hint": name, "known": 0}],
        },
    )
    made.asked([trace(1, attempt(name, name, cause=name), calls=[{"backend": name}], outcome=name)])
    made.say(name, 11.0)
    for text in texts(json.loads(json.dumps(shown(made)))):
        assert len(text) <= 160
        assert text.isprintable()


def texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for each in value for text in texts(each)]
        case dict():
            return [text for each in value.values() for text in texts(each)]
    return []
