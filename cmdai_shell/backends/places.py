"""From an environment of the configuration to its live servers."""

from __future__ import annotations

import os
import time
from random import Random
from typing import TYPE_CHECKING

from cmdai_shell import backends
from cmdai_shell.auth import schemes
from cmdai_shell.auth.authenticator import Authenticator, NoLogin, Request
from cmdai_shell.backends.dialects import DIALECTS
from cmdai_shell.backends.http import Settings
from cmdai_shell.config.environments import AUTO, endpoints
from cmdai_shell.config.schema import LoadBalancing
from cmdai_shell.errors import BackendDenied, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.config import Config
    from cmdai_shell.config.environment import Environment
    from cmdai_shell.core import Clock, Server


class NoLoginYet(NoLogin):
    """Something is missing that the login needs: said at each request, as it may be there soon."""

    def __init__(self, error: ConfigError) -> None:
        self._error = error

    async def headers(self, _: Request | None = None) -> Mapping[str, str]:
        raise BackendDenied(self._error.message, self._error.hint)


def logins(
    environment: Environment,
    config: Config | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    by_daemon: bool = False,
) -> Callable[[str, str], Authenticator]:
    """(URL, kind) -> how requests to such a server say who asks. Servers of one environment have
    one login; nobody is asked and no file read yet."""
    if environment.scheme == "none" and not (environment.tls_ca_path or environment.pins):
        return lambda _, __: NoLogin()
    try:
        means = schemes.means(environment, config, environ, by_daemon=by_daemon)
        made = schemes.login(environment, means)
    except ConfigError as error:
        missing = NoLoginYet(error)
        return lambda _, __: missing

    def to(url: str, kind: str) -> Authenticator:
        usual = DIALECTS[kind].key_header if kind in DIALECTS else ""
        try:
            return made.to(url, usual)
        except ConfigError as error:  # the others of the environment may be well
            return NoLoginYet(error)

    return to


def settings(
    auth: Authenticator,
    balancing: LoadBalancing | None = None,
    *,
    clock: Clock = time.monotonic,
    random: Random | None = None,
) -> Settings:
    """How a server is asked; ``balancing`` says what a look at it has to find."""
    balancing = balancing or LoadBalancing()
    path = balancing.health_check_endpoint
    return Settings(
        auth=auth,
        clock=clock,
        random=random or Random(),  # noqa: S311  operands of sums, no secret
        health_path="" if path == AUTO else path,
        health_status=balancing.health_check_expected_status,
    )


def servers(
    environment: Environment,
    config: Config | None = None,
    *,
    clock: Clock = time.monotonic,
    random: Random | None = None,
    environ: Mapping[str, str] = os.environ,
    by_daemon: bool = False,
) -> tuple[Server, ...]:
    """One for each address that is written down, best first; no byte is sent. Raises ConfigError.

    Each has connections of its own."""
    login = logins(environment, config, environ, by_daemon=by_daemon)
    balancing = config.load_balancing if config else None
    return tuple(
        backends.connect(
            endpoint,
            settings(login(endpoint.url, endpoint.kind), balancing, clock=clock, random=random),
        )
        for endpoint in endpoints(environment)
    )
