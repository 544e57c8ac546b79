"""What the page shows, as one document. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cmdai_shell.cli import screen
from cmdai_shell.cli.watched import LOOKS
from cmdai_shell.diagnose import known_servers, reasons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cmdai_shell.cli.watched import Watched


def document(watched: Watched, busy: str, now: float, wall: float) -> dict[str, Any]:
    """``now`` is of the clock that ``watched`` goes by, ``wall`` Unix time. Servers say themselves
    what they are called: every text is one bounded line when it leaves here."""
    status = watched.status or {}
    discovery = status.get("discovery") or {}
    shown: dict[str, Any] = _bounded(
        {
            "now": wall,
            "problem": watched.problem,
            "hint": watched.hint,
            "seen_at": wall - (now - watched.seen_at) if watched.status else None,
            "busy": busy,
            "daemon": screen.summary(watched.status),
            "servers": [*_members(watched), *_here(status)],
            "found": [_found(each) for each in screen.waiting(status)],
            "requests": [{"id": id_, **asdict(r)} for id_, r in watched.requests.items()],
            "events": [
                {"number": number, "at": wall - (now - each.at), "text": each.text}
                for number, each in enumerate(watched.events, watched.said - len(watched.events))
            ],
            "sources": [
                {**each, "is_well": each["state"] == "listening"}
                for each in discovery.get("sources") or ()
            ],
        }
    )
    return shown


def _members(watched: Watched) -> Iterator[dict[str, Any]]:
    for member in (watched.status or {}).get("servers") or ():
        name, load = member["id"], member.get("load") or {}
        yield {
            "name": name,
            "about": ", ".join(filter(None, (member.get("kind", ""), member.get("model", "")))),
            "health": known_servers.health(member),
            "state": reasons.standing({**member, "load": None}),
            "breaker": member["breaker"],
            "latency": reasons.latency(member),
            "kept": [round(seconds * 1000) for seconds in watched.latencies(name, LOOKS)],
            "ours": member.get("in_flight", 0),
            "queue": load.get("waiting"),
            "is_drained": bool(member.get("is_drained")),
            "can": ["test", "drain"],
        }


def _here(status: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The model on this CPU, where there is one."""
    model = status.get("model") or {}
    state = str(model.get("state", "none"))
    if state == "none":
        return
    error = str(model.get("last_error") or "")
    yield {
        "name": reasons.HERE,
        "about": model.get("id") or "",
        "health": "down" if error else known_servers.WELL.get(state, "unknown"),
        "state": ", ".join(filter(None, (state, error))),
        "breaker": "",
        "latency": "",
        "kept": [],
        "ours": None,
        "queue": None,
        "is_drained": False,
        "can": [],
    }


def _found(sight: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": sight["name"],
        "url": sight["url"],
        "state": sight["state"],
        "why": sight.get("story") or "nothing is sent to it",
        "sources": ", ".join(sight.get("sources") or ()),
        "can_trust": sight["state"] == "candidate",
    }


def _bounded(value: Any) -> Any:
    match value:
        case str():
            return known_servers.line(value)
        case list():
            return [_bounded(each) for each in value]
        case dict():
            return {key: _bounded(each) for key, each in value.items()}
    return value
