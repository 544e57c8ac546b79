"""Making a server of this machine known: announced for as long as we run, or by Avahi for good."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from cmdai_shell.discovery import interfaces
from cmdai_shell.discovery.adverts import SERVICES
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    from cmdai_shell.discovery.adverts import Advert

AVAHI = Path("/etc/avahi/services")
_MACHINE = Path("/etc/machine-id")
_OURS = UUID("3f6d9f0e-6f0f-4d57-9d1b-7c5a1f3f2b61")
LOOK_S = 15.0
"""Seconds between two looks whether the server still listens."""
_CONNECT_S = 1.0
_LOOPBACK = ("127.0.0.1", "::1")

_OPEN_UP = {
    "vllm": "start it with --host 0.0.0.0",
    "sglang": "start it with --host 0.0.0.0",
    "trtllm": "start it with --host 0.0.0.0",
    "llama.cpp": "start it with --host 0.0.0.0",
    "tgi": "start it with --hostname 0.0.0.0",
    "triton": "start it with --http-address 0.0.0.0",
    "triton-openai": "start it with --host 0.0.0.0",
    "ollama": "start it with OLLAMA_HOST=0.0.0.0 (systemctl edit ollama: Environment=...)",
    "lmstudio": "switch on 'Serve on Local Network' in its Developer settings",
}
"""Kind -> how it comes to listen on more than this machine."""


# --- where


def own_addresses(exclude: Sequence[str]) -> tuple[str, ...]:
    """Those that this machine has in its own networks, IPv4 first. ``exclude`` are names of
    interfaces, with * and ?; public addresses are nobody's business to announce."""
    found = [
        f"{own.ip}%{link.name}" if own.version == 6 and own.ip.is_link_local else str(own.ip)
        for link in interfaces.read(exclude).heard
        for own in link.addresses
        if not (own.ip.is_loopback or own.ip.is_global)
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda text: ":" in text))


async def listening(port: int, addresses: Sequence[str]) -> tuple[str, ...]:
    """Those of the addresses at which somebody accepts connections."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_accepts(text, port)) for text in addresses]
    return tuple(text for text, task in zip(addresses, tasks, strict=True) if task.result())


async def _accepts(text: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(text, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def addresses_of(port: int, own: Sequence[str], *, kind: str = "auto") -> tuple[str, ...]:
    """Where the server on that port can be reached. Raises DiscoveryError, which says what is to be
    done, if that is nowhere but on this machine."""
    if not own:
        raise DiscoveryError(
            "this machine has no address in a network of its own",
            "ip address; discovery.exclude_interfaces leaves interfaces out",
        )
    if found := await listening(port, own):
        return found
    if await listening(port, _LOOPBACK):
        hint = _OPEN_UP.get(kind, "start it so that it listens on 0.0.0.0, or this address")
        raise DiscoveryError(
            f"the server on port {port} listens on this machine alone, not on {own[0]}: "
            "nobody else could use it",
            hint,
        )
    hint = "start the server first, or name its port: cmdai-shell backends advertise --port N"
    raise DiscoveryError(f"nothing listens on port {port}", hint)


def identity(port: int, machine: Path = _MACHINE) -> str:
    """Of the server on that port of this machine, the same for ever; the machine's own number,
    which is nobody's business (machine-id(5)), cannot be told from it. Empty where it has none."""
    try:
        number = machine.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return str(uuid5(_OURS, f"{number}:{port}")) if number else ""


# --- announced by ourselves


