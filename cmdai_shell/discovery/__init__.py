"""Where servers are: sources that say so, and whom of what they say the person trusts."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cmdai_shell.errors import ConfigError

SOURCES: dict[str, str] = {
    "mdns": "cmdai_shell.discovery.mdns:MdnsSource",
    "dns_srv": "cmdai_shell.discovery.dns_srv:SrvSource",
    "k8s_service": "cmdai_shell.discovery.kubernetes:KubernetesSource",
}
"""``discovery_method`` in the TOML -> "module:Class". Static addresses need nobody to find them."""

_INSTALL = {"kubernetes_asyncio": "'cmdai-shell[kubernetes]'", "dns": "dnspython"}


def load(word: str) -> type[Any]:
    """The source's class. Raises ConfigError for an unknown word, or a package that is missing."""
    try:
        module, _, name = SOURCES[word].partition(":")
    except KeyError:
        known = ", ".join(sorted(SOURCES))
        raise ConfigError(f"unknown way to find servers '{word}'", f"use one of: {known}") from None
    try:
        source: type[Any] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        package = _INSTALL.get(missing, missing)
        raise ConfigError(
            f"discovery by '{word}' needs the Python package {missing}", f"pip install {package}"
        ) from error
    return source
