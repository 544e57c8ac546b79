"""The way from the shell to the models as a graph: what the daemon says of itself, put over the
interfaces of this machine. Pictures of it are in ``pictures``.

Servers say what they are called, and anybody in the network may be one: all text is one bounded
line without control characters when it leaves here. A picture escapes it for its own grammar.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from cmdai_shell.core import EMBEDDED
from cmdai_shell.diagnose import reasons
from cmdai_shell.discovery.trust import trust_hint
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cmdai_shell.diagnose.routes import Route
    from cmdai_shell.discovery.interfaces import Link, Links

Kind: TypeAlias = Literal["shell", "daemon", "interface", "network", "server", "model"]
Health: TypeAlias = Literal["well", "ailing", "down", "unused", "unknown"]

LONGEST = 160
"""Characters of one text."""
MOST_SERVERS = 60
MOST_LINKS = 12
"""Interfaces that lead to no server, and are shown all the same: they are listened on."""

_WELL: Mapping[str, Health] = {
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
    "refused": "cannot be used",
}
_USED = ("approved", "by-policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    id: str
    """``n0``, ``n1`` ...: the same in every picture, and safe in each."""
    kind: Kind
    title: str
    health: Health = "unknown"
    facts: tuple[tuple[str, str], ...] = ()
    """What to know of it, by a word that says what it is: ``state``, ``trust``, ``why`` ..."""
    is_chosen: bool = False
    """The last request went by here."""


@dataclass(frozen=True, slots=True)
class Edge:
    tail: str
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Shells lead to the daemon, and from there it is a tree."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def shells(self) -> list[Node]:
        return [node for node in self.nodes if node.kind == "shell"]

    @property
    def daemon(self) -> Node:
        return next(node for node in self.nodes if node.kind == "daemon")

    def below(self, node: Node) -> list[Node]:
        heads = {edge.head for edge in self.edges if edge.tail == node.id}
        return [each for each in self.nodes if each.id in heads]


def graph(
    status: Mapping[str, Any],
    links: Links,
    *,
    urls: Mapping[str, str] | None = None,
    routes: Mapping[str, Route] | None = None,
) -> Graph:
    """``urls``: of members that are written down, by their ids. ``routes``: by host."""
    servers = list(_servers(status, urls or {}))
    return _Drawing(status, links, routes or {}).drawn(servers)


def hosts(status: Mapping[str, Any], urls: Mapping[str, str]) -> set[str]:
    """Whose routes the graph wants to know."""
    return {each.host for each in _servers(status, urls) if each.host}


def line(value: object, most: int = LONGEST) -> str:
    """One line of at most so many characters."""
    text = " ".join(visible(str(value)[: 4 * most]).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- who there is


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    name: str
    url: str
    model: str
    health: Health
    facts: tuple[tuple[str, str], ...]

    @property
    def host(self) -> str:
        return _host(self.url)


def _servers(status: Mapping[str, Any], urls: Mapping[str, str]) -> Iterator[_Server]:
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
) -> _Server:
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
        ("cure", member.get("hint", "")),
    ]
    return _Server(
        name=name,
        url=url,
        model=member.get("model", ""),
        health=_health(member),
        facts=_kept(facts),
    )


def _stranger(sight: Mapping[str, Any]) -> _Server:
    name = sight["name"]
    waits = sight["state"] in ("candidate", *_USED)
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
    return _Server(
        name=name,
        url=sight["url"],
        model=sight.get("model", ""),
        health="unused" if waits else "down",
        facts=_kept(facts),
    )


def _sources(sight: Mapping[str, Any] | None, first: str = "") -> str:
    names = dict.fromkeys((first, *((sight or {}).get("sources") or ())))
    return ", ".join(name for name in names if name and name != "static")


def _health(member: Mapping[str, Any]) -> Health:
    if not member.get("is_active", True):
        return "unused"
    if member.get("breaker", "closed") != "closed":
        return "down"
    return _WELL.get(member["state"], "down")


def _kept(facts: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, line(text)) for name, text in facts if text)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


# --- how they hang together


class _Drawing:
    def __init__(
        self, status: Mapping[str, Any], links: Links, routes: Mapping[str, Route]
    ) -> None:
        self._status = status
        self._links = (*links.heard, *links.excluded)
        self._heard = links.heard
        self._routes = routes
        self._nodes: list[Node] = []
        self._edges: list[Edge] = []
        self._chosen = reasons.answered_by(status)

    def drawn(self, servers: Sequence[_Server]) -> Graph:
        shells = [self._add("shell", title, facts=facts) for title, facts in self._shells()]
        daemon = self._add("daemon", self._title(), health="well", facts=self._daemon())
        self._edges += [Edge(shell, daemon) for shell in shells]
        shown = servers[:MOST_SERVERS]
        ways: dict[tuple[str, str], list[_Server]] = {}
        for server in shown:
            ways.setdefault(self._way(server.host), []).append(server)
        for link in self._heard[:MOST_LINKS]:
            if not any(name == link.name for name, _ in ways):
                ways[link.name, _network(link)] = []
        names = dict.fromkeys(name for name, _ in ways)
        for name in sorted(names, key=lambda name: not name):  # what is not known last
            self._interface(daemon, name, {n: s for (i, n), s in ways.items() if i == name})
        if len(servers) > len(shown):
            rest = f"{len(servers) - len(shown)} more servers"
            self._add("server", rest, below=daemon, health="unused")
        self._here(daemon)
        return Graph(nodes=tuple(self._nodes), edges=tuple(self._edges))

    def _add(
        self,
        kind: Kind,
        title: object,
        *,
        below: str = "",
        health: Health = "unknown",
        facts: tuple[tuple[str, str], ...] = (),
        is_chosen: bool = False,
    ) -> str:
        name = f"n{len(self._nodes)}"
        self._nodes.append(
            Node(
                id=name,
                kind=kind,
                title=line(title),
                health=health,
                facts=facts,
                is_chosen=is_chosen,
            )
        )
        if below:
            self._edges.append(Edge(below, name))
        return name

    def _shells(self) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
        seen = self._status.get("hooks_seen") or ()
        for each in seen:
            presses = f"{each['presses']}, the last {each['last_seen_s']:.0f} s ago"
            yield f"{each['shell']} {each['version']}", _kept([("presses", presses)])
        if not seen:
            yield "no shell yet", _kept([("presses", "none since the daemon started")])

    def _title(self) -> str:
        return f"cmdai-shell {self._status.get('version', '')}".strip()

    def _daemon(self) -> tuple[tuple[str, str], ...]:
        environment = self._status.get("environment") or {}
        active = ""
        if environment.get("configured"):
            active = f"{environment.get('active') or 'none'}: {environment.get('reason', '')}"
        sources = (self._status.get("discovery") or {}).get("sources") or ()
        heard = ", ".join(f"{each['name']} {each['state']}" for each in sources)
        return _kept(
            [
                ("process", str(self._status.get("pid", ""))),
                ("environment", active),
                ("discovery", heard),
                ("choice", reasons.choice(self._status)),
            ]
        )

    def _interface(self, daemon: str, name: str, networks: Mapping[str, Sequence[_Server]]) -> None:
        link = next((each for each in self._links if each.name == name), None)
        goes = any(s.name == self._chosen for servers in networks.values() for s in servers)
        addresses = ", ".join(str(own.ip) for own in link.addresses[:3]) if link else ""
        node = self._add(
            "interface",
            name or "no way is known",
            below=daemon,
            health="well" if link else "down",
            facts=_kept([("address", addresses)]),
            is_chosen=goes,
        )
        for title, servers in networks.items():
            goes = any(server.name == self._chosen for server in servers)
            inner = self._add(
                "network",
                title,
                below=node,
                health="well" if link else "down",
                facts=() if servers else _kept([("servers", "none known")]),
                is_chosen=goes,
            )
            for server in servers:
                self._server(inner, server)

    def _server(self, network: str, server: _Server) -> None:
        is_chosen = server.name == self._chosen
        node = self._add(
            "server",
            server.name,
            below=network,
            health=server.health,
            facts=server.facts,
            is_chosen=is_chosen,
        )
        if server.model:
            self._add("model", server.model, below=node, health=server.health, is_chosen=is_chosen)

    def _here(self, daemon: str) -> None:
        """The model on this machine: no network is between."""
        model = self._status.get("model") or {}
        state = str(model.get("state", "none"))
        if state == "none" and self._chosen != EMBEDDED:
            return
        is_chosen = self._chosen == EMBEDDED
        health = _WELL.get(state, "down")
        facts = _kept(
            [
                ("state", state),
                ("trust", "this machine"),
                ("why", reasons.of(self._status, EMBEDDED)),
                ("problem", str(model.get("last_error") or "")),
            ]
        )
        node = self._add(
            "server", "this CPU", below=daemon, health=health, facts=facts, is_chosen=is_chosen
        )
        title = model.get("id") or "no model yet: cmdai-shell model pull"
        self._add("model", title, below=node, health=health, is_chosen=is_chosen)

    def _way(self, host: str) -> tuple[str, str]:
        """(interface, network); the interface is empty where none is known."""
        route = self._routes.get(host)
        address = _address(route.address if route else host)
        own = _address(route.own if route else "")
        if host == "localhost" or (address and address.is_loopback):
            return next(
                ((link.name, "this machine") for link in self._links if _is_loop(link)),
                ("loopback", "this machine"),
            )
        for link in self._links:
            if address and (near := link.own(address)):
                return link.name, str(near.network)
        for link in self._links:
            if own and any(each.ip == own for each in link.addresses):
                return link.name, "beyond a router"
        return "", "no route" if address else "its name has no address"


def _is_loop(link: Link) -> bool:
    return all(own.ip.is_loopback for own in link.addresses)


def _network(link: Link) -> str:
    return str(link.addresses[0].network) if link.addresses else "no network"


def _address(text: str) -> Any:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None
