"""Names to addresses, for ``http``."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from aiohttp.abc import AbstractResolver, ResolveResult

from cmdai_shell.backends.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.backends.names import Infos

_LEADS_OUT = tuple(map(ipaddress.ip_network, ("198.18.0.0/15", "2001::/32", "64:ff9b::/96")))
"""Of no use to anybody in the own network, and no global ones for ``ipaddress``: what proxies give
out for names of the Internet (RFC 2544's), Teredo (RFC 4380) and NAT64 (RFC 6052)."""
_RESOLVE_S = 1.0
"""A name server that does not answer costs the system's resolver 5 s and more."""
_RENEW_S = 0.1
"""For one whose address is known from before."""

_NAMES = Names()


class NotNear(OSError):
    """The name is that of a host on the open Internet."""


class NotSaid(OSError):
    """No name server has answered in time."""


class Elsewhere(OSError):
    """The name means no place that connections may go to."""


class Resolver(AbstractResolver):
    """The system's, in threads. While it does not answer, what it last said holds.

    With ``only_near`` (for http://) only addresses of the own network count: whatever a name
    resolves to, nothing crosses the open Internet unencrypted. With ``reach`` only those that it
    allows: aiohttp connects to what we return and asks nobody else, so that a name which means
    another place a moment later (DNS rebinding) leads nowhere.
    """

    def __init__(
        self,
        *,
        only_near: bool,
        reach: Callable[[str], bool] | None = None,
        names: Names = _NAMES,
    ) -> None:
        self._only_near = only_near
        self._reach = reach
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._found(host, family)
        results = [result for info in found for result in _results(host, port, info)]
        if self._only_near:
            near = [result for result in results if not _is_global(result["host"])]
            if results and not near:
                raise NotNear(f"{host} is not of the own network: use https://")
            results = near
        if self._reach:
            allowed = [result for result in results if self._reach(result["host"])]
            if results and not allowed:
                raise Elsewhere(f"{host} means a place that it was not trusted for")
            return allowed
        return results

    async def _found(self, host: str, family: int) -> Infos:
        known = self._names.known(host, family)
        try:
            async with asyncio.timeout(_RENEW_S if known else _RESOLVE_S):
                return await self._names.lookup(host, family)
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN or known is None:
                raise
        except TimeoutError:
            if known is None:
                raise NotSaid(f"no name server says what {host} is") from None
        return known

    async def close(self) -> None:
        pass


def _results(host: str, port: int, info: tuple[Any, ...]) -> Iterator[ResolveResult]:
    family, _, proto, _, address = info
    numeric = address[0]
    if family == socket.AF_INET6 and len(address) > 3 and address[3] and "%" not in numeric:
        numeric = f"{numeric}%{address[3]}"  # a link-local address is nothing without its scope
    yield ResolveResult(
        hostname=host,
        host=numeric,
        port=port,
        family=family,
        proto=proto,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def _is_global(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    return found.is_global or any(found in network for network in _LEADS_OUT)
