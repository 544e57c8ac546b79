"""How ``status`` tells of servers and of what the router decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    environment = found.get("environment") or {}
    if environment.get("configured"):
        active = environment["active"] or "none"
        yield "environment", f"{active}: {environment['reason']}"
    for server in found.get("servers") or []:
        yield "server", f"{server['id']}: {_standing(server)}"


def decisions(found: Reply) -> Iterator[tuple[str, str]]:
    """The last one: who was asked, and what came of it."""
    for last in (found.get("decisions") or [])[-1:]:
        tried = "; ".join(map(_tried, last["tried"])) or "nobody"
        yield "asked", tried + (" (no server was well, so all were asked)" * last["is_panic"])
        passed = "; ".join(f"{name}: {why}" for name, why in last["passed_over"] if why)
        if passed:
            yield "not asked", passed


def _standing(server: Reply) -> str:
    parts = [f"{server['state']}{', ' + server['why'] if server['why'] else ''}"]
    if server["breaker"] == "open":
        parts.append(f"tried again in {server['retry_in']:.0f} s")
    elif server["breaker"] == "half-open":
        parts.append("being tried again")
    elif not server["is_active"]:
        parts.append("not of the environment in use")
    elif server["state"] in ("ok", "slow", "new"):
        parts.append(f"expected wait {server['score']:.2f} s")
    if server["model"]:
        parts.append(server["model"])
    if server["priority"]:
        parts.append(f"priority {server['priority']}")
    if (server["load"] or {}).get("waiting") is not None:
        parts.append(f"{server['load']['waiting']} waiting")
    return "; ".join(parts)


def _tried(one: Reply) -> str:
    why = f" {_WHY[one['why']]}" if one["why"] in _WHY else ""
    detail = f": {one['detail']}" if one["detail"] else ""
    return f"{one['id']}{why} ({one['outcome']} after {one['elapsed']:.2f} s{detail})"
