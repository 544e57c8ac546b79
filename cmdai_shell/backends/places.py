"""From an environment of the configuration to its live servers."""

from __future__ import annotations

import os
import time
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from cmdai_shell import backends
from cmdai_shell.backends.dialects import DIALECTS
from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.login import ApiKey, Authenticator, NoLogin
from cmdai_shell.config.environments import AUTO, endpoints
from cmdai_shell.config.schema import LoadBalancing
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


def settings(
    environment: Environment,
    kind: str,
    balancing: LoadBalancing | None = None,
    *,
    clock: Clock = time.monotonic,
    random: Random | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """How a server of that kind is asked; ``balancing`` says what a look at it has to find."""
    balancing = balancing or LoadBalancing()
    path = balancing.health_check_endpoint
    return Settings(
        auth=login(environment, kind, environ),
        clock=clock,
        random=random or Random(),  # noqa: S311  operands of sums, no secret
        health_path="" if path == AUTO else path,
        health_status=balancing.health_check_expected_status,
    )


def servers(
    environment: Environment,
    balancing: LoadBalancing | None = None,
    *,
    clock: Clock = time.monotonic,
    random: Random | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Server, ...]:
    """One for each address that is written down, best first; no byte is sent. Raises ConfigError.

    Each has connections and credentials of its own."""
    how = partial(settings, environment, clock=clock, random=random, environ=environ)
    return tuple(
        backends.connect(endpoint, how(endpoint.kind, balancing))
        for endpoint in endpoints(environment)
    )
