"""Objects of the API server as far as they matter here, out of JSON that anybody in the cluster
may have written: what has not the right form is absent, and all of it is bounded. No I/O."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from cmdai_shell.config.environment import Kind
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BACKEND, MODEL, AUTH = "cmdai.ai/backend-type", "cmdai.ai/model", "cmdai.ai/auth"
"""Annotations of ours; the first two are the DGX plan's."""
PORT_NAME = "inference"

MOST = 64
"""Of what one object has of a kind: ports, hosts, rules. Kubernetes itself allows some more."""
MOST_READY = 1_000
"""Addresses in one slice; the API server takes no more."""
LONGEST_TEXT = 200

Key: TypeAlias = "tuple[str, str]"
"""Namespace and name."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KINDS = frozenset(get_args(Kind)) - {"azure", "sagemaker"}
"""What can run in a cluster. The other two are clouds, and would be sent a cloud's credentials."""
_AUTHS = {"none": "none", "api_key": "bearer", "bearer": "bearer", "mtls": "mtls", "oidc": "oidc"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the annotations tell of a server."""

    is_marked: bool = False
    """It is meant for us."""
    kind: str = "auto"
    model: str = ""
    auth: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    number: int
    name: str = ""
    node: int = 0
    """The port of every node that leads to it; 0: none."""
    is_tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    key: Key
    said: Said = field(default_factory=Said)
    kind: str = "ClusterIP"
    """``spec.type``."""
    cluster_ips: tuple[str, ...] = ()
    is_headless: bool = False
    ports: tuple[Port, ...] = ()
    balancers: tuple[str, ...] = ()
    """Addresses and names of its load balancer."""
    selector: frozenset[tuple[str, str]] = frozenset()

    @property
    def port(self) -> Port | None:
        """The one called ``inference``, else the only one."""
        named = [port for port in self.ports if port.name == PORT_NAME]
        found = named or self.ports
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A pod that takes requests."""

    address: str
    host: str = ""
    """Its own name below the service's, if it has one."""
    pod: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    key: Key
    service: str
    ports: tuple[tuple[str, int | None], ...] = ()
    """By name; None is every port."""
    ready: tuple[Ready, ...] = ()

    def target(self, port: Port) -> int | None:
        """The pods' number of the service's port; None where they have not got it."""
        return next((n or port.number for name, n in self.ports if name == port.name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    key: Key
    addresses: tuple[str, ...] = ()
    """Those of the own network first."""
    is_ready: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """An InferencePool."""

    key: Key
    said: Said = field(default_factory=Said)
    port: int = 0
    selector: frozenset[tuple[str, str]] = frozenset()
    parents: tuple[Key, ...] = ()
    """Gateways that say they serve it."""


Object: TypeAlias = dict[str, Any]


def service(value: Object) -> Service | None:
    key, spec = key_of(value), mapping(value.get("spec"))
    if key is None:
        return None
    addresses = [spec.get("clusterIP"), *items(spec.get("clusterIPs"))]
    status = mapping(mapping(value.get("status")).get("loadBalancer"))
    return Service(
        key=key,
        said=said(value),
        kind=text(spec.get("type")) or "ClusterIP",
        cluster_ips=unique(address(one) for one in addresses),
        is_headless=spec.get("clusterIP") == "None",
        ports=tuple(_ports(spec)),
        balancers=unique(map(_balancer, items(status.get("ingress")))),
        selector=_pairs(spec.get("selector")),
    )


def endpoint_slice(value: Object) -> Slice | None:
    """Of one that no service owns: None."""
    key = key_of(value)
    labels = mapping(mapping(value.get("metadata")).get("labels"))
    owner = name_of(labels.get("kubernetes.io/service-name"))
    if key is None or not owner:
        return None
    ports = [
        (text(port.get("name")), number)
        for port in map(mapping, items(value.get("ports")))
        if port.get("port") is None or port_number(port.get("port"))
        for number in [port_number(port.get("port")) or None]
    ]
    ready = map(_ready, items(value.get("endpoints"), MOST_READY))
    return Slice(
        key=key, service=owner, ports=tuple(ports), ready=tuple(one for one in ready if one)
    )


def node(value: Object) -> Node | None:
    name = name_of(mapping(value.get("metadata")).get("name"))
    status = mapping(value.get("status"))
    if not name:
        return None
    found = unique(
        address(one.get("address"))
        for one in map(mapping, items(status.get("addresses")))
        if one.get("type") in ("InternalIP", "ExternalIP")
    )
    return Node(
        key=("", name),
        addresses=tuple(sorted(found, key=is_public)),
        is_ready=condition(status, "Ready") is not False,
    )


def pool(value: Object) -> Pool | None:
    key, spec = key_of(value), mapping(value.get("spec"))
    ports = [port_number(mapping(one).get("number")) for one in items(spec.get("targetPorts"))]
    if key is None or not any(ports):
        return None
    parents = [
        reference(mapping(parent).get("parentRef"), key[0], "Gateway")
        for parent in items(mapping(value.get("status")).get("parents"))
    ]
    return Pool(
        key=key,
        said=said(value),
        port=next(filter(None, ports)),
        selector=_pairs(mapping(spec.get("selector")).get("matchLabels")),
        parents=tuple(parent for parent in parents if parent),
    )


# --- what the shapes are made of


def mapping(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def items(value: object, most: int = MOST) -> list[Any]:
    return value[:most] if isinstance(value, list) else []


def text(value: object) -> str:
    """One line that can be shown."""
    if not isinstance(value, str):
        return ""
    return one_line(value[:LONGEST_TEXT])


def name_of(value: object) -> str:
    """The name of an object, else empty: then it fits into a path and onto a command line."""
    if not isinstance(value, str) or len(value) > 253:
        return ""
    return value if _NAME.fullmatch(value) else ""


def namespace_of(value: object) -> str:
    return value if isinstance(value, str) and _LABEL.fullmatch(value) else ""


def key_of(value: Object) -> Key | None:
    metadata = mapping(value.get("metadata"))
    key = namespace_of(metadata.get("namespace")), name_of(metadata.get("name"))
    return key if all(key) else None


def reference(value: object, namespace: str, kind: str) -> Key | None:
    """The object that a reference means, if it is of that kind."""
    found = mapping(value)
    key = (
        namespace_of(found.get("namespace")) if "namespace" in found else namespace,
        name_of(found.get("name")),
    )
    return key if found.get("kind", kind) == kind and all(key) else None


def said(value: Object) -> Said:
    found = mapping(mapping(value.get("metadata")).get("annotations"))
    kind = text(found.get(BACKEND)).lower()
    return Said(
        is_marked=bool(kind),
        kind=kind if kind in _KINDS else "auto",
        model=text(found.get(MODEL)),
        auth=_AUTHS.get(text(found.get(AUTH)).lower(), ""),
    )


def port_number(value: object) -> int:
    """0 for what is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 < value < 65_536 else 0


def address(value: object) -> str:
    """An IP address as it is written properly, else empty."""
    if not isinstance(value, str) or len(value) > 45:
        return ""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return ""


def host_name(value: object) -> str:
    """A name of a host in small letters; no wildcard, and nothing that is all figures."""
    name = name_of(value.lower()) if isinstance(value, str) else ""
    return "" if re.fullmatch("[0-9.]+", name) else name


def is_public(host: str) -> bool:
    """It is an address of the open Internet. Of a name that cannot be said here."""
    found = address(host)
    return bool(found) and ipaddress.ip_address(found).is_global


def condition(status: Object, kind: str) -> bool | None:
    """None where it is not told; what is not (yet) true is False."""
    for one in map(mapping, items(status.get("conditions"))):
        if one.get("type") == kind:
            return one.get("status") == "True"
    return None


def unique(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(filter(None, found)), MOST))


def _ports(spec: Object) -> Iterator[Port]:
    for one in map(mapping, items(spec.get("ports"))):
        number, name = port_number(one.get("port")), text(one.get("name"))
        protocol = text(one.get("appProtocol")).lower()
        if number and one.get("protocol", "TCP") == "TCP":
            yield Port(
                number=number,
                name=name,
                node=port_number(one.get("nodePort")),
                is_tls=protocol == "https" if protocol else _means_tls(name, number),
            )


def _means_tls(name: str, number: int) -> bool:
    return name.startswith("https") or number in (443, 8443)


def _balancer(value: object) -> str:
    found = mapping(value)
    return address(found.get("ip")) or host_name(found.get("hostname"))


def _ready(value: object) -> Ready | None:
    found = mapping(value)
    told = mapping(found.get("conditions"))
    addresses = items(found.get("addresses"))
    first = address(addresses[0]) or host_name(addresses[0]) if addresses else ""
    if told.get("ready") is False or told.get("terminating") is True or not first:
        return None
    target = mapping(found.get("targetRef"))
    return Ready(
        address=first,
        host=namespace_of(found.get("hostname")),
        pod=name_of(target.get("name")) if target.get("kind") == "Pod" else "",
        node=name_of(found.get("nodeName")),
    )


def _pairs(value: object) -> frozenset[tuple[str, str]]:
    found = islice(mapping(value).items(), MOST)
    return frozenset((text(key), text(one)) for key, one in found)
