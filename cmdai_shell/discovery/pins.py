"""Servers known by their key: learnt at the first connection, checked before every request.

The pin is of the public key, not of the certificate: a renewed one with the same key is the same
server. A box in the own network that made its certificate itself is known by its key alone.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import time
from dataclasses import dataclass
from ssl import (
    CERT_NONE,
    PROTOCOL_TLS_CLIENT,
    SSLCertVerificationError,
    SSLContext,
    SSLError,
    TLSVersion,
    create_default_context,
)
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from cmdai_shell.auth import pins
from cmdai_shell.config.environments import is_near
from cmdai_shell.errors import BackendDenied, BackendUnavailable, CmdaiError
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cmdai_shell.auth.authenticator import Authenticator, Request
    from cmdai_shell.core import Clock

PIN = re.compile(r"sha256/([A-Za-z0-9+/]{43}=)")
LEARN_S = 2.0
"""For the connections that learn a key, both together."""
_HAPPY_EYEBALLS_S = 0.25
_CAUSES = (
    (socket.gaierror, "dns"),
    (UnicodeError, "dns"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "reset"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedIdentity:
    """What a server showed in a TLS handshake. It has proved that it has the key; nothing else of
    this is more than a claim unless ``is_chain_valid``."""

    spki: str
    """``sha256/`` and base64."""
    subject: str
    """As it calls itself: one line, at most 200 characters."""
    is_chain_valid: bool
    """An authority that this machine trusts says that it is that host, today."""
    not_after: float
    """Unix seconds."""
    address: str
    """The one that was connected to."""
    problem: str = ""
    """Why the chain is not valid, in OpenSSL's words."""


def spki(certificate: bytes) -> str:
    """The pin of a certificate in DER. Raises ValueError for what is none."""
    return pins.written(pins.of_key(certificate))


async def learn(
    host: str,
    port: int,
    timeout: float,
    *,
    authorities: Callable[[], SSLContext] = create_default_context,
) -> LearnedIdentity:
    """Ask who is there; nothing but a TLS handshake is sent. ``authorities`` makes the context that
    says whom to trust; it may read files. Raises BackendUnavailable.

    Where the certificate does not stand the check, a second connection without one learns the key.
    """
    checking = await asyncio.to_thread(authorities)
    shown = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout):
            try:
                certificate, address = await _shake(host, port, checking)
                problem = ""
            except SSLCertVerificationError as error:
                problem = str(getattr(error, "verify_message", "") or "not valid").lower()
                certificate, address = await _shake(host, port, unchecked())
    except TimeoutError:
        raise BackendUnavailable(
            f"{shown} does not finish a TLS handshake in time", cause="connect"
        ) from None
    except SSLError:
        raise BackendUnavailable(
            f"{shown} does not speak TLS that we understand", cause="tls"
        ) from None
    except (OSError, UnicodeError) as error:
        cause = next((word for kind, word in _CAUSES if isinstance(error, kind)), "refused")
        raise BackendUnavailable(f"{shown} cannot be reached", cause=cause) from None
    try:
        return _identity(certificate, address, problem)
    except ValueError:
        raise BackendUnavailable(
            f"{shown} has a certificate that cannot be read", cause="tls"
        ) from None


