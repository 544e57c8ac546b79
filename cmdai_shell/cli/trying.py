"""What answers at the addresses of an environment that is being written down."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cmdai_shell.cli import output
from cmdai_shell.config import loading
from cmdai_shell.config.environments import endpoints
from cmdai_shell.errors import ConfigError
from cmdai_shell.text import model_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmdai_shell.config.environment import Environment
    from cmdai_shell.core import Handshake, Server, ServerState

WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    name: str
    url: str
    state: ServerState | str
    text: str
    hint: str = ""

    @property
    def is_usable(self) -> bool:
        return self.state in ("ok", "slow")


def found(environment: Environment, timeout: float = WITHIN_S) -> list[Found]:
    """Each of its servers asked what it is, and to compute; all at a time."""
    from cmdai_shell.backends import places

    try:
        servers = places.servers(environment, loading.load())
    except ConfigError as error:  # a package that is missing, say
        return [
            Found(name=e.id, url=e.url, state="not asked", text=error.message, hint=error.hint)
            for e in endpoints(environment)
        ]
    with output.LiveLine() as live:
        live.show("asking what answers there …")
        return asyncio.run(_shaken(servers, timeout))


def tell(results: Iterable[Found]) -> None:
    for result in results:
        output.say(f"{result.name}: {result.text}", "green" if result.is_usable else "yellow")
        if not result.is_usable and result.hint:
            output.say(f"  {result.hint}")


def as_rows(results: Iterable[Found]) -> list[dict[str, Any]]:
    return [asdict(result) for result in results]


async def _shaken(servers: Iterable[Server], timeout: float) -> list[Found]:
    async def one(server: Server) -> Found:
        try:
            shaken = await server.handshake(timeout)
            return _read(server, shaken)
        finally:
            await server.aclose()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(server)) for server in servers]
    return [task.result() for task in tasks]


def _read(server: Server, shaken: Handshake) -> Found:
    text = shaken.detail.removeprefix(server.title).lstrip(": ")
    if shaken.state in ("ok", "slow") and shaken.probe:
        software = f"{shaken.probe.kind} {shaken.probe.version}".strip()
        model = f" with {model_name(server.model)}" if server.model else ""
        text = f"{software}{model} computes, first token after {shaken.ttft:.2f} s"
    endpoint = server.endpoint
    return Found(
        name=endpoint.id, url=endpoint.url, state=shaken.state, text=text, hint=shaken.hint
    )
