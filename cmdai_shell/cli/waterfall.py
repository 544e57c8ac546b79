"""A trace as rows and bars for a terminal. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from cmdai_shell.diagnose import reasons
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LABEL = 26
"""Columns of the names, at most; in a wide terminal a quarter."""
LEAST_NOTE = 16
"""Columns that are enough for a note to stand beside its bar."""
NARROWEST = 10
"""Columns of the bars, at least."""

_OUTCOMES = {
    "answered": "green",
    "failed": "red",
    "lost": "yellow",
    "cancelled": "yellow",
    "running": "cyan",
}
_WHYS = {
    "hedge": "as the first was late",
    "failed": "as the one before failed",
    "late": "as the one before looked dead",
    "slow": "as the one before took long",
    "beside": "in case no server answers",
    "alone": "as no server is left to ask",
}
_CAUSES = {
    "backend-busy": "too busy",
    "backend-denied": "not let in: cmdai-shell auth status",
    "backend-rejected": "the request was refused",
    "model-missing": "it has no such model",
    "bad-completion": "the answer was unusable",
}
"""Of what is an error's code and no word of a person."""
_HEDGES = {
    "won": "a second server was asked, and was first",
    "lost": "a second server was asked, and was not first",
    "suppressed": "no second server was asked: the budget for that is spent",
}
_STAGES = {
    "ready": "settings read, recipes there",
    "prompt": "prompt written",
    "route": "server chosen",
    "model": "answer waited for",
    "checks": "command checked",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Times are milliseconds from the request's arrival."""

    label: str
    begins: float
    first: float
    """When its first token came; its end if none did."""
    ends: float
    note: str
    style: str = ""


def rows(trace: Mapping[str, Any]) -> Iterator[Row]:
    """The stages, and below the waiting for the model those that were asked meanwhile."""
    attempts = list(trace["attempts"])
    for stage in trace["stages"]:
        begins, ends = stage["began_ms"], stage["began_ms"] + stage["ms"]
        note = _STAGES.get(stage["name"], "")
        yield Row(stage["name"], begins, begins, ends, note, "dim")
        if stage["name"] == "model":
            inside = [one for one in attempts if one["began_ms"] <= ends]
            yield from map(_attempt, inside)
            attempts = [one for one in attempts if one["began_ms"] > ends]
    if attempts:
        begins = min(one["began_ms"] for one in attempts)
        yield Row("model", begins, begins, trace["elapsed_ms"], _STAGES["model"], "dim")
    yield from map(_attempt, attempts)


def lines(trace: Mapping[str, Any], width: int, *, is_plain: bool = False) -> list[tuple[str, str]]:
    """(text, style) for each row, what is said of it on as many lines as that takes; ``is_plain``:
    in ASCII."""
    found = list(rows(trace))
    if not found:
        return []
    whole = max(trace["elapsed_ms"], max(row.ends for row in found), 0.1)
    label = min(max(len(row.label) for row in found), max(LABEL, width // 4))
    notes = max(len(row.note) for row in found)
    bars = max(width - label - 13 - min(notes, width // 2) - 4, NARROWEST)
    wait, work = ("-", "#") if is_plain else ("░", "█")
    return [
        (text[:width].rstrip(), row.style)
        for row in found
        for text in _noted(_line(row, whole, label, bars, wait, work), row.note, width)
    ]


def summary(trace: Mapping[str, Any]) -> Iterator[str]:
    """What was decided, and what came of it."""
    for call in trace["calls"]:
        if len(considered := call.get("considered") or ()) > 1:
            names = ", ".join(f"{one['id']} {one['score_ms']:.0f} ms" for one in considered)
            yield f"in this order ({call['strategy']}), expected to take: {names}"
        for one in call.get("passed_over") or ():
            why = f": {one['why']}" if one.get("why") else ""
            yield f"not asked: {one['id']}{why}"
        if call.get("is_panic"):
            yield "no server was well: all were asked"
        if hedge := call.get("hedge"):
            yield _HEDGES.get(hedge, hedge)
    if len(trace["calls"]) > 1:
        yield f"asked {len(trace['calls'])} times: an answer failed its checks"
    if not trace["calls"] and trace.get("origin") in ("cache", "history", "rules", "manual"):
        yield f"nobody was asked: from the {trace['origin']}"
    ending = ", ".join(
        filter(None, [str(trace.get("outcome") or ""), str(trace.get("risk") or "")])
    )
    by = f" by {reasons.who(trace['backend'])}" if trace.get("backend") else ""
    yield f"{trace['elapsed_ms']:.1f} ms{by}: {ending or 'running'}"
    yield f"trace {trace['trace_id']}"


def _attempt(one: Mapping[str, Any]) -> Row:
    begins, ends = one["began_ms"], one["began_ms"] + one["elapsed_ms"]
    first = begins + one["ttft_ms"] if one["ttft_ms"] else ends
    said = [str(one["outcome"]) + _cause(one["cause"])]
    if one["tokens"]:
        said.append(f"{one['tokens']} tokens")
    if one["ttft_ms"]:
        said.append(f"first after {one['ttft_ms']:.0f} ms")
    if why := _WHYS.get(one["why"]):
        said.append(why)
    style = _OUTCOMES.get(one["outcome"], "")
    return Row(f"  {visible(one['id'])}", begins, first, ends, ", ".join(said), style)


def _cause(cause: str) -> str:
    return f" ({_CAUSES.get(cause, cause)})" if cause else ""


def _noted(line: str, note: str, width: int) -> Iterator[str]:
    room = width - len(line) - 2
    if len(note) > room and room < LEAST_NOTE:
        yield line
        yield from (f"    {part}" for part in wrap(note, max(width - 4, 1)))
        return
    first, *rest = wrap(note, room) or [""]
    yield f"{line}  {first}"
    yield from (" " * (len(line) + 2) + part for part in rest)


def _line(row: Row, whole: float, label: int, bars: int, wait: str, work: str) -> str:
    at, middle, end = (round(ms / whole * bars) for ms in (row.begins, row.first, row.ends))
    at = min(at, bars - 1)
    end = max(end, at + 1)
    middle = min(max(middle, at), end)
    is_stage = row.first == row.begins and row.style == "dim"
    bar = " " * at + wait * (middle - at) + (work if not is_stage else wait) * (end - middle)
    name = row.label if len(row.label) <= label else row.label[: label - 1] + "~"
    return f"{name:<{label}}  {bar:<{bars}}  {row.ends - row.begins:>8.1f} ms"
