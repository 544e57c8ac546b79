"""Digests that a server's certificate, or its key, must have, beside all that is checked anyway."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import TYPE_CHECKING

import aiohttp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

_FORM = re.compile(
    r"(?i:sha256(?://|[/:=]))?(?:(?P<hex>(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2})"
    r"|(?P<base64>[A-Za-z0-9+/]{43}=))"
)


def parse(text: str) -> bytes:
    """A sha256 as ``sha256/BASE64`` (RFC 7469) or in hex, with colons or without. Raises
    ConfigError."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ConfigError(
            f"{text[:80]!r} is no sha256 of a certificate or key",
            "cert_pinning_sha256 takes sha256/BASE64 or 64 hex digits",
        )
    if found["hex"]:
        return bytes.fromhex(found["hex"].replace(":", ""))
    return base64.b64decode(found["base64"])


def written(digest: bytes) -> str:
    return f"sha256/{base64.b64encode(digest).decode()}"


def read(certificate: bytes) -> x509.Certificate:
    """One in DER whose key can be read. Raises ValueError: what is in it is anybody's to write."""
    try:
        found = x509.load_der_x509_certificate(certificate)
        found.public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    return found


def of_key(certificate: bytes) -> bytes:
    """Of the public key (SPKI) in a DER certificate: the same after a renewal with the same key.
    Raises ValueError."""
    key = read(certificate).public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


class Pins(aiohttp.Fingerprint):
    """For a connector; each request names the SSL context too, since aiohttp takes a fingerprint
    alone as leave to check nothing else. One of the pins must be the sha256 of the server's key or
    of its whole certificate. Checked when a connection is made, before any byte of a request."""

    def __init__(self, pins: Iterable[str]) -> None:
        self._pins = frozenset(parse(pin) for pin in pins)
        if not self._pins:
            raise ConfigError("no pin is given", "cert_pinning_enabled = false switches pins off")
        super().__init__(next(iter(self._pins)))

    def check(self, transport: asyncio.Transport) -> None:
        connection = transport.get_extra_info("ssl_object")
        if connection is None:
            return  # plain http
        certificate = connection.getpeercert(binary_form=True)
        key = of_key(certificate)
        if self._pins.isdisjoint((key, sha256(certificate).digest())):
            host, port, *_ = transport.get_extra_info("peername")
            raise aiohttp.ServerFingerprintMismatch(self.fingerprint, key, host, port)
