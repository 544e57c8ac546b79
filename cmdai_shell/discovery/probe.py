"""Asking hosts that announce no inference service whether they have one. Never unasked.

A stock DGX Spark tells the network its name and nothing else. So, when the person wants it, hosts
of such names, and any that they name, are asked at the ports of NVIDIA's own playbooks: one GET of
the list of models each, without credentials, a few requests a host, private addresses only. What
comes back is bounded and a claim, like everything that is discovered.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

import aiohttp

from cmdai_shell import __version__
from cmdai_shell.config.environment import OWNERS
from cmdai_shell.core import Endpoint
from cmdai_shell.discovery import interfaces
from cmdai_shell.discovery.policy import PRIVATE, address, is_in
from cmdai_shell.errors import DiscoveryError
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cmdai_shell.config.trusting import IPNetwork

NAMED_BY = ("_ssh._tcp.local", "_workstation._tcp.local")
"""What hosts announce of themselves; NVIDIA's discover-sparks browses the first."""
STOCK = re.compile(r"(spark|gx10|dgx|gb10)-[a-z0-9-]{1,59}(\.local\.?)?", re.I)
"""Names that a DGX Spark (spark-1a2b), or one of its siblings by others, comes with."""

PORTS: tuple[tuple[int, str], ...] = (
    (8000, "/v1/models"),
    (8355, "/v1/models"),
    (30000, "/v1/models"),
    (11434, "/api/tags"),
    (1234, "/v1/models"),
    (9000, "/v1/models"),
)
"""Port -> what is asked there: vLLM and NIM, TensorRT-LLM, SGLang and llama.cpp, Ollama, LM Studio,
Triton's OpenAI front end; as the playbooks for the Spark have them."""

WITHIN_S, CONNECT_S = 1.5, 0.5
"""Seconds for all of a host, and for one connection."""
MOST_REQUESTS = 6
"""To one host."""
MOST_HOSTS = 32
"""Names are free: nobody in the network makes us ask hundreds."""
MOST_ADDRESSES = 3
"""Of one host that are tried, where there is no connection to the first."""
MOST_BODY = 256 << 10
"""Bytes of a list of models."""
MOST_MODELS = 50
_LONGEST_NAME = 200
_CLOSED = (401, 403)
_PRIVATE = (*PRIVATE, ip_network("fe80::/10"))
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.I)
_SCOPED = re.compile(r"[0-9a-f:.]+(%[a-z0-9._-]{1,32})?", re.I)
_RESOLVE_S = 2.0

