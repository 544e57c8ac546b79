"""What may stand in ``discovery.trust_...``: networks, domains and namespaces, as they are compared
later. Raises ConfigError without a key; ``loading`` says which."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.config.environments import is_address
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def subnet(text: str) -> IPNetwork:
    """Only of whole networks: of an address in one we would have to guess what was meant."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        hint = _near(text) or "write it like 10.1.2.0/24"
        raise ConfigError(f"{text!r} is no network", hint) from None
    if not found.prefixlen:
        raise ConfigError(f"{text!r} is everybody", "name the networks that are yours")
    return found


def domain(text: str) -> str:
    """In small letters, without dots at its ends."""
    found = text.strip(".").lower()
    if not _DOMAIN.fullmatch(found) or is_address(found):
        plain = found.removeprefix("*.")
        is_below = plain != found and _DOMAIN.fullmatch(plain)
        hint = f"{plain}: all below it counts, too" if is_below else "write it like example.org"
        raise ConfigError(f"{text!r} is no domain", hint)
    return found


def namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        hint = "small letters, digits and -, one namespace an entry"
        raise ConfigError(f"{text!r} is no namespace", hint)
    return text


ENTRIES: Mapping[str, Callable[[str], object]] = {
    "discovery.trust_subnets": subnet,
    "discovery.trust_domains": domain,
    "discovery.trust_namespaces": namespace,
}
"""Dotted key -> what checks each entry of its list."""


def _near(text: str) -> str:
    try:
        found = ipaddress.ip_interface(re.sub("%[^/]*", "", text)).network
    except ValueError:
        return ""
    return f"did you mean {found}?" if "/" in text else ""
