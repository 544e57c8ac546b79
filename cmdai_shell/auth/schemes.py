"""From an environment of the configuration to the login of its servers: one table of schemes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.auth.carrying import Allowed, only_this_machine
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.auth.tls import MutualTls, OverTls, Tls, TlsFiles, also_systems
from cmdai_shell.config import paths
from cmdai_shell.config.environment import OAUTH_SCOPE
from cmdai_shell.config.environments import is_near
from cmdai_shell.config.schema import Auth
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    from cmdai_shell.auth.azure import AzureChain
    from cmdai_shell.auth.exchange import Exchange
    from cmdai_shell.auth.keeper import TokenKeeper
    from cmdai_shell.auth.oauth2 import ClientCredentials
    from cmdai_shell.auth.oidc import Oidc
    from cmdai_shell.auth.store import Choice
    from cmdai_shell.auth.tokens import Tokens
    from cmdai_shell.config import Config
    from cmdai_shell.config.environment import Command, Environment
    from cmdai_shell.core import Clock

    Make: TypeAlias = Callable[["Environment", "Means"], "Login"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What logins need from outside. ``allowed``: hosts to which a credential may go over http."""

    store: CredentialStore
    allowed: Allowed = only_this_machine
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    by_daemon: bool = False
    """These are the variables of whoever started it, not of the shell in which a person reads."""
    wall: Clock = time.time
    clock: Clock = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Of one environment; ``to`` gives each of its servers an authenticator. ``keeper`` where there
    are tokens, ``oidc`` where a person logs in, ``chain`` where a cloud's own tools say who we are.
    """

    to: Callable[[str, str], OverTls]
    """(URL, usual header of a key) -> authenticator."""
    keeper: TokenKeeper | None = None
    oidc: Oidc | None = None
    chain: Callable[[], Awaitable[Tokens]] | None = None
    """Whose login it is and until when; it asks. Raises BackendDenied."""


def means(
    environment: Environment,
    config: Config | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    by_daemon: bool = False,
) -> Means:
    """Those of this machine, with the store that the settings name. Raises ConfigError."""
    return Means(
        store=store(config),
        allowed=is_near if environment.allow_http_credentials else only_this_machine,
        environ=environ,
        by_daemon=by_daemon,
    )


def store(config: Config | None = None) -> CredentialStore:
    """The person's own; one in this process, so that a passphrase is asked for once. Raises
    ConfigError."""
    keys = config.auth if config else Auth()
    return _store(paths.data_dir() / "credentials", keys.credential_store, keys.passphrase_command)


def places(config: Config | None = None) -> tuple[CredentialStore, ...]:
    """Each store that settings could have named, one by one; the sealed one if it can be opened."""
    folder, command = (
        paths.data_dir() / "credentials",
        (config.auth if config else Auth()).passphrase_command,
    )
    choices: tuple[Choice, ...] = ("file", "keychain", *(("encrypted-file",) if command else ()))
    return tuple(_store(folder, choice, command) for choice in choices)


@cache
def _store(folder: Path, choice: Choice, command: Command) -> CredentialStore:
    if choice != "encrypted-file":
        return CredentialStore(folder, choice=choice)
    if not command:
        raise ConfigError(
            "credential_store encrypted-file needs passphrase_command",
            "set auth.passphrase_command in config.toml to what prints the passphrase",
        )
    from cmdai_shell.auth.command import passphrase
    from cmdai_shell.auth.sealing import Seal

    return CredentialStore(folder, choice=choice, seal=Seal(lambda: passphrase(command)))


def login(environment: Environment, means: Means) -> Login:
    """Reads no file, and asks nobody. Raises ConfigError."""
    return SCHEMES[environment.scheme](environment, means)


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
    from cmdai_shell.auth.api_key import (
        ApiKey,
        FromCommand,
        FromStore,
        FromVariable,
        KeySource,
    )

    source: KeySource
    if environment.api_key_env and environment.api_key_command:
        raise ConfigError(
            f"{environment.title}: api_key_env and api_key_command are both set",
            f"for the command: cmdai-shell config unset environments.{environment.id}.api_key_env",
        )
    if environment.api_key_command:
        source = FromCommand(environment.api_key_command, means.clock)
    elif environment.api_key_env:
        source = FromVariable(environment.api_key_env, means.environ, by_daemon=means.by_daemon)
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


def revoke(environment: Environment, means: Means, tokens: Tokens) -> str:
    """Ends a login at who gave it out, whom the settings need not name any more; empty, or why it
    lives on. The client's secret goes only to the one that it is for. Blocks."""
    from cmdai_shell.auth.oidc import Oidc, OidcClient

    def said(name: str) -> str:
        return means.environ.get(name, "").strip() if name else ""

    is_named = tokens.origin == environment.oidc_issuer and tokens.client == (
        said(environment.oidc_client_id_env) or tokens.client
    )
    secret = said(environment.oauth_client_secret_env) if is_named else ""
    client = OidcClient(issuer=tokens.origin, client=tokens.client, secret=secret)
    try:
        return Oidc(_exchange(environment, means), client).revoke(tokens)
    except ConfigError as error:
        return error.message