class PinnedAtFirstUse:
    """The login of one https server that was found, and the check of its identity.

    ``pin`` empty: nothing is known yet, and no request can be sent until ``meet`` has learned it;
    ``headers`` sees to that by itself. ``remember`` keeps what was learned before it is used.
    ``is_key_alone``: with the pin, no authority is asked. An inner login that brings authorities or
    a pin of its own keeps them: the person wrote them down, and they hold beside this one.
    """

    def __init__(
        self,
        inner: Authenticator,
        url: str,
        *,
        remember: Callable[[LearnedIdentity], Awaitable[None]],
        pin: str = "",
        is_key_alone: bool = False,
        on_mismatch: Callable[[str], None] = lambda _: None,
        name: str = "",
        hint: str = "",
        authorities: Callable[[], SSLContext] = create_default_context,
        wall: Clock = time.time,
    ) -> None:
        """``on_mismatch`` is told the other key that was seen. ``hint``: what to type where what
        was learned cannot be kept, unless that says it."""
        parts = urlsplit(url)
        self._inner = inner
        self._host = parts.hostname or ""
        self._port = parts.port or 443
        self._name = name or f"{self._host}:{self._port}"
        self._hint = hint
        self._remember = remember
        self._authorities = authorities
        self._wall = wall
        self._meeting = asyncio.Lock()
        self._context: SSLContext | None = None
        self.is_key_alone = is_key_alone
        self._check = _KeyCheck(on_mismatch, inner.pin())
        self._check.expected = pin

    def __repr__(self) -> str:
        return f"PinnedAtFirstUse({self._name!r})"

    @property
    def expected(self) -> str:
        """The pin, empty while nothing is known."""
        return self._check.expected

    async def meet(self, timeout: float = LEARN_S) -> None:
        """Learn who the server is, if that is not known. Raises BackendUnavailable, and
        BackendDenied where it cannot be kept or is nobody to trust."""
        async with self._meeting:
            if self.expected:
                return
            found = await learn(self._host, self._port, timeout, authorities=self._trusted)
            self._consider(found)
            try:
                await self._remember(found)
            except CmdaiError as error:
                raise BackendDenied(
                    f"{self._name}: {error.message}", error.hint or self._hint
                ) from None
            if self._inner.ssl() is None:
                make = self._authorities if found.is_chain_valid else unchecked
                self._context = await asyncio.to_thread(make)
            self.is_key_alone = not found.is_chain_valid
            self._check.expected = found.spki

    @property
    def cure(self) -> str:
        return self._inner.cure

    async def headers(self, request: Request | None = None) -> Mapping[str, str]:
        await self.meet()
        return await self._inner.headers(request)

    async def invalidate(self) -> bool:
        return await self._inner.invalidate()

    def ssl(self) -> SSLContext:
        own = self._inner.ssl()
        if own is not None:
            return own
        if self._context is None:
            is_alone = self.is_key_alone and bool(self.expected)
            self._context = unchecked() if is_alone else self._authorities()
        return self._context

    def pin(self) -> aiohttp.Fingerprint:
        return self._check

    def _trusted(self) -> SSLContext:
        return self._inner.ssl() or self._authorities()

    def _consider(self, found: LearnedIdentity) -> None:
        has_authority = self._inner.ssl() is not None
        if hint := doubt(found, self._wall(), has_authority=has_authority):
            raise BackendDenied(f"{self._name} cannot be trusted: {found.problem}", hint)


def doubt(found: LearnedIdentity, now: float, *, has_authority: bool = False) -> str:
    """Why somebody of whom nothing is known yet cannot be known by that from now on, as what to do
    about it; or empty. ``has_authority``: the person wrote down who has to vouch for it."""
    if found.is_chain_valid:
        return ""
    if has_authority:
        return "the authority in its environment's file says who it is"
    if found.not_after < now:
        return "renew its certificate there"
    if not is_near(found.address):
        return "outside the own network an authority has to say who it is"
    return ""


class UnknownKey(aiohttp.ServerFingerprintMismatch):
    """Raised when a connection stands and before anything is sent over it."""


class _KeyCheck(aiohttp.Fingerprint):
    """aiohttp calls ``check`` for each new connection before the request is written."""

    def __init__(
        self, on_mismatch: Callable[[str], None], also: aiohttp.Fingerprint | None
    ) -> None:
        super().__init__(bytes(32))
        self._on_mismatch = on_mismatch
        self._also = also
        self.expected = ""

    def check(self, transport: asyncio.Transport) -> None:
        certificate = _certificate(transport)
        try:
            there = spki(certificate)
        except ValueError:
            there = ""
        if not there or there != self.expected:
            if self.expected:
                self._on_mismatch(there)
            host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
            raise UnknownKey(_digest(self.expected), _digest(there), host, port)
        if self._also is not None:
            self._also.check(transport)


def unchecked() -> SSLContext:
    """Any certificate will do: never without a pin, and never for more than a handshake."""
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    context.minimum_version = TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = CERT_NONE
    return context


async def _shake(host: str, port: int, context: SSLContext) -> tuple[bytes, str]:
    """The certificate in DER, and the address."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(
        asyncio.Protocol,
        host,
        port,
        ssl=context,
        server_hostname=host.partition("%")[0],
        happy_eyeballs_delay=_HAPPY_EYEBALLS_S,
    )
    try:
        return _certificate(transport), str(transport.get_extra_info("peername")[0])
    finally:
        transport.abort()


def _certificate(transport: asyncio.BaseTransport) -> bytes:
    """Empty where there is none."""
    seen = transport.get_extra_info("ssl_object")
    return (seen.getpeercert(binary_form=True) if seen else None) or b""


def _identity(certificate: bytes, address: str, problem: str) -> LearnedIdentity:
    parsed = pins.read(certificate)
    return LearnedIdentity(
        spki=spki(certificate),
        subject=one_line(parsed.subject.rfc4514_string(), 200),
        is_chain_valid=not problem,
        not_after=parsed.not_valid_after_utc.timestamp(),
        address=address,
        problem=problem,
    )


def _digest(pin: str) -> bytes:
    found = PIN.fullmatch(pin)
    return base64.b64decode(found[1]) if found else bytes(32)
