"""One look at each server that is written down or approved: what the checks in ``servers`` judge.

A server gets what ``backends test`` sends it, two small sums and its own login, and before that a
HEAD request without credentials, for its Date. Nothing is written, no key is learnt for later.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdai_shell.config.environments import endpoints, is_near, place
from cmdai_shell.core import Handshake
from cmdai_shell.diagnose import approved
from cmdai_shell.diagnose.routes import Route, routes
from cmdai_shell.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.config import Config
    from cmdai_shell.config.environment import Environment, Place
    from cmdai_shell.core import Endpoint, Load, Server
    from cmdai_shell.diagnose.surroundings import Surroundings
    from cmdai_shell.discovery.approval import Approval

STEP_S, SHAKE_S = 3.0, 10.0
"""For each of name, connections, certificate and date; for the sums."""
LOOK_S = 4 * STEP_S + SHAKE_S + STEP_S + 2.0
_DIALS = 3
_HEAD = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``connect`` sends no byte; it raises ConfigError."""

    name: str
    url: str
    place: Place
    connect: Callable[[], Server]
    environment: str = ""
    """In whose file it is written down."""
    has_others: bool = False
    """Its environment has more servers: there is a choice."""
    key: str = ""
    """Environment variable that has to hold its key."""
    forget: str = ""
    """Of one that was approved: what to type before its other key can be approved."""
    is_key_alone: bool = False
    """Known by its key; what its certificate says besides does not count."""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def is_tls(self) -> bool:
        return self.url.startswith("https:")


@dataclass(slots=True, kw_only=True)
class Seen:
    """None and empty where a look did not come so far."""

    no_name: str = ""
    """Why its name gave no address."""
    route: Route | None = None
    no_connection: str = ""
    """``refused``, ``timeout``, or what the kernel said."""
    round_trip: float | None = None
    """Seconds of the fastest of some TCP connections."""
    valid: tuple[float, float] | None = None
    """Of its certificate: from and until, Unix seconds."""
    skew: float | None = None
    """Seconds its clock is ahead of ours."""
    status: int = 0
    """Of the HEAD request."""
    shaken: Handshake | None = None
    load: Load | None = None


# --- which


def targets(around: Surroundings) -> tuple[Target, ...]:
    """Those written down, then those approved. Raises ConfigError for a trust file that somebody
    else could have written."""
    from cmdai_shell.discovery.trust import TrustStore

    config = around.settings()
    written = tuple(_written(config, around))
    urls = {target.url for target in written}
    found = TrustStore(around.data_dir).approvals()
    return (*written, *(_approved(a, config, around) for a in found if a.url not in urls))


def _written(config: Config, around: Surroundings) -> Iterator[Target]:
    for environment in config.environments.values():
        for endpoint in endpoints(environment):
            yield Target(
                name=endpoint.id,
                url=endpoint.url,
                place=place(environment),
                connect=partial(_connect, endpoint, environment, config, around),
                environment=environment.id,
                has_others=len(endpoints(environment)) > 1,
                key=environment.api_key_env if environment.scheme == "api_key" else "",
            )


def _connect(
    endpoint: Endpoint, environment: Environment, config: Config, around: Surroundings
) -> Server:
    from cmdai_shell import backends
    from cmdai_shell.backends import places

    login = places.logins(environment, config, around.environ)(endpoint.url, endpoint.kind)
    return backends.connect(endpoint, places.settings(login, config.load_balancing))


def _approved(approval: Approval, config: Config, around: Surroundings) -> Target:
    from cmdai_shell.discovery.trust import forget_hint

    environment = config.environments.get(approval.environment)
    near = is_near(urlsplit(approval.url).hostname or "")

    return Target(
        name=approval.name,
        url=approval.url,
        place=place(environment) if environment else "local" if near else "cloud",
        connect=partial(approved.connect, approval, config, around.environ),
        forget=forget_hint(approval.name),
        is_key_alone=approval.is_key_alone,
    )


# --- looking


def look(target: Target) -> Seen:
    """Takes at most ``LOOK_S``; for a thread of its own."""
    return asyncio.run(_look(target))


