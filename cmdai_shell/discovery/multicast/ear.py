"""zeroconf, listening on some interfaces for some kinds of service, from ``open`` to ``aclose``."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import zeroconf
from zeroconf import IPVersion, RecordUpdateListener, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from cmdai_shell.discovery import txt
from cmdai_shell.discovery.multicast.announcement import Announcement
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zeroconf import RecordUpdate

    from cmdai_shell.discovery.interfaces import Links

PORT = 5353
ASK_S = 3.0
"""Until a service that does not say where it is has not been found."""
OTHER_FAMILY_S = 0.1
"""An answer by IPv6 often has no IPv4 address in it; that comes a moment later."""
_HEAVY = 256
"""Bytes of TXT data that weigh as much as a record."""


class _Scale(RecordUpdateListener):
    """Counts what zeroconf was told, wanted or not: all of it is kept, most for an hour."""

    def __init__(self, most: int, full: Callable[[], None]) -> None:
        super().__init__()
        self.weight = 0
        self.most = most
        self._full = full

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        for each in records:
            if each.old is None:
                self.weight += 1 + len(getattr(each.new, "text", b"")) // _HEAVY
        if self.weight > self.most:
            self._full()

    def async_update_records_complete(self) -> None:
        pass


class Ear:
    """``hear`` is called in the loop, with the full name of a service of which something changed
    and whether it has gone; ``full`` when more than ``most`` records were heard."""

    def __init__(
        self,
        types: Sequence[tuple[str, str]],
        *,
        hear: Callable[[str, bool], None],
        full: Callable[[], None],
        most: int,
    ) -> None:
        """``types``: (subtype or empty, service) pairs."""
        self._bases = tuple(dict.fromkeys(f"{base}.local." for _, base in types))
        self._wanted = tuple(
            dict.fromkeys(
                f"{sub}._sub.{base}.local." if sub else f"{base}.local." for sub, base in types
            )
        )
        self._hear = hear
        self._scale = _Scale(most, full)
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None

    @property
    def is_full(self) -> bool:
        return self._scale.weight > self._scale.most

    async def open(self, links: Links) -> None:
        """Raises DiscoveryError."""
        sockets = links.sockets()
        version = _version(sockets)
        _try_port(socket.AF_INET if version is IPVersion.V4Only else socket.AF_INET6)
        try:
            self._zeroconf = AsyncZeroconf(interfaces=sockets, ip_version=version)
            await self._zeroconf.zeroconf.async_wait_for_start()
        except (OSError, RuntimeError, zeroconf.Error) as error:
            raise failure(error) from error
        core = self._zeroconf.zeroconf
        core.async_add_listener(self._scale, None)
        # A subtype's instances have no records below its own name: changes show at the service's.
        types = [*dict.fromkeys((*self._wanted, *self._bases))]
        self._browser = AsyncServiceBrowser(core, types, handlers=[self._changed])

    async def aclose(self) -> None:
        browser, opened = self._browser, self._zeroconf
        self._browser = self._zeroconf = None
        if browser is not None:
            await browser.async_cancel()
        if opened is not None:
            await opened.async_close()

    def at_hand(self, name: str) -> Announcement | None:
        """A service by what was heard already; None if that is not enough."""
        info = self._info(name)
        if info is None or self._zeroconf is None:
            return None
        return _read(info) if info.load_from_cache(self._zeroconf.zeroconf) else None

    async def ask(self, name: str) -> Announcement | None:
        """A service, after having asked the network for what is missing."""
        info = self._info(name)
        if info is None or self._zeroconf is None:
            return None
        with suppress(zeroconf.Error):
            if await info.async_request(self._zeroconf.zeroconf, ASK_S * 1000):
                await asyncio.sleep(OTHER_FAMILY_S)
                return self.at_hand(name) or _read(info)
        return None

    def _info(self, name: str) -> AsyncServiceInfo | None:
        low = name.lower()
        base = next((base for base in self._bases if low.endswith(f".{base.lower()}")), None)
        if base is None:
            return None
        try:
            return AsyncServiceInfo(base, name)
        except zeroconf.BadTypeInNameException:  # control characters, too long
            return None

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        """Called with these names."""
        if state_change is ServiceStateChange.Removed:
            there = zeroconf.cache.current_entry_with_name_and_alias
            self._hear(name, not any(there(wanted, name) for wanted in self._wanted))
        elif state_change is ServiceStateChange.Updated or service_type in self._wanted:
            self._hear(name, False)


def failure(error: Exception) -> DiscoveryError:
    """What it means that zeroconf did not start."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return DiscoveryError(
            f"another program holds the port of mDNS ({PORT}) for itself",
            "disallow-other-stacks=no in /etc/avahi/avahi-daemon.conf; ss -lunp 'sport = :5353'",
        )
    if number in (errno.EPERM, errno.EACCES):
        return DiscoveryError(
            "this machine does not let us listen for mDNS",
            f"allow UDP port {PORT}, or discovery.mdns = false",
        )
    what = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
    return DiscoveryError(f"mDNS does not start: {what.lower()}", "cmdai-shell doctor")


def _try_port(family: int) -> None:
    """As zeroconf opens it, which loses the socket on the way when it fails."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse := getattr(socket, "SO_REUSEPORT", None):
                one.setsockopt(socket.SOL_SOCKET, reuse, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            one.bind(("", PORT))
    except OSError as error:
        raise failure(error) from error


def _version(sockets: Sequence[str | int]) -> IPVersion:
    fours = sum(isinstance(each, str) and ":" not in each for each in sockets)
    if not fours:
        return IPVersion.V6Only
    return IPVersion.All if fours < len(sockets) else IPVersion.V4Only


def _read(info: AsyncServiceInfo) -> Announcement:
    base = info.type.removesuffix(".local.")
    return Announcement(
        instance=txt.instance(info.name, base),
        service=base,
        host=txt.host(info.server or ""),
        port=info.port or 0,
        txt=txt.read(info.text or b""),
        addresses=tuple(info.parsed_scoped_addresses()[:32]),
    )
