"""TLS from files: an authority to trust, our certificate and its key; read anew at a change."""

from __future__ import annotations

import logging
import re
import ssl
import stat
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cmdai_shell.auth.blocking import aside
from cmdai_shell.auth.pins import Pins
from cmdai_shell.errors import BackendDenied, CmdaiError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cmdai_shell.auth.authenticator import Request
    from cmdai_shell.core import Clock

    Passphrase = Callable[[], str | None]
    """Of the key; None: it is not known. May block."""

LARGEST = 1 << 20
TIMEOUT_S = 3.0
"""For a file system that hangs."""
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM. The key may be in the certificate's file; without ``ca`` the system's authorities."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    environment: str = field(default="", compare=False)
    """Whose they are, for what is to be typed."""

    def marks(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Other than before: a file has changed. Blocks."""
        return tuple(_mark(path) for path in (self.ca, self.certificate, self.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    context: ssl.SSLContext
    certificate: x509.Certificate | None


def load(files: TlsFiles, passphrase: Passphrase | None = None) -> Loaded:
    """Chain and host are checked, TLS is 1.2 or newer. Blocks. Raises ConfigError, which names the
    file."""
    context = ssl.create_default_context()
    if files.ca:
        context = _trusting(files.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate is None:
        if files.key:
            raise ConfigError(f"{files.key} is a key without a certificate", "set tls_cert_path")
        return Loaded(context=context, certificate=None)
    certificate = _certificate(files.certificate)
    key = files.key or files.certificate
    login = "cmdai-shell auth login"
    if files.environment:
        login += f" --environment {files.environment}"
    said = _checked_key(key, certificate, files.certificate, passphrase, login)
    try:
        context.load_cert_chain(files.certificate, key, (lambda: said) if said else None)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", "") or "cannot be read"
        raise ConfigError(f"{files.certificate} or {key} cannot be used: {reason}") from None
    return Loaded(context=context, certificate=certificate)


def also_systems(files: TlsFiles, passphrase: Passphrase | None = None) -> ssl.SSLContext:
    """For an identity provider, which may be a public one: the system's authorities beside ours.
    Blocks. Raises ConfigError."""
    context = load(files, passphrase).context
    context.load_default_certs()
    return context


def dated(certificate: x509.Certificate, path: Path, wall: float) -> None:
    """Raises ConfigError before its time and after it."""
    now = datetime.fromtimestamp(wall, UTC)
    end, start = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > end:
        raise ConfigError(
            f"the certificate {path} expired on {end:%Y-%m-%d %H:%M} UTC",
            f"put a new one there; it is taken up by itself: {path}",
        )
    if now < start:
        raise ConfigError(
            f"the certificate {path} is valid from {start:%Y-%m-%d %H:%M} UTC only",
            "see whether this machine's clock is right: date -u",
        )


class Tls:
    """Of one environment. A change of the files makes a new context, which new connections use; a
    renewal that is half written leaves the old one in use."""

    def __init__(
        self,
        files: TlsFiles | None = None,
        pins: Sequence[str] = (),
        *,
        passphrase: Passphrase | None = None,
        wall: Clock = time.time,
    ) -> None:
        self._files = files or TlsFiles()
        self._passphrase = passphrase
        self._wall = wall
        self._pins = Pins(pins) if pins else None
        self._has_files = self._files != TlsFiles()
        self._loaded: Loaded | None = None
        self._marks: tuple[object, ...] = ()
        self._refused: tuple[object, ...] = ()

    async def refresh(self) -> None:
        """See whether the files have changed. Raises BackendDenied if they cannot be used."""
        if not self._has_files:
            return
        try:
            await aside(TIMEOUT_S, self._refresh)
        except TimeoutError:
            raise BackendDenied(f"reading {self._names()} takes too long") from None
        except CmdaiError as error:  # the passphrase's store too
            raise BackendDenied(error.message, error.hint) from None

    def ssl(self) -> ssl.SSLContext | None:
        """As ``refresh`` found it; at first it blocks."""
        if self._has_files and self._loaded is None:
            try:
                self._refresh()
            except CmdaiError as error:
                raise BackendDenied(error.message, error.hint) from None
        return self._loaded.context if self._loaded else None

    def pin(self) -> Pins | None:
        return self._pins

    def expires(self) -> float | None:
        """When our certificate ends, Unix time; None: there is none, or none was read yet."""
        certificate = self._loaded.certificate if self._loaded else None
        return certificate.not_valid_after_utc.timestamp() if certificate else None

    def _refresh(self) -> None:
        marks = self._files.marks()
        if self._loaded is None or marks not in (self._marks, self._refused):
            try:
                self._loaded = load(self._files, self._passphrase)
                self._marks = marks
            except CmdaiError as error:
                if self._loaded is None:
                    raise
                self._refused = marks
                fields = {"error": error.message}
                log.warning("changed TLS files cannot be used yet", extra={"fields": fields})
        if self._loaded.certificate and self._files.certificate:
            dated(self._loaded.certificate, self._files.certificate, self._wall())

    def _names(self) -> str:
        files = (self._files.ca, self._files.certificate, self._files.key)
        return ", ".join(str(path) for path in files if path)


class OverTls:
    """What authenticators have in common: nothing in the headers, TLS of the environment."""

    def __init__(self, tls: Tls | None = None) -> None:
        self.tls = tls or Tls()

    @property
    def cure(self) -> str:
        return ""

    async def headers(self, _: Request | None = None) -> Mapping[str, str]:
        await self.tls.refresh()
        return {}

    async def invalidate(self) -> bool:
        return False

    def ssl(self) -> ssl.SSLContext | None:
        return self.tls.ssl()

    def pin(self) -> Pins | None:
        return self.tls.pin()


class MutualTls(OverTls):
    """Our certificate says who asks."""

    def __init__(self, tls: Tls) -> None:
        super().__init__(tls)

    @property
    def cure(self) -> str:
        return "cmdai-shell auth status"


def _mark(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path, key: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST)
    except OSError as error:
        why = (error.strerror or "failed").lower()
        raise ConfigError(
            f"{path} cannot be read: {why}", f"see {key} in the environment"
        ) from None


def _trusting(path: Path) -> ssl.SSLContext:
    """What stands between the certificates may be in any script."""
    found = _CERTIFICATE.findall(_read(path, "tls_ca_path"))
    try:
        text = b"\n".join(found).decode("ascii")
        return ssl.create_default_context(cadata=text or "none")  # for "" it trusts the system's
    except (ssl.SSLError, ValueError):
        raise ConfigError(
            f"{path} holds no certificate of an authority in PEM",
            "it begins with -----BEGIN CERTIFICATE-----; see tls_ca_path",
        ) from None


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(_read(path, "tls_cert_path"))[0]
    except ValueError:
        raise ConfigError(
            f"{path} holds no certificate in PEM",
            "it begins with -----BEGIN CERTIFICATE-----; see tls_cert_path",
        ) from None


def _checked_key(
    path: Path, certificate: x509.Certificate, of: Path, passphrase: Passphrase | None, login: str
) -> str | None:
    """The passphrase it needs, which ``login`` stores."""
    data = _read(path, "tls_key_path")
    if path.stat().st_mode & stat.S_IRWXO:
        raise ConfigError(f"everybody on this machine can use the key {path}", f"chmod o= {path}")
    said: str | None = None
    try:
        try:
            key = load_pem_private_key(data, None)
        except TypeError:  # encrypted
            said = passphrase() if passphrase else None
            if not said:
                raise ConfigError(
                    f"the key {path} is encrypted, and its passphrase is not known", login
                ) from None
            key = load_pem_private_key(data, said.encode())
    except (ValueError, UnsupportedAlgorithm):
        if said:
            raise ConfigError(f"the passphrase for the key {path} is wrong", login) from None
        raise ConfigError(f"{path} holds no key in PEM", "see tls_key_path") from None
    if key.public_key() != certificate.public_key():
        raise ConfigError(
            f"the key {path} does not belong to the certificate {of}",
            "see tls_cert_path and tls_key_path",
        )
    return said
