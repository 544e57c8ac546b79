"""From the configuration to servers, and to how they are asked and looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.config import environments
from cmdai_shell.daemon.noted import NotedServer
from cmdai_shell.routing import Pace, Rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.config import Config
    from cmdai_shell.config.environment import Environment
    from cmdai_shell.config.schema import LoadBalancing
    from cmdai_shell.core import Clock, Server
    from cmdai_shell.daemon.metering import Meter

HANDSHAKES_PER_LOOK = 0.2
"""A look costs a server nothing, a handshake some tokens."""


def servers(config: Config, clock: Clock) -> Sequence[Server]:
    """Those of the environment that is set; of all where it is ``auto``: who answers shows."""
    if config.active_environment == environments.AUTO:
        active = list(config.environments.values())
    else:
        chosen = environments.chosen(config)
        active = [chosen] if chosen else []
    return [server for environment in active for server in servers_of(environment, config, clock)]


def servers_of(environment: Environment, config: Config, clock: Clock) -> Sequence[Server]:
    from cmdai_shell.backends import places

    return places.servers(environment, config, clock=clock, by_daemon=True)


def noted(server: Server, config: Config, meter: Meter) -> NotedServer:
    """As the pool has it."""
    knows = config.suggest.share_history
    return NotedServer(server, knows_person=knows, heard=meter.handshaken)


def watched(config: Config) -> frozenset[str] | None:
    """The environments whose servers are looked after; None: all."""
    mode = config.active_environment
    if mode == environments.AUTO or not config.environments:
        return None
    return frozenset() if mode == environments.NONE else frozenset({mode})


def alike(one: Config, other: Config) -> bool:
    """The same servers, asked and looked after in the same way."""
    return (
        one.environments == other.environments
        and one.active_environment == other.active_environment
        and one.environment_detection == other.environment_detection
        and one.load_balancing == other.load_balancing
        and one.auth == other.auth
        and one.suggest.share_history == other.suggest.share_history
    )


def race_rules(balancing: LoadBalancing) -> Rules:
    is_on = balancing.failover_enabled
    return Rules(
        remote_s=balancing.failover_timeout_ms / 1000,
        most=balancing.max_attempts if is_on else 1,
        hedge=is_on and balancing.hedge_budget_percent > 0,
    )


def own_paces(config: Config) -> dict[str, Pace]:
    """Of environments that want another than the common one."""
    return {
        name: health_pace(config.load_balancing, environment.health_check_interval_s)
        for name, environment in config.environments.items()
        if environment.health_check_interval_s
    }


def health_pace(balancing: LoadBalancing, interval_s: int = 0) -> Pace:
    look = float(interval_s or balancing.health_check_interval_s)
    timeout = balancing.health_check_timeout_ms / 1000
    return Pace(
        load_idle=look,
        load_active=min(Pace().load_active, look),
        handshake=look / HANDSHAKES_PER_LOOK,
        look_timeout=timeout,
        handshake_timeout=max(Pace().handshake_timeout, timeout),
    )
