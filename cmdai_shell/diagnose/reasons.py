"""Why a server was asked, or was not: the router's last decision, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmdai_shell.core import EMBEDDED
from cmdai_shell.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = "this CPU"

_WHY = {
    "first": "the first in order",
    "hedge": "the one before was later than usual",
    "failed": "the one before failed",
    "late": "the one before was silent",
    "slow": "the one before came to no end",
    "beside": "asked beside the servers",
    "alone": "there is no other",
}
STATES = {
    "new": "not asked yet",
    "slow": "slow, over 2 s for a sum",
    "login": "not let in",
    "no-model": "has no such model",
    "loading": "loads its model",
    "wrong-answer": "computes wrongly",
    "tls": "cannot be trusted",
    "unreachable": "does not answer",
}
"""How a member is, where its state is no word of every day's."""
_OUTCOME = {"lost": "another was faster", "failed": "failed", "cancelled": "was called off"}


def last(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    decisions = status.get("decisions") or ()
    return decisions[-1] if decisions else None


def asked(decision: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Whom it was sent to. Where a server answered, that there is no model here is no news."""
    is_answered = decision.get("answered_by")
    return [
        one
        for one in decision.get("tried") or ()
        if not (is_answered and one["id"] == EMBEDDED and one.get("cause") == ModelUnavailable.code)
    ]


def answered_by(status: Mapping[str, Any]) -> str:
    """A member's id, or ``EMBEDDED``; empty if nobody answered last."""
    decision = last(status)
    return str(decision.get("answered_by") or "") if decision else ""


def choice(status: Mapping[str, Any]) -> str:
    """The last decision as a sentence."""
    decision = last(status)
    if not decision:
        return "nothing was asked yet"
    panic = "; no server was well, so all were asked" if decision.get("is_panic") else ""
    name = answered_by(status)
    if not name:
        return f"nobody answered the last request{panic}"
    return f"{who(name)} answered in {seconds(decision.get('elapsed', 0))}{panic}"


def who(name: str) -> str:
    """A backend as a person calls it."""
    return f"the model on {HERE}" if name == EMBEDDED else name


def of(status: Mapping[str, Any], name: str) -> str:
    """What the last decision made of one of them; empty if nothing."""
    decision = last(status)
    if not decision:
        return ""
    for tried in asked(decision):
        if tried["id"] == name:
            return _tried(decision, tried)
    for other, why in decision.get("passed_over") or ():
        if other == name:
            return f"not asked: {why}" if why else "not asked"
    for place, (other, score) in enumerate(decision.get("order") or (), 1):
        if other == name:
            reckoned = f", {seconds(score)} expected" if decision["strategy"] == "adaptive" else ""
            return f"not needed: number {place} in order{reckoned}"
    return ""


def _tried(decision: Mapping[str, Any], tried: Mapping[str, Any]) -> str:
    why = _WHY.get(tried["why"], tried["why"])
    if tried["why"] == "first":
        others = len(decision.get("order") or ())
        why = f"first of {others} ({decision['strategy']})" if others > 1 else "the only one"
    if tried["outcome"] == "answered":
        return f"chosen: {why}"
    detail = f": {tried['detail']}" if tried.get("detail") else ""
    ending = _OUTCOME.get(tried["outcome"], tried["outcome"])
    return f"asked, {why}; {ending} after {seconds(tried['elapsed'])}{detail}"


def latency(member: Mapping[str, Any]) -> str:
    """To the first token, as it was measured; empty where it was not."""
    is_measured = member.get("state") in ("ok", "slow") and member.get("ttft")
    return seconds(member["ttft"]) if is_measured else ""


def seconds(value: float) -> str:
    """As ``210 ms`` or ``1.25 s``."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def drained(member: Mapping[str, Any]) -> str:
    """Of one that gets no new request: whether it has old ones."""
    count = member.get("in_flight", 0)
    return f"draining: {count} to finish" if count else "drained"


def standing(member: Mapping[str, Any]) -> str:
    """How a member does, with what its breaker does about it."""
    parts = [member["state"]]
    if member.get("is_drained"):
        parts.insert(0, drained(member))
    if member.get("why"):
        parts.append(member["why"])
    breaker = member.get("breaker", "closed")
    if breaker == "open":
        parts.append(f"left alone for {member.get('retry_in', 0):.0f} s")
    elif breaker == "half-open":
        parts.append("being tried again")
    elif not member.get("is_active", True):
        parts.append("not of the environment in use")
    waiting = (member.get("load") or {}).get("waiting")
    if waiting is not None:
        parts.append(f"{waiting} waiting")
    return ", ".join(map(str, parts))


def other_port(port: int) -> int:
    """To try where this one is taken: the next, and any user's."""
    return port + 1 if 1024 <= port < 65_535 else 9464
