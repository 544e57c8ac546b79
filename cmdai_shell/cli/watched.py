"""What the dashboard remembers from one look at the daemon to the next: how fast members were, and
what happened meanwhile."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmdai_shell.core import EMBEDDED
from cmdai_shell.diagnose import reasons
from cmdai_shell.diagnose.known_servers import line
from cmdai_shell.observe.traces import KEPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOOKS = 240
"""Kept of each member: four minutes of looks each second."""
EVENTS = 200


Kind: TypeAlias = Literal["server", "cpu", "own", "none"]
"""Where an answer is from: a server, the model here, no model at all; or there was none."""


@dataclass(frozen=True, slots=True)
class Event:
    at: float
    """On the clock that is passed in."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    at: float
    """When it came, in Unix time."""
    took_ms: float
    op: str
    shell: str
    kind: Kind
    by: str
    """Which server or model the answer is from; empty for none."""
    outcome: str
    risk: str
    way: str
    """Who was asked, and what came of it."""


class Watched:
    def __init__(self) -> None:
        self.status: Mapping[str, Any] | None = None
        """The last one there was; None before the first."""
        self.seen_at = 0.0
        self.problem = ""
        """Why there is none now; empty while the daemon answers, and"""
        self.hint = ""
        """what to type."""
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.said = 0
        """Events there were, those that are forgotten among them."""
        self.requests: dict[str, Request] = {}
        """The last ones that ended, by their traces' ids, the newest last."""
        self._latencies: dict[str, deque[float]] = {}

    def saw(self, status: Mapping[str, Any], now: float) -> None:
        before = self.status
        if before is not None:
            if self.problem:
                self.say("the daemon is back", now)
            elif before.get("pid") != status.get("pid"):
                self.say(f"another daemon: process {status.get('pid')}", now)
            for text in changes(before, status):
                self.say(text, now)
        self.status, self.seen_at = status, now
        self.problem = self.hint = ""
        self._measure(status)

    def missed(self, problem: str, hint: str, now: float) -> None:
        """The daemon did not answer."""
        if problem != self.problem:
            self.say(problem, now)
        self.problem, self.hint = line(problem), line(hint)
        for kept in self._latencies.values():
            kept.append(0.0)

    def say(self, text: str, now: float) -> None:
        self.events.append(Event(now, line(text)))
        self.said += 1

    def asked(self, traces: Sequence[Mapping[str, Any]]) -> int:
        """Take in what the daemon tells of its last requests; how many of them are new."""
        known = len(self.requests.keys() & {each["trace_id"] for each in traces})
        ended = {each["trace_id"]: request(each) for each in traces if not each["is_running"]}
        kept = sorted((self.requests | ended).items(), key=lambda item: item[1].at)[-KEPT:]
        self.requests = dict(kept)
        return len(traces) - known

    def latencies(self, name: str, most: int) -> list[float]:
        """Seconds to the first token at the last looks, the newest last; 0 where it was not to be
        asked."""
        return list(self._latencies.get(name, ()))[-most:]

    def _measure(self, status: Mapping[str, Any]) -> None:
        members = {each["id"]: each for each in status.get("servers") or ()}
        for name in self._latencies.keys() - members.keys():
            del self._latencies[name]
        for name, member in members.items():
            is_well = member.get("breaker") == "closed" and member.get("state") in ("ok", "slow")
            kept = self._latencies.setdefault(name, deque(maxlen=LOOKS))
            kept.append(float(member.get("ttft") or 0) if is_well else 0.0)


def request(trace: Mapping[str, Any]) -> Request:
    """One that ended, as ``GET /v1/traces`` tells of it."""
    origin, outcome = trace["origin"], trace["outcome"]
    kinds: Mapping[str, Kind] = {"server": "server", EMBEDDED: "cpu", "none": "none"}
    return Request(
        at=trace["at"],
        took_ms=trace["elapsed_ms"],
        op=trace["op"],
        shell=trace["shell"],
        kind="own" if outcome == "hint" else kinds.get(origin, "own"),
        by=reasons.who(_answerer(trace)) if origin in ("server", EMBEDDED) else "",
        outcome=outcome,
        risk=trace["risk"],
        way="; ".join(map(_attempt, trace["attempts"])) or f"nobody was asked: {origin}",
    )


def _answerer(trace: Mapping[str, Any]) -> str:
    return next((call["backend"] for call in reversed(trace["calls"]) if call["backend"]), "")


def _attempt(one: Mapping[str, Any]) -> str:
    cause = f" ({one['cause']})" if one["cause"] else ""
    took = reasons.seconds(one["elapsed_ms"] / 1000)
    return f"{reasons.who(one['id'])} {one['outcome']} {took}{cause}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What became different, each as a sentence."""
    old = {each["id"]: each for each in before.get("servers") or ()}
    new = {each["id"]: each for each in after.get("servers") or ()}
    yield from (f"{name} is a member now" for name in new if name not in old)
    yield from (f"{name} is no member any longer" for name in old if name not in new)
    for name in new.keys() & old.keys():
        yield from _of_member(name, old[name], new[name])
    yield from _of_found(_found(before), _found(after))
    sources = {each["name"]: each for each in (before.get("discovery") or {}).get("sources") or ()}
    for each in (after.get("discovery") or {}).get("sources") or ():
        if each["name"] in sources and sources[each["name"]]["state"] != each["state"]:
            why = f": {each['problem']}" if each["problem"] else ""
            yield f"{each['name']} is {each['state']}{why}"
    was, now = ((s.get("environment") or {}).get("active", "") for s in (before, after))
    if was != now:
        yield f"environment {now or 'none'} is in use, before: {was or 'none'}"


def _of_member(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["state"] != new["state"]:
        why = f": {new['why']}" if new.get("why") else ""
        yield f"{name} is {new['state']}, was {old['state']}{why}"
    if old.get("is_drained") != new.get("is_drained"):
        yield f"{name} {'is drained' if new.get('is_drained') else 'gets requests again'}"
    if old["breaker"] != new["breaker"]:
        yield f"{name}: breaker {new['breaker']}, was {old['breaker']}"


def _of_found(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, each in new.items():
        if name not in old:
            yield f"found {name} at {each['url']}: {each['state']}"
        elif old[name]["state"] != each["state"]:
            yield f"{name} is {each['state']}, was {old[name]['state']}"
    yield from (f"{name} is not seen any longer" for name in old if name not in new)


def _found(status: Mapping[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in (status.get("discovery") or {}).get("found") or ()}
