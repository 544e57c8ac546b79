"""How ``status`` tells of servers and of what the router decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmdai_shell.core import EMBEDDED
from cmdai_shell.diagnose import reasons
from cmdai_shell.text import model_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cmdai_shell.cli.client import Reply

_WHY = {
    "hedge": "as the first one was late",
    "late": "as the one before was silent",
    "slow": "as the one before came to no end",
    "failed": "as the one before failed",
    "beside": "beside them",
}


def servers(found: Reply) -> Iterator[tuple[str, str]]:
    """A (label, text) row for each, and before them one for the environment they are of."""
    from cmdai_shell.backends.faults import test_hint
    from cmdai_shell.config.environments import AUTO  # what reads settings is not for every call
    from cmdai_shell.diagnose.known_servers import health

    environment = found.get("environment") or {}
    if environment.get("configured"):
        active = environment["active"] or "none"
        yield "environment", f"{active}: {environment['reason']}"
    fixed = environment.get("configured") not in (None, "", AUTO)
    for server in found.get("servers") or []:
        if server["is_active"] or not fixed:  # a request may have named others, and they are known
            cure = server["hint"] or test_hint(server["id"])
            next_step = f"; {cure}" if health(server) == "down" else ""
            yield "server", f"{server['id']}: {_standing(server)}{next_step}"


def found_servers(found: Reply) -> Iterator[tuple[str, str]]:
    """What is listened to, who is there and not used, and in which order all are asked."""
    discovery = found.get("discovery")
    if not discovery:
        return
    if discovery["problem"]:
        yield "trust", discovery["problem"]
    if discovery.get("begins"):
        yield "discovery", "begins: who is there is not known yet"
    for source in discovery["sources"]:
        cure = f" ({source['hint']})" if source["hint"] else ""
        known = f"{source['known']} known" if source["state"] == "listening" else ""
        number = "; ".join(filter(None, [known, source["problem"]]))
        yield "discovery", f"{source['name']}: {source['state']}; {number}{cure}"
    for one in discovery["found"]:
        if one["state"] == "approved" and one["story"]:
            yield "found", f"{one['name']} ({one['url']}), {one['story']}"
        elif one["state"] not in ("approved", "by-policy"):
            story = one["story"].removeprefix("not used ")
            why = f" {story}" if story != one["story"] else f": {story}" if story else ""
            hint = one["hint"]
            if one["state"] != "elsewhere":  # that is where the person is, and no fault
                hint = hint or f"cmdai-shell backends trust {one['name']}"
            said = f"{one['name']} ({one['url']}), not used{why}"
            yield "found", f"{said}; {hint}" if hint else said
    if chain := _chain(found):
        yield "order", " -> ".join(chain)


def _chain(found: Reply) -> list[str]:
    """Tiers that may be asked, best first; the last resort is the model here."""
    asked = [s for s in found.get("servers") or () if s["is_active"] and not s["is_drained"]]
    tiers = sorted({s["priority"] for s in asked}, reverse=True)
    names = [", ".join(s["id"] for s in asked if s["priority"] == tier) for tier in tiers]
    return [*names, reasons.who(EMBEDDED)] if names else []


def decisions(found: Reply) -> Iterator[tuple[str, str]]:
    """The last one: who was asked, and what came of it."""
    for last in (found.get("decisions") or [])[-1:]:
        tried = "; ".join(map(_tried, reasons.asked(last))) or "nobody"
        yield "asked", tried + (" (no server was well, so all were asked)" * last["is_panic"])
        passed = "; ".join(f"{name}: {why}" for name, why in last["passed_over"] if why)
        if passed:
            yield "not asked", passed


def _standing(server: Reply) -> str:
    state = reasons.STATES.get(server["state"], server["state"])
    parts = [f"{state}{', ' + server['why'] if server['why'] else ''}"]
    if server["is_drained"]:
        parts.insert(0, reasons.drained(server))
    if server["breaker"] == "open":
        wait = round(server["retry_in"])
        parts.append(f"tried again in {wait} s" if wait else "about to be tried again")
    elif server["breaker"] == "half-open":
        parts.append("being tried again")
    elif not server["is_active"]:
        parts = [] if server["state"] == "new" else parts
        parts.append("not asked: another environment is in use")
    elif latency := reasons.latency(server):
        parts.append(f"first word after {latency}")
    if server["model"]:
        parts.append(model_name(server["model"]))
    if server["priority"]:
        parts.append(f"priority {server['priority']}")
    if (server["load"] or {}).get("waiting") is not None:
        parts.append(f"{server['load']['waiting']} waiting")
    return "; ".join(parts)


def _tried(one: Mapping[str, Any]) -> str:
    why = f" {_WHY[one['why']]}" if one["why"] in _WHY else ""
    detail = f": {one['detail']}" if one["detail"] else ""
    return f"{reasons.who(one['id'])}{why} ({one['outcome']} after {one['elapsed']:.2f} s{detail})"
