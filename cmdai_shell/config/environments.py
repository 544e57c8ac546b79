"""From environments to addresses: URLs that are checked, endpoints, the one that was asked for."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from cmdai_shell.config.environment import Address, Environment, Place
from cmdai_shell.config.refusals import nearest
from cmdai_shell.core import Endpoint
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cmdai_shell.config.schema import Config

AUTO, NONE = "auto", "none"
"""Values of ``active_environment`` that are no name: choose by what answers; use no server."""
RESERVED = frozenset({AUTO, NONE, "embedded"})

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_NETLOC = re.compile(r"(\[[^\[\]]+\]|[^\[\]:]+)(:[^:]*)?")
"""Of which ``urlsplit`` takes more than there is: ``[::1]x:80``."""
_NEAR = (".local", ".lan", ".home", ".home.arpa", ".localhost", ".internal")
"""Ends of names that only the own network knows (RFC 6762, RFC 8375, RFC 6761, and usage)."""
_LABELS = ("chat_template", "region", "deployment", "api_version", "metrics_port")
"""Keys of an environment that its adapter needs, beyond those of ``Endpoint``."""


def endpoints(environment: Environment) -> tuple[Endpoint, ...]:
    """Its addresses that are written down, best first; those of ``fallback_endpoints`` are one
    priority below. What discovery finds comes from elsewhere."""
    found: dict[str, Endpoint] = {}
    for priority, address in _addresses(environment):
        url = checked_url(address.url)
        plain = f"{environment.id}/{address.name or _host_and_port(url)}" if environment.id else url
        name, count = plain, 1
        while name in found:  # one server, two models
            count += 1
            name = f"{plain}#{count}"
        one = Endpoint(
            id=name,
            url=url,
            kind=address.kind or environment.kind,
            source="static",
            priority=priority if address.priority is None else address.priority,
            weight=address.weight,
            model=address.model or environment.model,
        )
        found[name] = belonging(one, environment)
    return tuple(sorted(found.values(), key=lambda endpoint: -endpoint.priority))


def sharing(environment: Environment, others: Iterable[Environment]) -> list[str]:
    """The names of those that have an address of it, too."""
    own = {endpoint.url for endpoint in endpoints(environment)}
    return [
        other.id
        for other in others
        if other.id != environment.id and own & {endpoint.url for endpoint in endpoints(other)}
    ]


def belonging(endpoint: Endpoint, environment: Environment) -> Endpoint:
    """With what the environment says of all its servers, however they were found."""
    labels = {key: str(value) for key in _LABELS if (value := getattr(environment, key))}
    return replace(
        endpoint,
        environment=environment.id,
        labels={**endpoint.labels, **labels},
        timeout=environment.timeout_ms / 1000,
        retries=environment.retry_count,
        backoff=environment.retry_backoff_ms / 1000,
        login="" if environment.scheme == "none" else environment.id,
    )


def chosen(config: Config, asked: str = "") -> Environment | None:
    """The environment that a name means, ``asked`` before the configured one; None for ``auto``
    and ``none``. Raises ConfigError for a name that is not there."""
    name = asked or config.active_environment
    if name in (AUTO, NONE):
        return None
    if name not in config.environments:
        raise unknown_environment(name, config.environments)
    return config.environments[name]


def unknown_environment(name: str, known: Mapping[str, object]) -> ConfigError:
    near = nearest(name, known.keys(), cutoff=0.5)
    names = ", ".join(known) or "there is none yet: cmdai-shell config add-environment --help"
    return ConfigError(
        f"no environment {name!r}", f"did you mean {near}?" if near else f"choose of: {names}"
    )


def unknown_server(name: str, known: Sequence[str], environment: str = "") -> ConfigError:
    where = f" in {environment}" if environment else ""
    short = {id_.partition("/")[2]: id_ for id_ in known if "/" in id_}
    short |= {word: word for id_ in known for word in (id_, id_.partition("/")[0])}
    near = nearest(name, short, cutoff=0.5)
    hint = f"did you mean {short[near]}?" if near else f"choose of: {', '.join(known)}"
    return ConfigError(f"no server {name!r}{where}", hint)


def place(environment: Environment) -> Place:
    """Where it is, by what is known without asking anybody."""
    if environment.place != "auto":
        return environment.place
    if environment.discovery_method == "k8s_service" or environment.scheme in ("oidc", "mtls"):
        return "enterprise"
    if environment.discovery_method == "mdns":
        return "local"
    hosts = [urlsplit(address.url).hostname or "" for _, address in _addresses(environment)]
    return "local" if hosts and all(map(is_near, hosts)) else "cloud"


def is_near(host: str) -> bool:
    """The name or address is one of the own machine or network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        host = host.rstrip(".").lower()
        return "." not in host or host.endswith(_NEAR)
    return not address.is_global


def checked_url(url: str) -> str:
    """The URL without a slash at its end, its host in small letters. Raises ConfigError, which
    never repeats a password."""
    parts = _split(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if "@" in parts.netloc:
        raise ConfigError(
            f"{shown}: no user or password in an address",
            "put the key into an environment variable, and its name into api_key_env",
        )
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ConfigError(f"{shown}: nothing after ? or # belongs into a server's address")
    host = _host(parts, shown)
    port = _port(parts, shown)
    if parts.scheme == "http" and not is_near(host) and is_address(host):
        raise ConfigError(f"{shown}: http:// is for the own network only", "use https://")
    netloc = f"[{host}]" if ":" in host else host
    netloc += f":{port}" if port else ""
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"


def _split(url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > 2_000:
        raise ConfigError("an address is at most 2000 plain characters, without blanks")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"not an address: {str(error).lower()}") from None
    if parts.scheme not in _PORTS or "://" not in url:
        near = url.partition("://")[2] if "://" in url else url
        hint = "" if "@" in near else f"http://{near or 'HOST:8000'}"
        raise ConfigError("an address begins with http:// or https://", hint)
    return parts


def _host(parts: SplitResult, shown: str) -> str:
    host = parts.hostname or ""
    if not host:
        raise ConfigError(f"{shown}: an address needs a host")
    if not _NETLOC.fullmatch(parts.netloc):
        raise ConfigError(f"{shown}: not an address")
    if not is_address(host) and (not _HOST.fullmatch(host) or re.fullmatch("[0-9.]+", host)):
        raise ConfigError(f"{shown}: {host[:80]!r} is no name or address of a host")
    return host


def is_address(host: str) -> bool:
    """Not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _port(parts: SplitResult, shown: str) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise ConfigError(f"{shown}: a port is a number from 1 to 65535")
    return port


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or _PORTS[parts.scheme]}"


def _addresses(environment: Environment) -> Iterator[tuple[int, Address]]:
    """Each with the priority it has by default."""
    for group, priority in (
        (environment.endpoints, environment.priority),
        (environment.fallback_endpoints, environment.priority - 1),
    ):
        for address in group:
            yield priority, Address(url=address) if isinstance(address, str) else address
