"""What stands before a Service or an InferencePool: Gateways with their HTTPRoutes, and Ingresses.
No I/O; the input is hostile, as in ``shapes``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cmdai_shell.discovery.cluster.shapes import (
    LONGEST_TEXT,
    address,
    condition,
    host_name,
    is_public,
    items,
    key_of,
    mapping,
    name_of,
    port_number,
    reference,
    text,
    unique,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cmdai_shell.discovery.cluster.shapes import Key, Object

Scheme = Literal["http", "https"]

POOLS = "inference.networking.k8s.io"
"""The API group of InferencePools; that of Services is empty."""

_PORTS = {"http": 80, "https": 443}
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_V1 = re.compile(r"/v1(/.*)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """An address to reach something at."""

    scheme: Scheme
    host: str
    port: int
    path: str = ""
    addresses: tuple[str, ...] = ()
    """What it is said to resolve to; the host itself, if that is an address."""
    gateway: str = ""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def is_bare(self) -> bool:
        """Plain http that would cross the open Internet."""
        return self.scheme == "http" and any(map(is_public, (self.host, *self.addresses)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Where a rule of a route or an Ingress sends requests."""

    group: str
    kind: str
    name: str
    port: int | str = 0
    """The service's number or name; 0 of a pool."""
    host: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    name: str
    scheme: Scheme
    port: int
    host: str = ""
    """A wildcard in front is possible; empty: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    key: Key
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[str, ...] = ()
    is_programmed: bool | None = None
    """None: nobody says."""

    @property
    def is_up(self) -> bool:
        return bool(self.addresses) if self.is_programmed is None else self.is_programmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The Gateway that a route hangs itself on, by a listener's name and port if it says so."""

    gateway: Key
    section: str = ""
    port: int = 0
    is_accepted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An HTTPRoute."""

    key: Key
    parents: tuple[Parent, ...] = ()
    hosts: tuple[str, ...] = ()
    backends: tuple[Backend, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    key: Key
    backends: tuple[Backend, ...] = ()
    tls_hosts: frozenset[str] = frozenset()
    is_tls: bool = False
    """There is a certificate that names no host."""
    addresses: tuple[str, ...] = ()


def gateway(value: Object) -> Gateway | None:
    key = key_of(value)
    if key is None:
        return None
    status = mapping(value.get("status"))
    addresses = (mapping(one).get("value") for one in items(status.get("addresses")))
    return Gateway(
        key=key,
        listeners=tuple(_listeners(mapping(value.get("spec")))),
        addresses=unique(address(one) or host_name(one) for one in addresses),
        is_programmed=condition(status, "Programmed"),
    )


def route(value: Object) -> Route | None:
    key, spec = key_of(value), mapping(value.get("spec"))
    if key is None:
        return None
    refused = {
        (parent, text(mapping(one["parentRef"]).get("sectionName")))
        for one in map(mapping, items(mapping(value.get("status")).get("parents")))
        if condition(one, "Accepted") is False
        if (parent := reference(one.get("parentRef"), key[0], "Gateway"))
    }
    parents = [
        Parent(
            gateway=found,
            section=(section := text(one.get("sectionName"))),
            port=port_number(one.get("port")),
            is_accepted=(found, section) not in refused,
        )
        for one in map(mapping, items(spec.get("parentRefs")))
        if (found := reference(one, key[0], "Gateway"))
    ]
    return Route(
        key=key,
        parents=tuple(parents),
        hosts=unique(map(_host, items(spec.get("hostnames")))),
        backends=tuple(_route_backends(spec, key[0])),
    )


def ingress(value: Object) -> Ingress | None:
    key, spec = key_of(value), mapping(value.get("spec"))
    if key is None:
        return None
    tls = [items(mapping(one).get("hosts")) for one in items(spec.get("tls"))]
    status = mapping(mapping(value.get("status")).get("loadBalancer"))
    told = map(mapping, items(status.get("ingress")))
    return Ingress(
        key=key,
        backends=tuple(_ingress_backends(spec)),
        tls_hosts=frozenset(unique(_host(host) for hosts in tls for host in hosts)),
        is_tls=any(not hosts for hosts in tls),
        addresses=unique(address(o.get("ip")) or host_name(o.get("hostname")) for o in told),
    )


# --- ways


def by_gateway(
    group: str,
    key: Key,
    ports: tuple[int | str, ...],
    routes: Iterable[Route],
    gateways: Mapping[Key, Gateway],
) -> Iterator[Way]:
    """Those that lead to a Service (``group`` is empty) or a pool, best first."""
    found = [
        way
        for one in routes
        if one.key[0] == key[0]  # from another namespace it would need a grant that we do not read
        for backend in one.backends
        if (backend.group, backend.name) == (group, key[1])
        if group or backend.port in ports
        for parent in one.parents
        if parent.is_accepted and (through := gateways.get(parent.gateway)) and through.is_up
        for way in _through(through, parent, one.hosts, backend.path)
    ]
    yield from sorted(found, key=lambda way: way.scheme != "https")


def by_parent(parents: Iterable[Key], gateways: Mapping[Key, Gateway]) -> Iterator[Way]:
    """To a pool whose routes may not be read: its status names the Gateways."""
    for key in parents:
        if (through := gateways.get(key)) and through.is_up:
            yield from _through(through, Parent(gateway=key), (), "")


def by_ingress(
    key: Key, ports: tuple[int | str, ...], ingresses: Iterable[Ingress]
) -> Iterator[Way]:
    for one in ingresses:
        for backend in one.backends if one.key[0] == key[0] else ():
            if backend.name != key[1] or backend.port not in ports:
                continue
            scheme: Scheme = "https" if one.is_tls or _has(backend.host, one.tls_hosts) else "http"
            hosts = [backend.host] if backend.host else one.addresses
            for host in hosts:
                if not host.startswith("*"):
                    yield Way(
                        scheme=scheme,
                        host=host,
                        port=_PORTS[scheme],
                        path=backend.path,
                        addresses=tuple(filter(address, one.addresses)),
                    )


def _through(through: Gateway, parent: Parent, hosts: tuple[str, ...], path: str) -> Iterator[Way]:
    listeners = [
        one
        for one in through.listeners
        if parent.section in ("", one.name) and parent.port in (0, one.port)
    ]
    for one in sorted(listeners, key=lambda listener: listener.scheme != "https"):
        names = [_both(host, one.host) for host in hosts] if hosts else [one.host]
        usable = [name for name in names if name and not name.startswith("*")]
        nameless = not hosts and not one.host
        for host in usable or (through.addresses if nameless else ()):
            yield Way(
                scheme=one.scheme,
                host=host,
                port=one.port,
                path=path,
                addresses=tuple(filter(address, through.addresses)),
                gateway="/".join(through.key),
            )


def _both(host: str, listener: str) -> str:
    """The narrower one of a route's and a listener's host; empty if they exclude each other."""
    if not listener or host == listener or _has(host, (listener,)):
        return host
    return listener if _has(listener, (host,)) else ""


def _has(host: str, hosts: Iterable[str]) -> bool:
    return any(
        host == one or (one.startswith("*.") and host.endswith(one[1:]) and host != one[1:])
        for one in hosts
    )


# --- parts


def _listeners(spec: Object) -> Iterator[Listener]:
    schemes: dict[str, Scheme] = {"HTTP": "http", "HTTPS": "https"}
    for one in map(mapping, items(spec.get("listeners"))):
        scheme, port = schemes.get(text(one.get("protocol"))), port_number(one.get("port"))
        host = _host(one.get("hostname"))
        if scheme and port and (host or not one.get("hostname")):
            yield Listener(name=text(one.get("name")), scheme=scheme, port=port, host=host)


def _route_backends(spec: Object, namespace: str) -> Iterator[Backend]:
    for rule in map(mapping, items(spec.get("rules"))):
        path = _rule_path(items(rule.get("matches")))
        for one in map(mapping, items(rule.get("backendRefs"))):
            group, name = text(one.get("group")), name_of(one.get("name"))
            kind = text(one.get("kind")) or "Service"
            is_ours = one.get("namespace", namespace) == namespace and one.get("weight") != 0
            if path is None or not name or not is_ours:
                continue
            if (group, kind) in (("", "Service"), (POOLS, "InferencePool")):
                port = port_number(one.get("port"))
                yield Backend(group=group, kind=kind, name=name, port=port, path=path)


def _rule_path(matches: list[object]) -> str | None:
    """The base of what a rule takes; None if only requests with marks that we do not send."""
    for match in map(mapping, matches):
        found = mapping(match.get("path"))
        if match.get("headers") or match.get("queryParams"):
            continue
        if found.get("type", "PathPrefix") in ("PathPrefix", "Exact"):
            path = _base(found.get("value", "/"))
            if path is not None:
                return path
    return None if matches else ""


def _ingress_backends(spec: Object) -> Iterator[Backend]:
    for rule in map(mapping, items(spec.get("rules"))):
        host = _host(rule.get("host"))
        if rule.get("host") and not host:
            continue
        for one in map(mapping, items(mapping(rule.get("http")).get("paths"))):
            found = mapping(mapping(one.get("backend")).get("service"))
            port = mapping(found.get("port"))
            name, path = name_of(found.get("name")), _base(one.get("path") or "/")
            if name and path is not None:
                yield Backend(
                    group="",
                    kind="Service",
                    name=name,
                    port=port_number(port.get("number")) or text(port.get("name")),
                    host=host,
                    path=path,
                )


def _base(path: object) -> str | None:
    """What of a path comes before that which belongs to the protocol (``/v1``)."""
    if not isinstance(path, str) or len(path) > LONGEST_TEXT or ".." in path:
        return None
    if not _PATH.fullmatch(path):
        return None
    return _V1.sub("", path.rstrip("/"))


def _host(value: object) -> str:
    """A name with a wildcard in front, perhaps."""
    if not isinstance(value, str):
        return ""
    star, rest = ("*.", value[2:]) if value.startswith("*.") else ("", value)
    name = host_name(rest)
    return star + name if name else ""
