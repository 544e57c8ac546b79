"""From an environment of the configuration to the login of its servers: one table of schemes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.auth.carrying import Allowed, only_this_machine
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.auth.tls import MutualTls, OverTls, Tls, TlsFiles, also_systems
from cmdai_shell.config import paths
from cmdai_shell.config.environments import is_near
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from cmdai_shell.auth.exchange import Exchange
    from cmdai_shell.auth.keeper import TokenKeeper
    from cmdai_shell.auth.oauth2 import ClientCredentials
    from cmdai_shell.auth.oidc import Oidc
    from cmdai_shell.config.environment import Environment
    from cmdai_shell.core import Clock

    Make: TypeAlias = Callable[["Environment", "Means"], "Login"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What logins need from outside. ``allowed``: hosts to which a credential may go over http."""

    store: CredentialStore
    allowed: Allowed = only_this_machine
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    wall: Clock = time.time
    clock: Clock = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Of one environment; ``to`` gives each of its servers an authenticator. ``keeper`` where there
    are tokens, ``oidc`` where a person logs in."""

    to: Callable[[str, str], OverTls]
    """(URL, usual header of a key) -> authenticator."""
    keeper: TokenKeeper | None = None
    oidc: Oidc | None = None


def means(environment: Environment, environ: Mapping[str, str] = os.environ) -> Means:
    """Those of this machine, with the person's own store."""
    return Means(
        store=CredentialStore(paths.data_dir() / "credentials"),
        allowed=is_near if environment.allow_http_credentials else only_this_machine,
        environ=environ,
    )


def login(environment: Environment, means: Means) -> Login:
    """Reads no file, and asks nobody. Raises ConfigError."""
    return SCHEMES[environment.auth_type](environment, means)


def tls(environment: Environment, means: Means) -> Tls:
    return Tls(
        files(environment),
        environment.pins,
        passphrase=lambda: means.store.read(environment.id, "key-passphrase"),
        wall=means.wall,
    )


def _none(environment: Environment, means: Means) -> Login:
    shared = tls(environment, means)
    return Login(to=lambda _, __: OverTls(shared))


def _mtls(environment: Environment, means: Means) -> Login:
    if not environment.tls_cert_path:
        raise ConfigError(
            f"{environment.title}: auth_type mtls needs a certificate", "set tls_cert_path"
        )
    shared = tls(environment, means)
    return Login(to=lambda _, __: MutualTls(shared))


def _api_key(environment: Environment, means: Means) -> Login:
    from cmdai_shell.auth.api_key import ApiKey, FromStore, FromVariable, KeySource

    source: KeySource
    if environment.api_key_env:
        source = FromVariable(environment.api_key_env, means.environ)
    else:
        source = FromStore(means.store, environment.id, means.clock)
    shared = tls(environment, means)
    return Login(
        to=lambda url, usual: ApiKey(
            source,
            url=url,
            header=environment.api_key_header or usual,
            allowed=means.allowed,
            tls=shared,
        )
    )


def _oauth2(environment: Environment, means: Means) -> Login:
    from cmdai_shell.auth.oauth2 import ClientCredentials

    exchange = _exchange(environment, means)
    exchange.check(environment.oauth_token_url)
    by_certificate = environment.tls_cert_path and not environment.oauth_client_secret_env
    grant = ClientCredentials(
        exchange,
        token_url=environment.oauth_token_url,
        client=_variable(environment, "oauth_client_id_env", means),
        secret="" if by_certificate else _variable(environment, "oauth_client_secret_env", means),
        scope=environment.oauth_scope,
        wall=means.wall,
    )
    return _bearing(environment, means, grant)


def _oidc(environment: Environment, means: Means) -> Login:
    from cmdai_shell.auth.oidc import Oidc, OidcClient

    secret = environment.oauth_client_secret_env
    one = Oidc(
        _exchange(environment, means),
        OidcClient(
            issuer=environment.oidc_issuer,
            client=_variable(environment, "oidc_client_id_env", means),
            secret=_variable(environment, "oauth_client_secret_env", means) if secret else "",
            redirect_uri=environment.oidc_redirect_uri,
        ),
        wall=means.wall,
        clock=means.clock,
    )
    return _bearing(environment, means, one)


def _bearing(environment: Environment, means: Means, grant: ClientCredentials | Oidc) -> Login:
    """Tokens that a person logged in for are stored; those of a program's own are got again."""
    from cmdai_shell.auth.keeper import TokenKeeper
    from cmdai_shell.auth.oidc import Oidc
    from cmdai_shell.auth.session import OAuth

    oidc = grant if isinstance(grant, Oidc) else None
    keeper = TokenKeeper(
        environment.id,
        grant.renew,
        origin=grant.origin,
        client=grant.client,
        store=means.store if oidc else None,
        ahead=environment.token_refresh_before_expiry_s,
        wall=means.wall,
        clock=means.clock,
    )
    shared = tls(environment, means)
    return Login(
        to=lambda url, _: OAuth(keeper, url=url, allowed=means.allowed, tls=shared),
        keeper=keeper,
        oidc=oidc,
    )


def _exchange(environment: Environment, means: Means) -> Exchange:
    from cmdai_shell.auth.exchange import Exchange

    named = files(environment)

    def context() -> ssl.SSLContext:
        return also_systems(named, lambda: means.store.read(environment.id, "key-passphrase"))

    return Exchange(allowed=means.allowed, context=context)


def files(environment: Environment) -> TlsFiles:
    """That its settings name; they need not be there."""

    def path(text: str) -> Path | None:
        return Path(text).expanduser() if text else None

    return TlsFiles(
        ca=path(environment.tls_ca_path),
        certificate=path(environment.tls_cert_path),
        key=path(environment.tls_key_path),
    )


def _variable(environment: Environment, key: str, means: Means) -> str:
    name: str = getattr(environment, key)
    if not name:
        raise ConfigError(
            f"{environment.title}: auth_type {environment.auth_type} needs {key}", f"set {key}"
        )
    found = means.environ.get(name, "").strip()
    if not found:
        raise ConfigError(
            f"{environment.title}: ${name} is not set",
            f"export {name}=..., then cmdai-shell daemon restart",
        )
    return found


SCHEMES: dict[str, Make] = {
    "none": _none,
    "api_key": _api_key,
    "mtls": _mtls,
    "oauth2": _oauth2,
    "oidc": _oidc,
}
"""By ``auth_type``."""
