"""After ``auth login`` and ``logout``: the servers of one environment are made anew.

So nothing of the login before is in memory, and who waited for a login is asked again at once. All
others, the model and the answers that are kept stay as they are.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from cmdai_shell.config.environments import unknown_environment
from cmdai_shell.daemon.remote import noted, servers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from cmdai_shell.core import Clock
    from cmdai_shell.daemon.compose import Chain
    from cmdai_shell.routing.member import Member

FINISH_S = 2.0
"""For requests that the old ones are answering."""
_LOOK_S = 0.02


async def forget_login(
    chain: Chain,
    clock: Clock,
    name: str,
    variables: Mapping[str, str],
    environ: MutableMapping[str, str] = os.environ,
) -> None:
    """``variables``: what the person's shell has now; those that this login is made with take the
    place of ours, and no others. Raises ConfigError."""
    from cmdai_shell.auth.schemes import is_made_with

    environment = chain.config.environments.get(name)
    if environment is None:
        raise unknown_environment(name, chain.config.environments)
    environ.update({k: v for k, v in variables.items() if is_made_with(environment, k)})
    members = {member.id: member for member in chain.pool}
    old = []
    for server in servers_of(environment, chain.config, clock):
        if before := members.get(server.endpoint.id):
            chain.pool.add(noted(server, chain.config, chain.meter))
            old.append(before)
    if chain.finder:
        chain.finder.forget_login(name)
    await _ended(old)


async def _ended(members: Sequence[Member]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(FINISH_S):
            while any(member.in_flight for member in members):  # noqa: ASYNC110  it is a count
                await asyncio.sleep(_LOOK_S)
    for member in members:
        with suppress(Exception):
            await member.server.aclose()
