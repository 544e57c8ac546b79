"""The way from the shell to the models as a graph: what the daemon says of itself, put over the
interfaces of this machine. Pictures of it are in ``pictures``.

All text is one bounded line without control characters when it leaves here. A picture escapes it
for its own grammar.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmdai_shell.core import EMBEDDED
from cmdai_shell.diagnose import reasons
from cmdai_shell.diagnose.known_servers import WELL, Health, kept, line, servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cmdai_shell.diagnose.known_servers import Server
    from cmdai_shell.diagnose.routes import Route
    from cmdai_shell.discovery.interfaces import Link, Links

Kind: TypeAlias = Literal["shell", "daemon", "interface", "network", "server", "model"]

MOST_SERVERS = 60
MOST_LINKS = 12
"""Interfaces that lead to no server, and are shown all the same: they are listened on."""


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
    known = list(servers(status, urls or {}))
    return _Drawing(status, links, routes or {}).drawn(known)


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

    def drawn(self, servers: Sequence[Server]) -> Graph:
        shells = [self._add("shell", title, facts=facts) for title, facts in self._shells()]
        daemon = self._add("daemon", self._title(), health="well", facts=self._daemon())
        self._edges += [Edge(shell, daemon) for shell in shells]
        shown = servers[:MOST_SERVERS]
        ways: dict[tuple[str, str], list[Server]] = {}
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
            yield f"{each['shell']} {each['version']}", kept([("presses", presses)])
        if not seen:
            yield "no shell yet", kept([("presses", "none since the daemon started")])

    def _title(self) -> str:
        return f"cmdai-shell {self._status.get('version', '')}".strip()

    def _daemon(self) -> tuple[tuple[str, str], ...]:
        environment = self._status.get("environment") or {}
        active = ""
        if environment.get("configured"):
            active = f"{environment.get('active') or 'none'}: {environment.get('reason', '')}"
        sources = (self._status.get("discovery") or {}).get("sources") or ()
        heard = ", ".join(f"{each['name']} {each['state']}" for each in sources)
        return kept(
            [
                ("process", str(self._status.get("pid", ""))),
                ("environment", active),
                ("discovery", heard),
                ("choice", reasons.choice(self._status)),
            ]
        )

    def _interface(self, daemon: str, name: str, networks: Mapping[str, Sequence[Server]]) -> None:
        link = next((each for each in self._links if each.name == name), None)
        goes = any(s.name == self._chosen for those in networks.values() for s in those)
        addresses = ", ".join(str(own.ip) for own in link.addresses[:3]) if link else ""
        node = self._add(
            "interface",
            name or "no way is known",
            below=daemon,
            health="well" if link else "down",
            facts=kept([("address", addresses)]),
            is_chosen=goes,
        )
        for title, those in networks.items():
            goes = any(server.name == self._chosen for server in those)
            inner = self._add(
                "network",
                title,
                below=node,
                health="well" if link else "down",
                facts=() if those else kept([("servers", "none known")]),
                is_chosen=goes,
            )
            for server in those:
                self._server(inner, server)

    def _server(self, network: str, server: Server) -> None:
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
        health = WELL.get(state, "down")
        facts = kept(
            [
                ("state", state),
                ("trust", "this machine"),
                ("why", reasons.of(self._status, EMBEDDED)),
                ("problem", str(model.get("last_error") or "")),
            ]
        )
        node = self._add(
            "server", reasons.HERE, below=daemon, health=health, facts=facts, is_chosen=is_chosen
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
