"""The near side: the router over real adapters, put together by the daemon's own functions."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks.faults.stage import MODEL
from cmdai_shell.auth.authenticator import NoLogin
from cmdai_shell.backends import connect
from cmdai_shell.backends.http import Settings
from cmdai_shell.config import Config
from cmdai_shell.core import Abilities, Completion, Endpoint, Handshake, Notice, Prompt
from cmdai_shell.daemon.noted import NotedServer
from cmdai_shell.daemon.remote import health_pace, race_rules
from cmdai_shell.errors import CmdaiError
from cmdai_shell.routing import Keeper, Pool, Router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cmdai_shell.core import Backend, Server
    from cmdai_shell.routing.policies import Policy

EMBEDDED_S = 1.3
"""What the default model takes for a press on two old cores (DESIGN, section 5)."""
ASK = Prompt(
    system="You write one shell command. " * 60,
    user="list all files in this folder",
    max_tokens=96,
)
CONFIG = Config()
DEADLINE_S = CONFIG.suggest.deadline_ms / 1000


class Embedded:
    """``core.Backend`` in the embedded model's place: it takes its time, and no core."""

    name = title = "embedded"
    model = "stand-in"
    abilities: Abilities = frozenset()

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncIterator[str | Notice]:
        await asyncio.sleep(EMBEDDED_S)
        yield "ls -la"

    async def aclose(self) -> None:
        pass


class Trusting(NoLogin):
    """Of an authority of our own."""

    def __init__(self, authority: str) -> None:
        self._context = ssl.create_default_context(cafile=authority)

    def ssl(self) -> ssl.SSLContext | None:
        return self._context


def server(
    name: str,
    url: str,
    *,
    priority: int = 0,
    connect_timeout: float | None = None,
    authority: str = "",
) -> Server:
    """As configured, its kind and model known."""
    settings = Settings(
        auth=Trusting(authority) if authority else NoLogin(), connect_timeout=connect_timeout
    )
    endpoint = Endpoint(id=name, url=url, kind="vllm", priority=priority, model=MODEL)
    return cast("Server", NotedServer(connect(endpoint, settings), knows_person=True))


def router(
    pool: Pool,
    keeper: Keeper | None = None,
    embedded: Backend | None = None,
    policy: Policy | None = None,
) -> Router:
    balancing = CONFIG.load_balancing
    return Router(
        pool,
        embedded or Embedded(),
        clock=time.monotonic,
        strategy=balancing.strategy,
        policy=policy,
        rules=race_rules(balancing),
        hedge_percent=balancing.hedge_budget_percent,
        freshen=keeper.freshen if keeper else None,
    )


def kept(pool: Pool) -> Keeper:
    return Keeper(pool, clock=time.monotonic, pace=health_pace(CONFIG.load_balancing))


def proven(pool: Pool, server: Server) -> None:
    """A member of which nothing is known but that it was well a moment ago."""
    pool.remove(server.endpoint.id)
    member = pool.add(server)
    member.note_handshake(Handshake(state="ok", ttft=0.02), time.monotonic())


@dataclass(frozen=True, slots=True)
class Press:
    seconds: float
    by: str
    """Empty: it was lost."""
    why: str = ""


async def press(router: Router) -> Press:
    begun = time.perf_counter()
    done: Completion | None = None
    why = ""
    try:
        async for piece in router.complete(ASK, DEADLINE_S):
            if isinstance(piece, Completion):
                done = piece
    except CmdaiError as error:
        why = error.message
    by = done.backend if done and done.text.strip() else ""
    return Press(time.perf_counter() - begun, by, why or "; ".join(done.attempts if done else ()))


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


_ISOLATED = "CMDAI_BENCH_ISOLATED"
_INSIDE = 'ip link set lo up && mount --bind "$0" /etc/resolv.conf && rm "$0" && exec "$@"'


def is_isolated() -> bool:
    return _ISOLATED in os.environ


def isolate(module: str) -> None:
    """Begin anew in a network of our own, with loopback alone and a name server of our own, where
    the kernel lets us: nothing can leave it, and the names are ours. Else return."""
    if is_isolated() or not shutil.which("unshare") or not shutil.which("ip"):
        return
    wall = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    for command in (["true"], [sys.executable, "-m", module, *sys.argv[1:]]):
        with tempfile.NamedTemporaryFile("w", prefix="cmdai-bench-", delete=False) as resolv:
            resolv.write("nameserver 127.0.0.1\n")
        inside = [*wall, "sh", "-c", _INSIDE, resolv.name, *command]
        if command != ["true"]:
            os.environ[_ISOLATED] = "1"
            os.execvp("unshare", inside)
        elif subprocess.run(inside, capture_output=True).returncode:
            Path(resolv.name).unlink(missing_ok=True)
            return


def load() -> str:
    one, five, _ = os.getloadavg()
    return f"load {one:.1f} ({five:.1f} over 5 min) on {os.cpu_count()} cores"
