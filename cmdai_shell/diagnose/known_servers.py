"""Servers as the daemon knows them: members, and who was found and is none.

They say themselves what they are called, and anybody in the network may be one: all text is one
bounded line without control characters when it leaves here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from cmdai_shell.diagnose import reasons
from cmdai_shell.discovery.trust import trust_hint
from cmdai_shell.routing.member import undrain_hint
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Health: TypeAlias = Literal["well", "ailing", "down", "unused", "unknown"]

LONGEST = 160
"""Characters of one text."""

WELL: Mapping[str, Health] = {
    "ok": "well",
    "slow": "ailing",
    "loading": "ailing",
    "new": "unknown",
    "ready": "well",
    "unloaded": "unknown",
    "none": "unused",
}
"""State of a member or of the model here; every other is ``down``."""
_TRUST = {
    "approved": "approved by you",
    "by-policy": "by a rule of your settings",
    "candidate": "not trusted yet",
    "changed": "not the one that you trusted",
    "moved": "perhaps one that you trusted",
    "elsewhere": "approved by you, in another network",
    "ignored": "ignored, as you wished",
    "refused": "cannot be used",
}
_USED = ("approved", "by-policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    name: str
    url: str
    model: str
    health: Health
    facts: tuple[tuple[str, str], ...]

    @property
    def host(self) -> str:
        return _host(self.url)


def hosts(status: Mapping[str, Any], urls: Mapping[str, str]) -> set[str]:
    """Whose routes the graph wants to know."""
    return {each.host for each in servers(status, urls) if each.host}


def line(value: object, most: int = LONGEST) -> str:
    """One line of at most so many characters."""
    text = one_line(str(value)[: 4 * most])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def servers(status: Mapping[str, Any], urls: Mapping[str, str]) -> Iterator[Server]:
    """Members first, then who was found and is none."""
    found = {each["name"]: each for each in (status.get("discovery") or {}).get("found") or ()}
    by_url = {each["url"]: each for each in found.values()}
    seen = set()
    for member in status.get("servers") or ():
        name = member["id"]
        url = urls.get(name, "")
        sight = found.get(name) or by_url.get(url)
        if sight:
            seen.add(sight["name"])
        yield _member(status, member, sight, url)
    for each in found.values():
        if each["name"] not in seen and each["url"] not in urls.values():
            yield _stranger(each)


def _member(
    status: Mapping[str, Any], member: Mapping[str, Any], sight: Mapping[str, Any] | None, url: str
) -> Server:
    name = member["id"]
    is_written = bool(url) or sight is None
    trust = (
        "written down" if is_written or not sight else _TRUST.get(sight["state"], sight["state"])
    )
    if not url:  # a name that is written down ends with where it is
        url = sight["url"] if sight else f"//{name.rpartition('/')[2].partition('#')[0]}"
    latency = reasons.latency(member)
    facts = [
        ("address", url.removeprefix("//")),
        ("state", reasons.standing(member)),
        ("latency", f"{latency} to the first token" if latency else ""),
        ("trust", trust),
        ("source", _sources(sight, "settings" if is_written else "")),
        ("environment", member.get("environment", "")),
        ("priority", str(member.get("priority") or "")),
        ("why", reasons.of(status, name)),
        ("cure", undrain_hint(name) if member.get("is_drained") else member.get("hint", "")),
    ]
    return Server(
        name=name,
        url=url,
        model=member.get("model", ""),
        health=health(member),
        facts=kept(facts),
    )


def _stranger(sight: Mapping[str, Any]) -> Server:
    name = sight["name"]
    waits = sight["state"] in ("candidate", "elsewhere", *_USED)
    hint = sight.get("hint", "")
    if not hint and sight["state"] == "candidate":
        hint = trust_hint(name)
    facts = [
        ("address", sight["url"]),
        ("trust", _TRUST.get(sight["state"], sight["state"])),
        ("source", _sources(sight)),
        ("why", sight.get("story", "") or "nothing is sent to it"),
        ("cure", hint),
    ]
    return Server(
        name=name,
        url=sight["url"],
        model=sight.get("model", ""),
        health="unused" if waits else "down",
        facts=kept(facts),
    )


def _sources(sight: Mapping[str, Any] | None, first: str = "") -> str:
    names = dict.fromkeys((first, *((sight or {}).get("sources") or ())))
    return ", ".join(name for name in names if name and name != "static")


def health(member: Mapping[str, Any]) -> Health:
    """Of a member."""
    if member.get("is_drained") or not member.get("is_active", True):
        return "unused"
    if member.get("breaker", "closed") != "closed":
        return "down"
    return WELL.get(member["state"], "down")


def kept(facts: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, line(text)) for name, text in facts if text)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
