"""Where we are, and whether a server that is known by its address alone may be asked there."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmdai_shell.discovery.policy import is_in, network
from cmdai_shell.discovery.trust import trust_hint
from cmdai_shell.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmdai_shell.discovery.candidate import Candidate

_IP = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Where we are."""

    addresses: tuple[str, ...] = ()
    """Of this machine."""
    routers: frozenset[str] = frozenset()
    """As ``discovery.routers`` has them."""


def here() -> Here:
    """Reads files."""
    import psutil

    from cmdai_shell.discovery import routers

    links = psutil.net_if_addrs().values()
    own = tuple(link.address for links_of in links for link in links_of if link.family in _IP)
    return Here(addresses=own, routers=routers.read())


def is_home(each: Candidate, now: Here) -> bool:
    """By all that is known, we are in a network where it was approved."""
    known = each.approval.routers if each.approval else ()
    return not known or not now.routers.isdisjoint(known)


def is_here(each: Candidate, now: Here) -> bool:
    """With plain http only in a network where it was approved: in another, somebody else may have
    its address, and announce it. Where that network has no addresses of its own (link-local), not
    before it is announced; nor where nothing of it is known."""
    approval = each.approval
    if approval is None or each.endpoint.url.startswith("https:"):
        return True
    if not is_home(each, now):
        return False
    known = [found for text in approval.networks if (found := network(text))]
    there = [found for found in known if not found.is_link_local]
    if not there:
        return bool(each.sources) or bool(approval.routers and not known)
    return any(is_in(text, found) for text in now.addresses for found in there)


def asked_here(name: str, may_ask: Callable[[Here], bool]) -> Callable[[], Awaitable[None]]:
    """For ``Settings.gate`` of a server of plain http: between two looks of the finder's a laptop
    is opened in a cafe."""

    async def look() -> None:
        if not may_ask(await asyncio.to_thread(here)):
            what = f"{name} was trusted in another network than this"
            raise BackendUnavailable(what, f"if it is here: {trust_hint(name)}", "connect")

    return look
