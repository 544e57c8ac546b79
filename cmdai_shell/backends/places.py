"""From an environment of the configuration to its live servers."""

from __future__ import annotations

import os
import time
from random import Random
from typing import TYPE_CHECKING

from cmdai_shell import backends
from cmdai_shell.backends.dialects import DIALECTS
from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.login import ApiKey, Authenticator, NoLogin
from cmdai_shell.config.environments import endpoints
from cmdai_shell.errors import BackendDenied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.config.environment import Environment
    from cmdai_shell.core import Clock, Server


class NotYet(NoLogin):
    """A login that the configuration can describe and nobody carries out."""

    def __init__(self, word: str) -> None:
        self._word = word

    async def headers(self) -> Mapping[str, str]:
        raise BackendDenied(
            f"auth_type {self._word} is not supported yet", "auth_type = api_key, or none"
        )


def login(
    environment: Environment, kind: str, environ: Mapping[str, str] = os.environ
) -> Authenticator:
    """How requests to a server of that kind say who asks."""
    if environment.auth_type == "none":
        return NoLogin()
    if environment.auth_type != "api_key":
        return NotYet(environment.auth_type)
    usual = DIALECTS[kind].key_header if kind in DIALECTS else ""
    header = environment.api_key_header or usual
    return ApiKey(environment.api_key_env, header, environ)


def servers(
    environment: Environment,
    *,
    clock: Clock = time.monotonic,
    random: Random | None = None,
    environ: Mapping[str, str] = os.environ,
    health_path: str = "",
    health_status: int = 200,
) -> tuple[Server, ...]:
    """One for each address that is written down, best first; no byte is sent. Raises ConfigError.

    Each has connections and credentials of its own."""
    return tuple(
        backends.connect(
            endpoint,
            Settings(
                auth=login(environment, endpoint.kind, environ),
                clock=clock,
                random=random or Random(),  # noqa: S311  operands of sums, no secret
                health_path=health_path,
                health_status=health_status,
            ),
        )
        for endpoint in endpoints(environment)
    )
