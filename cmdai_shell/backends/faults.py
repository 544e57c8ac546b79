"""Why a connection failed: aiohttp's exceptions as ours, with a cause that a breaker can count."""

from __future__ import annotations

import errno
import re
import shlex
import ssl

import aiohttp

from cmdai_shell.auth.carrying import may_carry, only_this_machine
from cmdai_shell.backends.resolver import Elsewhere, NotNear, NotSaid
from cmdai_shell.errors import BackendUnavailable

_NO_WAY = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
)
"""The kernel knows at once that nobody is there."""

_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_: no issuer, self-signed, so in the chain, no local issuer, no first one."""
_AUTHORITY = "/path/ca.pem"
CLIENT_CERTIFICATE = "perhaps it wants a client certificate: tls_cert_path, tls_key_path"
"""Not every server says so by an alert."""

STALE = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)
"""What writing to a kept connection raises that the server has closed meanwhile."""


def test_hint(name: str) -> str:
    """What to type for a server in doubt."""
    return f"cmdai-shell backends test {shlex.quote(name)}"


def key_hint(name: str, url: str) -> str:
    """What to type where the server at ``url`` wants to know who asks, and nothing says it yet.
    ``name``: of an environment's server, or its URL if it is in none."""
    if "://" in name:
        return "--api-key-env NAME: the environment variable that holds its key"
    environment = name.partition("/")[0]
    variable = re.sub(r"\W", "_", environment.upper()) + "_API_KEY"
    setting = f"cmdai-shell config set environments.{environment}"
    is_open = not may_carry(url, only_this_machine)
    return "; ".join(
        [
            f"{setting}.api_key_env {variable}",
            *[f"{setting}.allow_http_credentials true"] * is_open,
            f"export {variable}=...",
            "cmdai-shell daemon restart",
        ]
    )


def authority_hint(name: str) -> str:
    """What to type where its certificate is of an authority that this machine does not know.
    ``name`` as for ``key_hint``; for one that was found and belongs to no environment, its test."""
    if "://" in name:
        url = shlex.quote(name)
        return f"cmdai-shell config add-environment NAME --url {url} --set tls_ca_path={_AUTHORITY}"
    environment, is_written, _ = name.partition("/")
    if not is_written:
        return test_hint(name)
    return f"cmdai-shell config set environments.{environment}.tls_ca_path {_AUTHORITY}"


def unavailable(
    error: Exception, *, server: str, heard: bool = False, is_tls_fresh: bool = False
) -> BackendUnavailable:
    """``heard``: something of the answer had come before it failed. ``is_tls_fresh``: its
    connection had just been made, with TLS."""
    cause, words = _cause(error, heard)
    hint = authority_hint(server) if _is_unknown_authority(error) else test_hint(server)
    if cause == "reset" and is_tls_fresh and not heard:
        words, hint = "closed the connection right after the TLS handshake", CLIENT_CERTIFICATE
    return BackendUnavailable(f"{server} {words}", hint, cause)


def _cause(error: Exception, heard: bool) -> tuple[str, str]:
    if (tls := _tls(error)) is not None:
        return "tls", f"cannot be trusted: {tls}" if tls else "refused our TLS certificate"
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "connect", "does not accept a connection in time"
        case TimeoutError():
            return ("stall", "stopped in mid-answer") if heard else ("timeout", "gave no answer")
        case aiohttp.ClientConnectorDNSError(os_error=NotNear()):
            open_ = "http:// would send your words and any key unencrypted; use https://"
            return "dns", f"is not in your own network: {open_}"
        case aiohttp.ClientConnectorDNSError(os_error=Elsewhere()):
            return "dns", "has a name that leads elsewhere than it was trusted for"
        case aiohttp.ClientConnectorDNSError(os_error=NotSaid()):
            return "connect", "has a name that no name server resolves in time"
        case aiohttp.ClientConnectorDNSError():
            return "dns", "has a name that cannot be resolved"
        case aiohttp.ClientConnectorError() if error.os_error.errno in _NO_WAY:
            return "refused", "does not listen: the connection was refused"
        case aiohttp.ClientConnectorError():
            return "refused", "cannot be reached"
        case aiohttp.ClientPayloadError():
            return "reset", "broke off in mid-answer"
        case aiohttp.ClientConnectionError() | ConnectionError():
            return "reset", "closed the connection"
        case _:
            return "garbage", "did not answer in HTTP"


def _is_unknown_authority(error: Exception) -> bool:
    found = getattr(error, "certificate_error", None)
    return getattr(found, "verify_code", 0) in _UNKNOWN_AUTHORITY


def _tls(error: BaseException) -> str | None:
    """Why TLS failed, None if it did not. A server that wants a client certificate says so, with
    TLS 1.3, only at the first read: an alert inside an OSError (RFC 8446 4.4.2.4)."""
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return "its key is not the one that was pinned"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
        return str(getattr(found, "verify_message", "") or "its certificate is wrong").lower()
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        said = str(error.os_error)  # TLS 1.2 says so in the handshake (RFC 5246 7.2)
        if "ALERT" in said and "PROTOCOL_VERSION" not in said:
            return ""
        return "it does not speak TLS that we understand"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError) or "alert" in str(getattr(seen, "strerror", "") or ""):
            return ""
        seen = seen.__cause__ or seen.__context__
    return None