State = Literal["open", "login", "loading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Whom to ask; ``addresses`` are numeric, the best first."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A server that answered."""

    endpoint: Endpoint
    models: tuple[str, ...] = ()
    state: State = "open"
    """``login``: it wants a key before it says more; ``loading``: it is not ready yet."""


# --- whom


def is_stock(name: str) -> bool:
    """The name is one that a DGX Spark comes with."""
    return STOCK.fullmatch(name) is not None


def own_networks(exclude: Sequence[str] = ()) -> tuple[IPNetwork, ...]:
    """Those that this machine has an address in, but for the interfaces that ``exclude`` matches
    (``docker*``); loopback is none."""
    owns = [own for link in interfaces.read(exclude).heard for own in link.addresses]
    return tuple(dict.fromkeys(own.network for own in owns if not own.ip.is_loopback))


class Round:
    """Decides who is asked, once each. ``networks`` are ours: an announcement comes from the link,
    and nobody can have us ask a machine that is elsewhere."""

    def __init__(self, networks: Sequence[IPNetwork], *, most: int = MOST_HOSTS) -> None:
        self._networks = networks
        self._most = most
        self._names: set[str] = set()
        self._addresses: set[str] = set()

    def next(self, endpoint: Endpoint) -> Host | None:
        """The host of what was announced, if it looks like a Spark and has not been asked."""
        name = endpoint.labels.get("host", "")
        if not is_stock(name) or len(self._names) >= self._most:
            return None
        name = name.rstrip(".").lower()
        said = endpoint.labels.get("addresses", "").split()[:16]
        fresh = [text for text in self._here(said) if text not in self._addresses]
        if name in self._names or not fresh:
            return None
        self._names.add(name)
        self._addresses.update(fresh)
        return Host(name=name, addresses=tuple(fresh[:MOST_ADDRESSES]))

    def _here(self, said: Iterable[str]) -> list[str]:
        found = [text for text in said if _is_private(text) and self._is_on_link(text)]
        return sorted(dict.fromkeys(found), key=_rank)

    def _is_on_link(self, text: str) -> bool:
        own = address(text)
        if own is not None and own.version == 6 and own.is_link_local:
            return "%" in text  # nothing without its interface
        return any(is_in(text, net) for net in self._networks)


def _is_numeric(text: str) -> bool:
    """An address, and of a link-local one nothing behind it but an interface's name."""
    return address(text) is not None and _SCOPED.fullmatch(text) is not None


def _is_private(text: str) -> bool:
    """Of somebody's own network, not of this machine."""
    return _is_numeric(text) and any(is_in(text, net) for net in _PRIVATE)


def _rank(text: str) -> tuple[bool, bool]:
    """Addresses that need no scope first, IPv4 before IPv6: servers listen on it more often."""
    found = address(text)
    return (bool(found and found.is_link_local), bool(found and found.version == 6))


async def named(host: str) -> Host:
    """A host that the person names, perhaps this machine. Raises DiscoveryError for a name that is
    not known, and for one of the open Internet."""
    shown = one_line(host)[:80]
    bare = host.strip().removeprefix("[").removesuffix("]")
    if not (_is_numeric(bare) or _NAME.fullmatch(bare)) or len(bare) > 255:
        hint = "--host spark-1a2b.local or --host 192.168.1.20; a URL: backends test URL"
        raise DiscoveryError(f"{shown!r} is no name or address of a host", hint)
    addresses = [bare] if _is_numeric(bare) else await resolved(bare)
    private = [text for text in addresses if _is_private(text) or _is_loopback(text)]
    if not private:
        hint = f"cmdai-shell backends test https://{shown}"
        raise DiscoveryError(f"{shown} is not in your own network: it is not asked", hint)
    ranked = sorted(dict.fromkeys(private), key=_rank)
    return Host(name=bare.lower().rstrip("."), addresses=tuple(ranked[:MOST_ADDRESSES]))


def _is_loopback(text: str) -> bool:
    found = address(text)
    return found is not None and found.is_loopback


async def resolved(name: str) -> list[str]:
    """Its addresses by the system's look-up, within 2 s. Raises DiscoveryError."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            infos = []
        with suppress(RuntimeError):  # nobody waits any longer, and the loop has ended
            loop.call_soon_threadsafe(put, [str(info[4][0]) for info in infos])

    def put(addresses: list[str]) -> None:
        if not found.done():
            found.set_result(addresses)

    # Not in the loop's own threads: a name that nobody answers for would hold up our end.
    Thread(target=look_up, daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_RESOLVE_S):
            if addresses := await found:
                return addresses
    shown = one_line(name)[:80]
    hint = f"its address instead? ping {shown}; names in .local need mDNS (libnss-mdns)"
    raise DiscoveryError(f"nobody knows where {shown} is", hint)


# --- asking


@dataclass(slots=True)
class _Account:
    """What a host was sent, and what it answered."""

    sent: int = 0
    answers: list[Answer] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    """URLs of servers that know no OpenAI API."""


async def ask(
    host: Host, *, ports: Sequence[tuple[int, str]] = PORTS, within: float = WITHIN_S
) -> tuple[Answer, ...]:
    """The servers of that host which answer in ``within`` seconds. At most ``MOST_REQUESTS`` GETs,
    all without credentials; never raises for what the host does."""
    account = _Account()
    async with _session() as session:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                async with asyncio.TaskGroup() as group:
                    for port, path in ports[:MOST_REQUESTS]:
                        group.create_task(_ask_port(session, host, port, path, account))
                for url in account.unclear:
                    if account.sent < MOST_REQUESTS:
                        await _ask_triton(session, host, url, account)
    await asyncio.sleep(
        0
    )  # transports that were closed now are gone with the next turn of the loop
    return tuple(sorted(account.answers, key=lambda answer: answer.endpoint.url))


def _session() -> aiohttp.ClientSession:
    """No proxy, redirect, cookie or compression: nothing but the host is reached, and no more than
    it sends is read."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"cmdai-shell/{__version__}", "Accept-Encoding": "identity"},
    )


