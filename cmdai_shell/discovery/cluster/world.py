"""What the API server has told so far, and the endpoints that it comes to. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.cluster import fronts, reach, shapes
from cmdai_shell.discovery.cluster.fronts import Gateway, Ingress, Route
from cmdai_shell.discovery.cluster.reach import Found, Unreachable, View
from cmdai_shell.discovery.cluster.shapes import Key, Node, Pool, Service, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")

MOST_OBJECTS = 10_000
"""Of a kind. A cluster with more annotated servers than a person can look at has other means."""

Outcome: TypeAlias = "tuple[dict[str, Endpoint], tuple[tuple[str, str, str], ...]]"
"""The endpoints by id; and (name, reason, hint) of what is there and cannot be offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of object: where the API server has it, and how it is read."""

    name: str
    group: str = ""
    version: str = "v1"
    read: Callable[[dict[str, Any]], Any]
    is_needed: bool = False
    """Without it there is nothing to say."""
    is_namespaced: bool = True

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of the whole cluster where ``namespace`` is empty."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        parts += ["namespaces", namespace] if namespace and self.is_namespaced else []
        return "/" + "/".join([*parts, self.name, *([name] if name else [])])


SERVICES = Resource(name="services", read=shapes.service, is_needed=True)
SLICES = Resource(
    name="endpointslices",
    group="discovery.k8s.io",
    read=shapes.endpoint_slice,
    is_needed=True,
)
NODES = Resource(name="nodes", read=shapes.node, is_namespaced=False)
POOLS = Resource(name="inferencepools", group=fronts.POOLS, read=shapes.pool)
ROUTES = Resource(name="httproutes", group="gateway.networking.k8s.io", read=fronts.route)
GATEWAYS = Resource(name="gateways", group="gateway.networking.k8s.io", read=fronts.gateway)
INGRESSES = Resource(name="ingresses", group="networking.k8s.io", read=fronts.ingress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """All there are of a kind in a namespace, or in all where that is empty."""

    resource: Resource
    namespace: str
    objects: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One object is there, or as it is now (``value``), or is no more (None)."""

    resource: Resource
    key: Key
    value: Any


class World:
    """Told ``Listed`` and ``Changed``, it says what there is for us. ``service``: only that one,
    annotated or not; empty: every annotated one, and every pool."""

    def __init__(self, *, is_inside: bool, context: str = "", service: str = "") -> None:
        self._is_inside = is_inside
        self._context = context
        self._service = service
        self._objects: dict[str, dict[Key, Any]] = {}
        self._seen_nodes = False

    def hear(self, news: Listed | Changed) -> None:
        held = self._objects.setdefault(news.resource.name, {})
        if isinstance(news, Changed):
            if news.value is None:
                held.pop(news.key, None)
            elif news.key in held or len(held) < MOST_OBJECTS:
                held[news.key] = news.value
            return
        self._seen_nodes |= news.resource is NODES
        for key in [key for key in held if news.namespace in ("", key[0])]:
            del held[key]
        for one in news.objects[: MOST_OBJECTS - len(held)]:
            held[one.key] = one

    def wants(self, namespaces: Iterable[str]) -> tuple[list[Key], bool]:
        """Gateways outside these namespaces that routes inside name, and whether the nodes are
        needed: what has to be asked for beyond what is watched."""
        watched = set(namespaces)
        named = {parent.gateway for route in self._all(ROUTES, Route) for parent in route.parents}
        named |= {parent for pool in self._all(POOLS, Pool) for parent in pool.parents}
        foreign = sorted(key for key in named if key[0] not in watched and "" not in watched)
        view = self._view()
        return foreign, any(reach.wants_nodes(service, view) for service in self._services())

    def outcome(self, environment: str, priority: int) -> Outcome:
        endpoints: dict[str, Endpoint] = {}
        barred: list[tuple[str, str, str]] = []
        view, slices = self._view(), self._slices()

        def take(name: str, port: int, said: shapes.Said, found: list[Found] | Unreachable) -> None:
            if isinstance(found, Unreachable):
                barred.append((name, found.reason, found.hint))
                return
            for one in found:
                endpoint = _endpoint(name, port, said, one, environment, priority)
                endpoints[endpoint.id] = endpoint

        pooled: dict[Key, Pool] = {}
        for pool in self._pools():
            named = f"{pool.key[0]}/pool/{pool.key[1]}"
            ways = reach.of_pool(pool, view)
            if isinstance(ways, list):
                pooled[pool.key] = pool
            take(named, pool.port, pool.said, ways)
        for service in self._services():
            number = service.port.number if service.port else 0
            ways = reach.of_service(service, slices.get(service.key, ()), view)
            if isinstance(ways, list) and (owner := _pool_of(service, pooled.values())):
                reason = f"its pods are those of the InferencePool {owner.key[1]}, which is asked"
                ways = Unreachable(reason=reason)
            take("/".join(service.key), number, service.said, ways)
        barred += self._absent()
        return endpoints, tuple(barred)

    def _absent(self) -> list[tuple[str, str, str]]:
        if not self._service or self._services():
            return []
        return [(self._service, "there is no such service", "kubectl get services")]

    def _services(self) -> list[Service]:
        return [
            service
            for service in self._all(SERVICES, Service)
            if (service.key[1] == self._service if self._service else service.said.is_marked)
        ]

    def _pools(self) -> list[Pool]:
        return [] if self._service else self._all(POOLS, Pool)

    def _slices(self) -> Mapping[Key, list[Slice]]:
        found: dict[Key, list[Slice]] = {}
        for one in self._all(SLICES, Slice):
            found.setdefault((one.key[0], one.service), []).append(one)
        return found

    def _view(self) -> View:
        gateways = {gateway.key: gateway for gateway in self._all(GATEWAYS, Gateway)}
        return View(
            is_inside=self._is_inside,
            context=self._context,
            routes=self._all(ROUTES, Route),
            gateways=gateways,
            ingresses=self._all(INGRESSES, Ingress),
            nodes=self._all(NODES, Node) if self._seen_nodes else None,
        )

    def _all(self, resource: Resource, kind: type[T]) -> list[T]:
        held = self._objects.get(resource.name, {})
        return [held[key] for key in sorted(held) if isinstance(held[key], kind)]


def _pool_of(service: Service, pools: Iterable[Pool]) -> Pool | None:
    """The pool that has all the service's pods: it selects by labels that the service asks for."""
    for pool in pools:
        same = pool.key[0] == service.key[0] and pool.selector <= service.selector
        if same and pool.selector:
            return pool
    return None


def _endpoint(
    name: str, port: int, said: shapes.Said, found: Found, environment: str, priority: int
) -> Endpoint:
    namespace, _, rest = name.partition("/")
    way = found.way
    addresses = way.addresses or tuple(filter(None, [shapes.address(way.host)]))
    labels = {
        "namespace": namespace,
        "host": "" if shapes.address(way.host) else way.host,
        "addresses": " ".join(addresses[: reach.MOST_NODES]),
        "auth": said.auth,
        "via_gateway": way.gateway,
    }
    pod = f"{found.name}." if found.name else ""
    return Endpoint(
        id=f"kubernetes/{namespace}/{pod}{rest}:{port}",
        url=way.url,
        kind=said.kind,
        source="kubernetes",
        environment=environment,
        priority=priority,
        model=said.model,
        labels={key: value for key, value in labels.items() if value},
    )
