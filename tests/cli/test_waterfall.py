"""A trace as rows and bars: nothing runs here."""

from __future__ import annotations

from typing import Any

import pytest

from cmdai_shell.cli import waterfall


def attempt(name: str, began: float, took: float, **more: Any) -> dict[str, Any]:
    plain = {"id": name, "why": "first", "began_ms": began, "elapsed_ms": took, "ttft_ms": 0.0}
    return {**plain, "outcome": "answered", "cause": "", "tokens": 0, **more}


def traced(*attempts: dict[str, Any], **more: Any) -> dict[str, Any]:
    names = [("ready", 0, 1), ("prompt", 1, 4), ("route", 5, 0.5), ("model", 5.5, 90)]
    stages = [
        {"name": name, "began_ms": at, "ms": ms} for name, at, ms in (*names, ("checks", 95.5, 4.5))
    ]
    call = {
        "strategy": "adaptive",
        "considered": [{"id": "spark", "score_ms": 41.7}],
        "passed_over": [{"id": "lab", "why": "it wants a key"}],
        "is_panic": False,
        "hedge": "won",
    }
    return {
        "trace_id": "0af7", "elapsed_ms": 100.0, "stages": stages, "calls": [call],
        "attempts": list(attempts), "outcome": "insert", "risk": "safe", "backend": "spark", **more,
    }  # fmt: skip


FAILOVER = traced(
    attempt("dead", 5.5, 40, outcome="failed", cause="reset"),
    attempt("spark", 45.5, 50, why="failed", ttft_ms=30.0, tokens=7),
)


def test_who_was_asked_stands_below_the_waiting():
    names = [row.label.strip() for row in waterfall.rows(FAILOVER)]
    assert names == ["ready", "prompt", "route", "model", "dead", "spark", "checks"]


def test_bars_are_in_proportion():
    texts = [text for text, _ in waterfall.lines(FAILOVER, 100, is_plain=True)]
    dead, spark = texts[4], texts[5]
    assert 0.35 <= dead.count("-") / (dead.count("-") + spark.count("-") + spark.count("#")) <= 0.5
    assert spark.index("-") >= dead.rindex("-")
    assert 1.2 <= spark.count("-") / spark.count("#") <= 1.8


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_what_is_said_is_all_there_in_a_narrow_terminal(width: int):
    name = "home-lab/spark-1a2b:8000"
    trace = traced(attempt(name, 45.5, 50, why="failed", ttft_ms=30.0, tokens=7))
    found = " ".join(text for text, _ in waterfall.lines(trace, width))
    notes = " ".join(found.split())
    for part in ("answered, 7 tokens,", "first after 30 ms,", "as the one before failed"):
        words = part.split()
        assert all(word in notes for word in words), part
    if width < 200:
        assert len(waterfall.lines(trace, width)) > len(list(waterfall.rows(trace)))


def test_why_and_what_came_of_it():
    notes = {row.label.strip(): row.note for row in waterfall.rows(FAILOVER)}
    assert notes["dead"] == "failed (reset)"
    assert notes["spark"] == ("answered, 7 tokens, first after 30 ms, as the one before failed")


def test_an_errors_code_is_no_word_of_a_person():
    denied = attempt("gpu", 5.5, 4, outcome="failed", cause="backend-denied")
    own = attempt("embedded", 9.5, 50, why="alone")
    notes = [row.note for row in waterfall.rows(traced(denied, own)) if row.label.startswith("  ")]
    assert notes == [
        "failed (not let in: cmdai-shell auth status)",
        "answered, as no server is left to ask",
    ]


def test_the_decision_in_words():
    assert list(waterfall.summary(FAILOVER)) == [
        "not asked: lab: it wants a key",
        "a second server was asked, and was first",
        "100.0 ms by spark: insert, safe",
        "trace 0af7",
    ]


def test_nobody_was_asked():
    found = traced(calls=[], origin="cache")
    assert next(iter(waterfall.summary(found))) == "nobody was asked: from the cache"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("name", ["s", "home-lab/a-server-with-a-very-long-name.example.com:8000"])
def test_a_line_is_a_line(width: int, name: str):
    trace = traced(attempt(name, 5.5, 90), attempt(name, 5.5, 0.0), attempt(name, 300.0, 10))
    for text, _ in waterfall.lines(trace, width):
        assert len(text) <= width


def test_while_it_runs():
    running = attempt("spark", 5.5, 20, outcome="running", why="")
    found = traced(running, stages=[{"name": "ready", "began_ms": 0, "ms": 1}], elapsed_ms=26.0)
    texts = [text.split()[0] for text, _ in waterfall.lines(found, 80)]
    assert texts == ["ready", "model", "spark"]


def test_of_nothing_there_is_nothing():
    assert waterfall.lines(traced(stages=[]), 80) == []


def test_no_name_moves_the_cursor():
    trace = traced(attempt("a\x1b[2Jb", 5.5, 90))
    assert all("\x1b" not in text for text, _ in waterfall.lines(trace, 80))


def test_several_that_could_be_asked_are_named_in_their_order():
    considered = [{"id": "a", "score_ms": 42.0}, {"id": "b", "score_ms": 406.2}]
    found = traced(calls=[{"strategy": "adaptive", "considered": considered}])
    assert next(iter(waterfall.summary(found))) == (
        "in this order (adaptive), expected to take: a 42 ms, b 406 ms"
    )
