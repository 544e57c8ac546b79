"""Who we are to the API server: a pod's service account, or what a kubeconfig says."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from cmdai_shell.config.environments import is_near
from cmdai_shell.discovery.cluster.shapes import namespace_of
from cmdai_shell.errors import DiscoveryError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.core import Clock

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REMEMBERED_S = 600.0
"""The shortest token that a cloud's plugin gives is good for 15 minutes."""
KUBECONFIG_S = 30.0
"""Until then a plugin (aws, gcloud, kubelogin) has given a token."""
_MOST_TOLD = 1 << 20
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_LOOK = "kubectl config view --minify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    host: str
    """``https://10.96.0.1:443``, a path at its end perhaps."""
    tls: ssl.SSLContext | None
    authorization: Callable[[], str]
    """The header of the moment; empty: a certificate says who we are, or nothing does."""
    namespace: str
    """The one that is meant where none is named."""
    is_inside: bool
    """We run in this cluster."""
    server_name: str = ""
    proxy: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the process ``kubeconfig`` prints. Texts are PEM where they are of TLS."""

    host: str = ""
    token: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True
    server_name: str = ""
    proxy: str = ""
    namespace: str = "default"
    error: str = ""


class Logins:
    """Makes logins, and remembers the last one while the files it came from are as they were: a
    source that is begun again every minute must not run a plugin each time."""

    def __init__(
        self,
        context: str,
        environ: Mapping[str, str],
        account: Path = ACCOUNT,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._context = context
        self._environ = environ
        self._account = account
        self._clock = clock
        self._last: tuple[Login, float, object] | None = None

    async def get(self, *, anew: bool) -> tuple[Login, float]:
        """And when it was made. Raises DiscoveryError."""
        files = await asyncio.to_thread(self._files)
        if self._last and not anew:
            login, made_at, seen = self._last
            if seen == files and self._clock() - made_at < REMEMBERED_S:
                return login, made_at
        self._last = None
        login = await log_in(self._context, self._environ, self._account)
        self._last = login, self._clock(), files
        return self._last[:2]

    def _files(self) -> object:
        paths = [*_kubeconfigs(self._environ).split(os.pathsep), str(self._account / "token")]
        return [_stamp(Path(path).expanduser()) for path in paths if path]


async def log_in(context: str, environ: Mapping[str, str], account: Path = ACCOUNT) -> Login:
    """By the kubeconfig if a context is asked for or ``KUBECONFIG`` is set, else as the pod that we
    are in, else by ``~/.kube/config``. Raises DiscoveryError."""
    may_be_pod = environ.get(_HOST) and not context and not environ.get("KUBECONFIG")
    if may_be_pod and await asyncio.to_thread(_exists, str(account / "token")):
        return await asyncio.to_thread(as_pod, environ, account)
    paths = _kubeconfigs(environ)
    if not await asyncio.to_thread(_exists, paths):
        raise DiscoveryError(
            f"there is no kubeconfig ({visible(paths)[:200]}), and this is no pod",
            "set KUBECONFIG to the file that kubectl uses",
        )
    told = await _ask(paths, context, environ)
    if told.error:
        raise DiscoveryError(f"the kubeconfig gives no login: {visible(told.error)}", _LOOK)
    return await asyncio.to_thread(_by_kubeconfig, told, environ)


def _kubeconfigs(environ: Mapping[str, str]) -> str:
    return environ.get("KUBECONFIG") or f"{environ.get('HOME', '~')}/.kube/config"


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def as_pod(environ: Mapping[str, str], account: Path = ACCOUNT) -> Login:
    """The token is read at each request: the kubelet replaces it every hour. Blocks."""
    host, port = environ.get(_HOST, ""), environ.get(_PORT, "443")
    host = f"[{host}]" if ":" in host else host
    try:
        context = ssl.create_default_context(cafile=str(account / "ca.crt"))
        namespace = (account / "namespace").read_text().strip()
    except OSError as error:
        raise DiscoveryError(
            f"the pod's service account cannot be read: {error.strerror or 'bad ca.crt'}",
            "automountServiceAccountToken: true, in the pod's spec",
        ) from None
    _be_as_lenient_as_kubectl(context)
    return Login(
        host=f"https://{host}:{port}",
        tls=context,
        authorization=lambda: _bearer(account / "token"),
        namespace=namespace_of(namespace) or "default",
        is_inside=True,
    )


def _bearer(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, ValueError):
        return ""  # the API server will say 401
    return f"Bearer {token}" if token.isascii() and token.isprintable() else ""


def _exists(paths: str) -> bool:
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)


async def _ask(paths: str, context: str, environ: Mapping[str, str]) -> Told:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "cmdai_shell.discovery.cluster.kubeconfig", paths),
        *([context] if context else []),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(environ),
        limit=_MOST_TOLD,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(KUBECONFIG_S):
            said = await process.stdout.readline() if process.stdout else b""
            return msgspec.json.decode(said, type=Told)
    except TimeoutError:
        raise DiscoveryError(
            f"the kubeconfig's plugin has given no login in {KUBECONFIG_S:.0f} s", "kubectl version"
        ) from None
    except ValueError:  # msgspec's, and of a line that is too long
        raise DiscoveryError("the kubeconfig gives no login", _LOOK) from None
    finally:
        with suppress(ProcessLookupError):  # its plugin, too
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _by_kubeconfig(told: Told, environ: Mapping[str, str]) -> Login:
    """Blocks."""
    parts = urlsplit(told.host)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise DiscoveryError("the kubeconfig names no server", _LOOK)
    if parts.scheme == "http" and not is_near(host):
        raise DiscoveryError(f"the API server {host} is not of the own network, and http", _LOOK)
    inside = {environ.get(_HOST, ""), "kubernetes.default.svc"} if environ.get(_HOST) else set()
    return Login(
        host=told.host.rstrip("/"),
        tls=_context(told) if parts.scheme == "https" else None,
        authorization=lambda: told.token,
        namespace=namespace_of(told.namespace) or "default",
        is_inside=host in inside,
        server_name=told.server_name,
        proxy=told.proxy,
    )


def _context(told: Told) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=told.ca or None)
        if told.cert:
            _load_key(context, told)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or "not PEM"
        raise DiscoveryError(f"the kubeconfig's certificates: {reason}", _LOOK) from None
    if not told.verify:  # the person's own file says so
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _be_as_lenient_as_kubectl(context)
    return context


def _load_key(context: ssl.SSLContext, told: Told) -> None:
    """Python takes a key from a file only; this one is gone when we return."""
    with tempfile.NamedTemporaryFile("w", prefix="cmdai-") as file:  # mode 0600
        file.write(f"{told.cert}\n{told.key}\n")
        file.flush()
        context.load_cert_chain(file.name)


def _be_as_lenient_as_kubectl(context: ssl.SSLContext) -> None:
    """Python 3.13 wants extensions in a CA that those of many clusters have not got."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