def _oidc(environment: Environment, means: Means) -> Login:
    from cmdai_shell.auth.oidc import Oidc, OidcClient

    secret = environment.oauth_client_secret_env
    one = Oidc(
        _exchange(environment, means),
        OidcClient(
            issuer=environment.oidc_issuer,
            client=_variable(environment, "oidc_client_id_env", means),
            secret=_variable(environment, "oauth_client_secret_env", means) if secret else "",
            scope=environment.oidc_scope,
            redirect_uri=environment.oidc_redirect_uri,
        ),
        wall=means.wall,
        clock=means.clock,
    )
    return _bearing(environment, means, one)


def _azure(environment: Environment, means: Means) -> Login:
    from cmdai_shell.auth.azure import SCOPE, AzureChain

    wanted = environment.oauth_scope
    chain = AzureChain(SCOPE if wanted == OAUTH_SCOPE else wanted, wall=means.wall)
    made = _bearing(environment, means, chain)
    keeper = made.keeper
    assert keeper is not None  # noqa: S101

    async def known() -> Tokens:
        await keeper.access()
        found = await keeper.known()
        assert found is not None  # noqa: S101
        return found

    return replace(made, chain=known)


def _aws(environment: Environment, means: Means) -> Login:
    from cmdai_shell.auth.aws import Aws, AwsChain

    if environment.kinds != {"sagemaker"}:
        raise ConfigError(
            f"{environment.title}: auth_type aws is for servers of kind sagemaker",
            "give those of another kind an environment of their own",
        )
    chain = AwsChain(means.environ)
    shared = tls(environment, means)
    return Login(
        to=lambda url, _: Aws(
            chain,
            url=url,
            region=environment.region,
            allowed=means.allowed,
            tls=shared,
            wall=means.wall,
        ),
        chain=lambda: chain.known(means.wall),
    )


def _bearing(
    environment: Environment, means: Means, grant: ClientCredentials | Oidc | AzureChain
) -> Login:
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


_VARIABLES = ("api_key_env", "oauth_client_id_env", "oauth_client_secret_env", "oidc_client_id_env")
_PREFIXES = {"azure": ("AZURE_", "IDENTITY_"), "aws": ("AWS_",)}


def is_made_with(environment: Environment, variable: str) -> bool:
    """That environment variable says something of its login."""
    named = {getattr(environment, key) for key in _VARIABLES} - {""}
    return variable in named or variable.startswith(_PREFIXES.get(environment.scheme, ()))


def files(environment: Environment) -> TlsFiles:
    """That its settings name; they need not be there."""

    def path(text: str) -> Path | None:
        return Path(text).expanduser() if text else None

    return TlsFiles(
        ca=path(environment.tls_ca_path),
        certificate=path(environment.tls_cert_path),
        key=path(environment.tls_key_path),
        environment=environment.id,
    )


def _variable(environment: Environment, key: str, means: Means) -> str:
    name: str = getattr(environment, key)
    if not name:
        raise ConfigError(
            f"{environment.title}: auth_type {environment.scheme} needs {key}", f"set {key}"
        )
    found = means.environ.get(name, "").strip()
    if not found:
        from cmdai_shell.auth.api_key import unset

        what, cure = unset(name, by_daemon=means.by_daemon)
        raise ConfigError(f"{environment.title}: {what}", cure)
    return found


SCHEMES: dict[str, Make] = {
    "none": _none,
    "api_key": _api_key,
    "mtls": _mtls,
    "oauth2": _oauth2,
    "oidc": _oidc,
    "azure": _azure,
    "aws": _aws,
}
"""By ``Environment.scheme``."""
