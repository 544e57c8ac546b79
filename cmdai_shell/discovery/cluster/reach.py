"""Which address of a Service or an InferencePool can be reached from where we run. No I/O.

Inside the cluster a Service is its DNS name, which also balances; a headless one is its pods.
Outside, in this order: its load balancer; a Gateway or an Ingress before it; its port on a node.
The API server's own proxy is none of them: it takes the Authorization header for itself.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cmdai_shell.discovery.cluster import fronts
from cmdai_shell.discovery.cluster.fronts import Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cmdai_shell.discovery.cluster.fronts import Gateway, Ingress, Route, Scheme
    from cmdai_shell.discovery.cluster.shapes import Key, Node, Pool, Port, Ready, Service, Slice

MOST_NODES = 8
"""Addresses of nodes that an endpoint is labelled with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known of the cluster."""

    is_inside: bool = False
    """We run in it."""
    context: str = ""
    """The kubeconfig's, where it was chosen."""
    routes: Sequence[Route] = ()
    gateways: Mapping[Key, Gateway] = field(default_factory=dict)
    ingresses: Sequence[Ingress] = ()
    nodes: Sequence[Node] | None = None
    """None: they may not be listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """``name`` is empty where there is one address; else the pod's."""

    way: Way
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """Why, and what to type about it."""

    reason: str
    hint: str = ""


def of_service(service: Service, slices: Iterable[Slice], view: View) -> list[Found] | Unreachable:
    if service.kind == "ExternalName":
        return Unreachable(reason="it is a name for a server elsewhere (ExternalName)")
    port = service.port
    if port is None:
        reason = "it has several ports" if service.ports else "it has no port"
        return Unreachable(reason=f"{reason} and none is called inference")
    ready = [
        (one, target) for part in slices if (target := part.target(port)) for one in part.ready
    ]
    if not ready:
        namespace, name = service.key
        label = f"kubernetes.io/service-name={name}"
        return Unreachable(
            reason="no pod of it takes requests",
            hint=f"kubectl get endpointslices -n {namespace} -l {label}",
        )
    if service.is_headless and view.is_inside:
        return _pods(service, port, ready)
    ways = _inside(service, port) if view.is_inside else _outside(service, port, ready, view)
    return _best(ways) or Unreachable(
        reason=_why(service, port, ready, view),
        hint=port_forward(service.key, port.number, view.context),
    )


def of_pool(pool: Pool, view: View) -> list[Found] | Unreachable:
    """A pool is its Gateway: whoever picks the pod there knows their queues."""
    ways = [
        *fronts.by_gateway(fronts.POOLS, pool.key, (), view.routes, view.gateways),
        *fronts.by_parent(pool.parents, view.gateways),
    ]
    if found := _best(ways):
        return found
    if ways:
        return Unreachable(reason="its Gateway speaks plain http on the open Internet")
    return Unreachable(
        reason="no Gateway that runs has an HTTPRoute to it",
        hint=f"kubectl get httproutes,gateways -n {pool.key[0]}",
    )


def wants_nodes(service: Service, view: View) -> bool:
    """Its port on the nodes is a way, if nothing goes before it."""
    port = service.port
    if port is None or not port.node or view.is_inside:
        return False
    return not _best(_before_nodes(service, port, view))


def port_forward(key: Key, port: int, context: str = "") -> str:
    chosen = f"--context {shlex.quote(context)} " if context else ""
    return f"kubectl {chosen}port-forward -n {key[0]} service/{key[1]} {port}:{port}"


def _best(ways: Iterable[Way]) -> list[Found]:
    return next(([Found(way=way)] for way in ways if not way.is_bare), [])


def _scheme(port: Port) -> Scheme:
    return "https" if port.is_tls else "http"


def _inside(service: Service, port: Port) -> Iterator[Way]:
    namespace, name = service.key
    yield Way(
        scheme=_scheme(port),
        host=f"{name}.{namespace}.svc",
        port=port.number,
        addresses=service.cluster_ips,
    )


def _pods(
    service: Service, port: Port, ready: Sequence[tuple[Ready, int]]
) -> list[Found] | Unreachable:
    namespace, name = service.key
    found: dict[str, Way] = {}
    for one, target in ready:
        host = f"{one.host}.{name}.{namespace}.svc" if one.host else one.address
        way = Way(scheme=_scheme(port), host=host, port=target, addresses=(one.address,))
        if not way.is_bare:
            found.setdefault(one.pod or one.address, way)
    if not found:
        return Unreachable(reason="its pods have addresses of the open Internet, and no https")
    return [Found(way=way, name=pod) for pod, way in found.items()]


def _outside(
    service: Service, port: Port, ready: Sequence[tuple[Ready, int]], view: View
) -> Iterator[Way]:
    yield from _before_nodes(service, port, view)
    yield from _by_node(port, ready, view.nodes or ())


def _before_nodes(service: Service, port: Port, view: View) -> Iterator[Way]:
    for host in service.balancers:
        yield Way(scheme=_scheme(port), host=host, port=port.number)
    ports = (port.number, port.name) if port.name else (port.number,)
    yield from fronts.by_gateway("", service.key, ports, view.routes, view.gateways)
    yield from fronts.by_ingress(service.key, ports, view.ingresses)


def _by_node(
    port: Port, ready: Sequence[tuple[Ready, int]], nodes: Sequence[Node]
) -> Iterator[Way]:
    """Nodes with a pod on them first: with externalTrafficPolicy Local only these answer."""
    near = {one.node for one, _ in ready}
    usable = sorted(
        (node for node in nodes if node.is_ready and node.addresses and port.node),
        key=lambda node: (node.key[1] not in near, node.key),
    )
    hosts = [address for node in usable for address in node.addresses]
    for host in hosts:
        way = Way(scheme=_scheme(port), host=host, port=port.node)
        if not way.is_bare:
            yield way


def _why(service: Service, port: Port, ready: Sequence[tuple[Ready, int]], view: View) -> str:
    """The reason that helps most: one that is about what the service has."""
    if view.is_inside:
        return "its address is one of the open Internet, and it speaks plain http"
    if any(_before_nodes(service, port, view)):
        return "what it is reached by speaks plain http on the open Internet"
    if port.node and view.nodes is None:
        return "it has a port on the nodes, and their addresses may not be listed"
    if port.node:
        return "it has a port on the nodes, and no node has an address that can be used"
    if service.kind == "LoadBalancer":
        return "its load balancer has no address yet"
    return f"it has no address outside the cluster ({len(ready)} ready inside)"