async def _ask_port(
    session: aiohttp.ClientSession, host: Host, port: int, path: str, account: _Account
) -> None:
    """One request, at the first of the addresses to which there is a connection."""
    for at in host.addresses:
        url = f"http://[{at}]:{port}" if ":" in at else f"http://{at}:{port}"
        try:
            status, document = await _get(session, url + path, account)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            continue  # nobody is there, and nothing was sent
        except (aiohttp.ClientError, OSError, ValueError):
            return
        if (answer := read(host, url, path, status, document)) is not None:
            account.answers.append(answer)
        elif status == 404:
            account.unclear.append(url)
        return


async def _ask_triton(
    session: aiohttp.ClientSession, host: Host, url: str, account: _Account
) -> None:
    with suppress(aiohttp.ClientError, OSError, ValueError):
        status, document = await _get(session, f"{url}/v2", account)
        if status == 200 and isinstance(document, dict) and document.get("name") == "triton":
            account.answers.append(_answer(host, url, kind="triton"))


async def _get(session: aiohttp.ClientSession, url: str, account: _Account) -> tuple[int, Any]:
    """(status, what it sent as JSON, or None)."""
    account.sent += 1
    try:
        async with session.get(url, allow_redirects=False) as response:
            body = bytearray()
            while len(body) <= MOST_BODY and (more := await response.content.read(MOST_BODY)):
                body += more
            status = response.status
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        account.sent -= 1
        raise
    try:
        return status, json.loads(body) if len(body) <= MOST_BODY else None
    except (ValueError, RecursionError):
        return status, None


# --- what it means


def read(host: Host, url: str, path: str, status: int, document: Any) -> Answer | None:
    """What a server at ``url`` is that answers that to ``path``; None for what is no inference
    server, as far as one answer tells."""
    if not isinstance(document, dict):
        return None
    if status == 200:
        return _open(host, url, path, document)
    if "error" not in document and "detail" not in document:
        return None
    if status in _CLOSED:
        return _answer(host, url, state="login")
    if status == 503:
        return _answer(host, url, state="loading")
    return None


def _open(host: Host, url: str, path: str, document: dict[str, Any]) -> Answer | None:
    is_ollama = path == "/api/tags"
    rows = document.get("models" if is_ollama else "data")
    if not isinstance(rows, list):
        return None
    rows = [row for row in rows[:MOST_MODELS] if isinstance(row, dict)]
    models = tuple(dict.fromkeys(name for row in rows for name in _names(row)))
    kind = next((found for row in rows for found in _kinds(row)), "auto")
    return _answer(host, url, kind="ollama" if is_ollama else kind, models=models)


def _names(row: dict[str, Any]) -> Iterator[str]:
    for key in ("id", "name"):
        if isinstance(row.get(key), str) and row[key]:
            name = one_line(row[key][:_LONGEST_NAME])
            if name:
                yield name
            return


def _kinds(row: dict[str, Any]) -> Iterator[str]:
    owner = row.get("owned_by")
    if isinstance(owner, str) and owner:
        if owner in OWNERS:
            yield OWNERS[owner]
        elif owner == row.get("id"):  # TGI, router/src/server.rs
            yield "tgi"


def _answer(
    host: Host,
    url: str,
    *,
    kind: str = "auto",
    models: tuple[str, ...] = (),
    state: State = "open",
) -> Answer:
    port = url.rpartition(":")[2]
    labels = {
        "host": host.name,
        "addresses": " ".join(host.addresses),
        "auth": "bearer" if state == "login" else "",
    }
    endpoint = Endpoint(
        id=f"probe/{host.name}:{port}",
        url=url,
        kind=kind,
        source="probe",
        model=models[0] if len(models) == 1 else "",
        labels={key: text for key, text in labels.items() if text},
    )
    return Answer(endpoint=endpoint, models=models, state=state)
