"""Where we are, and whether a server that is known by its address alone may be asked there."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cmdai_shell.discovery.policy import is_in, network
from cmdai_shell.discovery.trust import forget_hint, trust_hint
from cmdai_shell.errors import BackendUnavailable, ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from cmdai_shell.discovery.approval import Approval
    from cmdai_shell.discovery.candidate import Candidate

_IP = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Where we are."""

    addresses: tuple[str, ...] = ()
    """Of this machine."""
    routers: frozenset[str] = frozenset()
    """As ``discovery.routers`` has them."""
    unknown: frozenset[str] = field(default=frozenset(), compare=False)
    """Addresses of those whose hardware address the system does not know at the moment."""


def here() -> Here:
    """Reads files."""
    import psutil

    from cmdai_shell.discovery import routers

    links = psutil.net_if_addrs().values()
    own = tuple(link.address for links_of in links for link in links_of if link.family in _IP)
    return Here(addresses=own, routers=routers.read(), unknown=routers.unknown())


async def surely(is_enough: Callable[[Here], bool], look: Callable[[], Here] = here) -> Here:
    """Where we are; if that is not enough, with the routers that the system knows when asked: of
    one that nothing went by for a while it has lost the hardware address, and that is no other
    network."""
    from cmdai_shell.discovery import routers

    now = await asyncio.to_thread(look)
    if is_enough(now) or not now.unknown:
        return now
    for address in now.unknown:
        await asyncio.to_thread(routers.ask, address)
    until = time.monotonic() + routers.ANSWER_S
    while now.unknown and time.monotonic() < until:
        await asyncio.sleep(routers.LOOK_S)  # the system tells of no change of its table
        now = await asyncio.to_thread(look)
    return now


def is_home(each: Candidate, now: Here) -> bool:
    """By all that is known, we are in a network where it was approved."""
    return each.approval is None or is_behind(each.approval, now)


def is_behind(approval: Approval, now: Here) -> bool:
    """One of its routers, or none of it is known."""
    return not approval.routers or not now.routers.isdisjoint(approval.routers)


def is_here(each: Candidate, now: Here) -> bool:
    """With plain http only in a network where it was approved: in another, somebody else may have
    its address, and announce it. Where that network has no addresses of its own (link-local), not
    before it is announced; nor where nothing of it is known."""
    approval = each.approval
    if approval is None or each.endpoint.url.startswith("https:"):
        return True
    return is_home(each, now) and _is_its_network(each, approval, now)


def _is_its_network(each: Candidate, approval: Approval, now: Here) -> bool:
    """By its addresses."""
    known = [found for text in approval.networks if (found := network(text))]
    there = [found for found in known if not found.is_link_local]
    if not there:
        return bool(each.sources) or bool(approval.routers and not known)
    return any(is_in(text, found) for text in now.addresses for found in there)


def seen_from(each: Candidate, now: Here) -> Candidate:
    """It, as it is for who is there: with the reason, and what to type, if it is not asked."""
    approval = each.approval
    if each.state != "approved" or approval is None or is_here(each, now):
        return each
    where = ", ".join(approval.networks) or "where it is announced"
    story, hint = f"not used here: over http only in {where}", ""
    if not is_home(each, now):
        story += ", behind the router of then"
        hint = f"if this is your network: {trust_hint(each.name)}"
        if silent := ", ".join(sorted(now.unknown)):
            story += f"; the router here, {silent}, does not answer"
            hint = f"once it answers, {hint}"
    return replace(each, state="elsewhere", story=story, hint=hint)


def behind_new_router(known: Iterable[Candidate], now: Here) -> Iterator[Candidate]:
    """Those for which all is as where they were approved, but for the router: a new one, or another
    network of the same addresses. Only the person knows."""
    for each in known:
        approval, is_other = each.approval, now.routers and not is_home(each, now)
        is_alike = bool(approval and is_other and _is_its_network(each, approval, now))
        if is_alike and (seen := seen_from(each, now)).state == "elsewhere":
            yield seen


def knowable(each: Candidate, now: Here) -> None:
    """Raises ConfigError for one that is known by its router and its address, where there is no
    router by which to know this network again: it would be approved, and not be asked."""
    approval = each.approval
    is_plain = each.endpoint.url.startswith("http:")
    if each.state != "approved" or not approval or not is_plain or not approval.routers:
        return
    if not now.routers:
        silent = ", ".join(sorted(now.unknown))
        what = f"your router, {silent}, does not answer" if silent else "no router is known here"
        again = trust_hint(approval.name)
        raise ConfigError(
            f"{approval.name} was trusted behind a router, and {what}",
            f"once it answers: {again}" if silent else f"{forget_hint(approval.name)}; {again}",
        )


def asked_here(name: str, may_ask: Callable[[Here], bool]) -> Callable[[], Awaitable[None]]:
    """For ``Settings.gate`` of a server of plain http: between two looks of the finder's a laptop
    is opened in a cafe."""

    async def look() -> None:
        if not may_ask(await surely(may_ask, here)):
            what = f"{name} was trusted in another network than this"
            raise BackendUnavailable(what, f"if it is here: {trust_hint(name)}", "connect")

    return look