@asynccontextmanager
async def serving(
    advert: Advert, addresses: Sequence[str], *, host: str = "", on: Sequence[str] = ()
) -> AsyncGenerator[str]:
    """Announce it until the block ends; then a goodbye is sent. Gives the name under which it is
    announced: a number is added to one that is taken. ``on``: addresses of ours whose networks hear
    of it, those of the server if none are given. Raises DiscoveryError.

    It is announced without the subtype: a name can be registered in python-zeroconf but once."""
    from zeroconf import Error, IPVersion
    from zeroconf.asyncio import AsyncZeroconf

    heard = _one_kind(on or addresses)
    version = IPVersion.V6Only if ":" in heard[0] else IPVersion.V4Only
    try:
        infos = [_info(advert, service, addresses, host or _host_name()) for service in SERVICES]
        zeroconf = AsyncZeroconf(interfaces=list(heard), ip_version=version)
    except (OSError, RuntimeError, Error) as error:
        raise _mute(error) from error
    try:
        await _register(zeroconf, infos)
        yield infos[0].get_name()
    finally:
        for info in zeroconf.zeroconf.registry.async_get_service_infos():
            await (await zeroconf.async_unregister_service(info))  # the first gives but a task
        await zeroconf.async_close()


def _info(advert: Advert, service: str, addresses: Sequence[str], host: str) -> AsyncServiceInfo:
    from zeroconf.asyncio import AsyncServiceInfo

    return AsyncServiceInfo(
        f"{service}.local.",
        f"{advert.title}.{service}.local.",
        parsed_addresses=[text.partition("%")[0] for text in addresses],
        port=advert.port,
        properties=dict(advert.txt),
        server=f"{host}.local.",
    )


async def _register(zeroconf: AsyncZeroconf, infos: Sequence[AsyncServiceInfo]) -> None:
    """All at a time: each is first asked for whether its name is free, which takes a second."""
    from zeroconf import Error

    async def one(info: AsyncServiceInfo) -> None:
        await (await zeroconf.async_register_service(info, allow_name_change=True))

    failed: list[BaseException] = []
    try:
        async with asyncio.TaskGroup() as group:
            for info in infos:
                group.create_task(one(info))
    except* (OSError, Error) as errors:
        failed.extend(errors.exceptions)
    if failed:
        raise _mute(failed[0]) from failed[0]


def _one_kind(addresses: Sequence[str]) -> tuple[str, ...]:
    """Those of IPv4, else all: each interface is spoken on once."""
    return tuple(text for text in addresses if ":" not in text) or tuple(addresses)


def _host_name() -> str:
    return socket.gethostname().partition(".")[0] or "server"


def _mute(error: BaseException) -> DiscoveryError:
    why = str(error) or type(error).__name__
    hint = "is UDP port 5353 free and multicast allowed? Or let Avahi do it: --write"
    return DiscoveryError(f"nothing can be announced: {why.lower()}", hint)


async def keep(
    advert: Advert,
    look: Callable[[], Awaitable[tuple[str, ...]]],
    *,
    said: Callable[[str], None],
    every: float = LOOK_S,
    host: str = "",
    on: Sequence[str] = (),
) -> None:
    """Announce it whenever ``look`` says that there are addresses at which it listens; until
    cancelled. ``said`` is told of each change, in a sentence."""
    was_there = True
    while True:
        addresses = await look()
        if not addresses:
            if was_there:
                said("it does not listen any more: not announced until it does")
            was_there = False
            await asyncio.sleep(every)
            continue
        was_there = True
        async with serving(advert, addresses, host=host, on=on) as name:
            said(f"announced as {name!r} at {', '.join(addresses)}, port {advert.port}")
            await _while_the_same(addresses, look, every)


async def _while_the_same(
    addresses: tuple[str, ...], look: Callable[[], Awaitable[tuple[str, ...]]], every: float
) -> None:
    found = addresses
    while found == addresses:
        await asyncio.sleep(every)
        found = await look()


# --- announced by Avahi


def avahi_file(port: int) -> Path:
    """One for each server of this machine."""
    return AVAHI / f"cmdai-shell-{port}.service"


def write(text: str, path: Path, *, instead: str) -> None:
    """Put the file where Avahi sees it, at once or not at all. ``instead``: the command that prints
    it, for who may not write it. Raises DiscoveryError."""
    if not path.parent.is_dir():
        raise DiscoveryError(
            f"there is no {path.parent}: Avahi is not installed",
            "sudo apt install avahi-daemon; or announce it from here, without --write",
        )
    try:
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DiscoveryError(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}",
            f"{instead} | sudo tee {path}",
        ) from error