async def _look(target: Target) -> Seen:
    seen = Seen()
    if not await _named(target, seen):
        return seen
    found = await asyncio.to_thread(routes, {target.host})
    seen.route = found.get(target.host)
    await _dialled(target, seen)
    if seen.round_trip is None:
        return seen
    await _greeted(target, seen)
    await _asked(target, seen)
    return seen


async def _named(target: Target, seen: Seen) -> bool:
    with suppress(ValueError):
        return bool(ip_address(target.host.partition("%")[0]))
    try:
        async with asyncio.timeout(STEP_S):
            await asyncio.wrap_future(_resolving(target.host, target.port))
    except TimeoutError:
        seen.no_name = f"no name server answers within {STEP_S:g} s"
    except (OSError, UnicodeError) as error:
        seen.no_name = (getattr(error, "strerror", "") or str(error)).lower()
    return not seen.no_name


def _resolving(host: str, port: int) -> Future[None]:
    """In a daemon thread: the end of the program does not wait for a dead name server."""
    answer: Future[None] = Future()

    def resolve() -> None:
        error: BaseException | None = None
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except BaseException as problem:
            error = problem
        if answer.set_running_or_notify_cancel():
            answer.set_exception(error) if error else answer.set_result(None)

    threading.Thread(target=resolve, name=f"name of {host}", daemon=True).start()
    return answer


async def _dialled(target: Target, seen: Seen) -> None:
    """The fastest counts: one that waited for us to wake up says nothing of the network."""
    try:
        async with asyncio.timeout(STEP_S):
            for _ in range(_DIALS):
                begun = time.perf_counter()
                _, writer = await asyncio.open_connection(target.host, target.port)
                spent = time.perf_counter() - begun
                seen.round_trip = min(spent, seen.round_trip or spent)
                writer.close()
    except TimeoutError:
        seen.no_connection = "" if seen.round_trip is not None else "timeout"
    except ConnectionRefusedError:
        seen.no_connection = "refused"
    except OSError as error:
        seen.no_connection = (error.strerror or str(error)).lower()
    if seen.no_connection:
        seen.round_trip = None


async def _greeted(target: Target, seen: Seen) -> None:
    """Its certificate, whoever made it, and its Date. Both may be missing."""
    context = None
    if target.is_tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # nothing secret is said, and no answer is believed
    with suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(STEP_S):
            reader, writer = await asyncio.open_connection(
                target.host, target.port, ssl=context, limit=_HEAD
            )
            try:
                if tls := writer.get_extra_info("ssl_object"):
                    seen.valid = _validity(tls.getpeercert(binary_form=True) or b"")
                host = urlsplit(target.url).netloc
                writer.write(
                    f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
                )
                await writer.drain()
                head = await reader.readuntil(b"\r\n\r\n")
                seen.status, seen.skew = read_head(head, time.time())
            finally:
                writer.transport.abort()


def _validity(certificate: bytes) -> tuple[float, float]:
    from cryptography import x509

    found = x509.load_der_x509_certificate(certificate)
    return found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()


def read_head(head: bytes, now: float) -> tuple[int, float | None]:
    """Status and skew, of the first lines of an answer; 0 and None where they do not say."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    is_http = len(words) > 1 and words[0].startswith("HTTP/")
    status = int(words[1]) if is_http and words[1].isascii() and words[1].isdigit() else 0
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "date":
            with suppress(ValueError, OverflowError, TypeError):
                return status, parsedate_to_datetime(value.strip()).timestamp() - now
    return status, None


async def _asked(target: Target, seen: Seen) -> None:
    try:
        server = target.connect()
    except ConfigError as error:  # a package that is missing, say
        seen.shaken = Handshake(state="wrong-answer", detail=error.message, hint=error.hint)
        return
    try:
        seen.shaken = await server.handshake(SHAKE_S)
        if seen.shaken.state in ("ok", "slow"):
            with suppress(BackendError):
                seen.load = await server.load(STEP_S)
    finally:
        await server.aclose()
