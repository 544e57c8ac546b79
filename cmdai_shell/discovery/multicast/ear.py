"""zeroconf, listening on some interfaces for some kinds of service, from ``open`` to ``aclose``."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

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
_A, _TXT, _AAAA, _SRV = 1, 16, 28, 33
START_S = 5.0
"""Until zeroconf has opened its sockets, or does not start; it takes some milliseconds."""
ASK_S = 3.0
"""Until a service that does not say where it is has not been found."""
OTHER_FAMILY_S = 0.1
"""An answer by IPv6 often has no IPv4 address in it; that comes a moment later."""
_HEAVY = 256
"""Bytes of TXT data that weigh as much as a record."""


Event = Literal["there", "records", "host", "gone"]
"""What is heard: a service is there, or something of it is new; records came, of whom may be a
service; addresses of a host were taken back; a service has gone."""


class _Scale(RecordUpdateListener):
    """Sees all that zeroconf is told, wanted or not. All of it is kept, most for an hour: it is
    weighed. And zeroconf's browser tells nothing of a record that was there before (until its next
    round of cleaning, although another one displaced it), nor of an address that is taken back."""

    def __init__(self, most: int, full: Callable[[], None], hear: Callable[[str, Event], None]):
        super().__init__()
        self.weight = 0
        self.most = most
        self._full = full
        self._hear = hear

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        for each in records:
            record = each.new
            if each.old is None:
                self.weight += 1 + len(getattr(record, "text", b"")) // _HEAVY
            if record.type in (_SRV, _TXT):
                self._hear(record.name, "records")
            elif record.type in (_A, _AAAA) and record.ttl == 0:
                self._hear(record.name, "host")
        if self.weight > self.most:
            self._full()

    def async_update_records_complete(self) -> None:
        pass


class Ear:
    """``hear`` is called in the loop, with the full name of a service, or a host's; ``full`` when
    more than ``most`` records were heard."""

    def __init__(
        self,
        types: Sequence[tuple[str, str]],
        *,
        hear: Callable[[str, Event], None],
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
        self._scale = _Scale(most, full, hear)
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
            core = self._zeroconf.zeroconf
            async with asyncio.timeout(START_S):
                # Who is cancelled in zeroconf's own wait for it cannot close it any more.
                while not core.started:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        except (OSError, RuntimeError, zeroconf.Error) as error:
            raise failure(error) from error
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
        """Called with these names. A subtype's pointer counts for zeroconf as the service's, too,
        and an update only as the service's: so it is looked whether there is one that is wanted."""
        is_sure = state_change is not ServiceStateChange.Removed and service_type in self._wanted
        there = zeroconf.cache.current_entry_with_name_and_alias
        if is_sure or any(there(wanted, name) for wanted in self._wanted):
            self._hear(name, "there")
        elif state_change is ServiceStateChange.Removed:
            self._hear(name, "gone")


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
