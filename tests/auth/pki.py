"""Authorities, certificates and keys, as files; and a TLS server that logs what reaches it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

trustme = pytest.importorskip("trustme", reason="trustme is not installed")

PASSPHRASE = "planted-passphrase-77"


class Pki:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, name: str, *names: str, passphrase: str = "", **more: object) -> None:
        """``name.pem`` and ``name.key``, the key under the passphrase."""
        cert = self.authority.issue_cert(*(names or ("127.0.0.1", "localhost")), **more)
        key = cert.private_key_pem.bytes()
        self.write(name, b"".join(it.bytes() for it in cert.cert_chain_pems), key, passphrase)

    def write(self, name: str, certificate: bytes, key: bytes, passphrase: str = "") -> None:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if passphrase:
            key = load_pem_private_key(key, None).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
            )
        self.pem(name).write_bytes(certificate)
        self.key(name).write_bytes(key)
        self.key(name).chmod(0o600)

    def pem(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def der(self, name: str) -> bytes:
        found = x509.load_pem_x509_certificates(self.pem(name).read_bytes())[0]
        return found.public_bytes(Encoding.DER)

    def renewed(self, name: str, again: str) -> None:
        """Another certificate, signed by a new authority of ours, of the same key."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        signer = ec.generate_private_key(ec.SECP256R1())
        key = load_pem_private_key(self.key(name).read_bytes(), None)
        old = x509.load_pem_x509_certificates(self.pem(name).read_bytes())[0]
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"for {again}")])
        now = datetime.now(UTC)
        dates = (now - timedelta(days=1), now + timedelta(days=9))

        def made(subject: x509.Name, public: object) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(issuer)
                .public_key(public)  # type: ignore[arg-type]
                .serial_number(x509.random_serial_number())
                .not_valid_before(dates[0])
                .not_valid_after(dates[1])
            )

        root = made(issuer, signer.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        leaf = made(x509.Name([]), key.public_key()).add_extension(names.value, critical=True)
        self.write(
            again,
            leaf.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )
        with self.ca.open("ab") as file:
            file.write(root.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM))


@dataclass
class Listener:
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    """What came through a finished handshake, by connection."""
    subjects: list[str] = field(default_factory=list)
    """Of the clients' certificates."""


@asynccontextmanager
async def listening(
    pki: Pki, name: str, *, asks_client: bool = False, crl: Path | None = None
) -> AsyncIterator[Listener]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.pem(name), pki.key(name))
    if asks_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki.ca)
    if crl:
        context.load_verify_locations(crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    log = Listener()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                log.requests.append(request)
                peer = writer.get_extra_info("peercert")
                log.subjects.append(str(peer.get("serialNumber")) if peer else "")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                await writer.drain()
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    log.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield log
