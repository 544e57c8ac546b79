"""``cmdai-shell auth``: logging in to an environment's servers, and out again."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cmdai_shell.auth import schemes
from cmdai_shell.auth.command import words
from cmdai_shell.auth.schemes import is_made_with
from cmdai_shell.cli import asking, output
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.logins import Place, Row, as_daemon_has_it, of, row
from cmdai_shell.cli.options import as_json
from cmdai_shell.config import environments, loading
from cmdai_shell.errors import CmdaiError, ConfigError, DaemonUnavailable
from cmdai_shell.observe import cores
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterable

    from cmdai_shell.auth.leaving import Left
    from cmdai_shell.auth.store import Entry
    from cmdai_shell.config import Config
    from cmdai_shell.config.environment import Environment

T = TypeVar("T")

which = click.option("--environment", "name", default="", help="Whose login; else of that in use.")

_STYLES: dict[str, output.Style] = {"in": "green", "out": "yellow"}


@click.group(
    epilog="""\b
Examples:
  cmdai-shell auth login --environment work
  cmdai-shell auth login --environment work --device
  cmdai-shell auth status
  cmdai-shell auth logout --environment work
"""
)
def auth() -> None:
    """Log in to the servers of an environment, see how long that lasts, and log out.

    Which login an environment wants is its auth_type. docs/auth.md says how each is set up.
    """
    cores.none()
    # Of a store without a keychain the log says what ``login`` says here.
    logging.getLogger("cmdai_shell.auth").addHandler(logging.NullHandler())


@auth.command()
@which
@click.option("--device", is_flag=True, help="Show a code, to be entered on any other screen.")
@click.option("--browser", is_flag=True, help="Wait for a browser, even if none opens here.")
@as_json
def login(*, name: str, device: bool, browser: bool, json_: bool) -> None:
    """Log in: in the browser, with a code, or by an API key.

    Asks for an API key, or for the passphrase of a client's key, without showing it; on a pipe
    its first line is taken. A browser opens where there is one, else a code is shown. A login that
    is kept elsewhere (a command that prints the key, the tools of Azure or AWS) is tried.

    \b
    Examples:
      cmdai-shell auth login --environment work
      cmdai-shell auth login --environment work --device
      pass show gpu-key | cmdai-shell auth login --environment cloud
    """
    if device and browser:
        raise click.UsageError("--device or --browser, not both")
    place = _chosen(name)
    scheme = place.environment.scheme
    if (device or browser) and scheme != "oidc":
        raise ConfigError(
            f"--device and --browser are for auth_type oidc; that of {place.name} is {scheme}",
            f"cmdai-shell auth login --environment {place.name}",
        )
    match scheme:
        case "api_key":
            _keep_key(place)
        case "mtls":
            _keep_passphrase(place)
        case "azure" | "aws":
            _run(_by_chain(place))
        case "oauth2":
            _run(_rotated(place))
        case _:
            _run(_logged_in(place, by_code=device or not (browser or asking.has_browser())))
    for words_ in (left := _emptied(place, but=place.kept)).alive + left.unseen:
        output.say(f"what was kept before: {words_}", "yellow")
    _done(place, json_=json_, says_where=True)


@auth.command()
@which
@as_json
@click.pass_context
def status(ctx: click.Context, /, *, name: str, json_: bool) -> None:
    """Show who is logged in where, and how long that lasts; no server is asked.

    What a running daemon has of a variable is told, too. Of Azure and AWS their own tools are
    asked. Without --environment all that have a login. Exit code 1 when one of them needs somebody
    to log in or to set something.

    \b
    Examples:
      cmdai-shell auth status
      cmdai-shell auth status --environment work --json | jq -r .state
    """
    config = loading.load()
    chosen = [_named(name, config)] if name else list(_with_login(config.environments.values()))
    rows = [_run(row(of(environment, config))) for environment in chosen]
    with suppress(CmdaiError):
        rows = list(as_daemon_has_it(rows, config, Client(start=()).status()["servers"]))
    if json_:
        shown = [it.as_json() for it in rows]
        output.emit(shown[0] if name else shown, "json")
    else:
        _show(rows)
    if any(it.state != "in" for it in rows):
        ctx.exit(1)


@auth.command()
@which
@as_json
def logout(*, name: str, json_: bool) -> None:
    """Log out: the login is ended at the identity provider, and what is stored here is removed.

    It goes from every store of this machine, also what other settings left there. Exit code 1 when
    the identity provider could not be told, or a store could not be opened.

    \b
    Examples:
      cmdai-shell auth logout
      cmdai-shell auth logout --environment cloud --json
    """
    place = _chosen(name, needs_login=False)
    left = _logged_out(place)
    is_mtls = place.environment.scheme == "mtls"
    _done(place, json_=json_, said="what was kept is removed; its files stay" if is_mtls else "")
    if left.alive:
        raise CmdaiError(
            f"removed here, but not ended at the identity provider: {'; '.join(left.alive)}",
            "end it on the identity provider's own page",
        )
    if left.unseen:
        raise CmdaiError(f"it may be kept elsewhere too: {'; '.join(left.unseen)}")


@auth.command("rotate-credentials")
@which
@as_json
def rotate_credentials(*, name: str, json_: bool) -> None:
    """Put a new credential in the place of the old one, without logging out.

    Tokens are renewed now. A new API key is asked for, as by login. Certificates are read anew by
    themselves: their new files are checked.

    \b
    Examples:
      cmdai-shell auth rotate-credentials --environment work
      new-key | cmdai-shell auth rotate-credentials --environment cloud
    """
    place, said = _chosen(name), ""
    match place.environment.scheme:
        case "api_key":
            _keep_key(place)
            said = "a new API key is stored" if not place.environment.api_key_command else ""
        case "mtls":
            _run(place.checked())
        case "azure" | "aws":
            _run(_by_chain(place))
        case _:
            _run(_rotated(place))
    _done(place, json_=json_, said=said)


# --- which


def _with_login(found: Iterable[Environment]) -> Iterable[Environment]:
    return (environment for environment in found if environment.scheme != "none")


def _no_login(name: str) -> ConfigError:
    return ConfigError(
        f"{name} has no login",
        f"if it wants a key: cmdai-shell config set environments.{name}.auth_type api_key",
    )


def _named(name: str, config: Config, *, needs_login: bool = True) -> Environment:
    known = config.environments
    if name not in known:
        raise environments.unknown_environment(name, known)
    if needs_login and known[name].scheme == "none":
        raise _no_login(name)
    return known[name]


def _chosen(name: str, *, needs_login: bool = True) -> Place:
    """The one that is named or in use, else the only one that has a login."""
    config = loading.load()
    in_use = config.active_environment
    if name or in_use not in (environments.AUTO, environments.NONE):
        return of(_named(name or in_use, config, needs_login=needs_login), config)
    found = list(_with_login(config.environments.values()))
    if len(found) == 1:
        return of(found[0], config)
    if not found:
        raise ConfigError("no environment has a login", "set its auth_type; see docs/auth.md")
    names = ", ".join(environment.id for environment in found)
    raise ConfigError("several environments have a login", f"--environment, one of: {names}")


# --- doing


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _keep_key(place: Place) -> None:
    variable = place.environment.api_key_env
    if variable:
        there = "" if os.environ.get(variable, "").strip() else f"export {variable}=...; "
        raise ConfigError(
            f"the API key of {place.name} is what is in ${variable}",
            f"{there}cmdai-shell daemon restart; to have it stored instead: "
            f"cmdai-shell config unset environments.{place.name}.api_key_env",
        )
    if place.environment.api_key_command:
        _run(_tried(place))
        return
    key = asking.secret(f"API key of {place.environment.title}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError("that cannot be an API key: it has a blank or an unusual sign in it")
    _run(place.store.set(place.name, "api-key", key))


def _keep_passphrase(place: Place) -> None:
    if not place.is_encrypted():
        _run(place.checked())
        return
    passphrase = asking.secret(f"passphrase of {place.environment.tls_key_path}")
    place.try_passphrase(passphrase)
    _run(place.store.set(place.name, "key-passphrase", passphrase))


async def _rotated(place: Place) -> None:
    keeper = place.login().keeper
    assert keeper is not None  # noqa: S101  oauth2 and oidc have one
    await keeper.rotate()


async def _tried(place: Place) -> None:
    """What prints the key is run. Raises BackendDenied."""
    await place.login().to("https://localhost", "").headers()


async def _by_chain(place: Place) -> None:
    """The cloud's own tools are asked. Raises BackendDenied."""
    chain = place.login().chain
    assert chain is not None  # noqa: S101
    await chain()


async def _logged_in(place: Place, *, by_code: bool) -> None:
    made = place.login()
    assert made.oidc is not None  # noqa: S101
    assert made.keeper is not None  # noqa: S101
    await asyncio.to_thread(place.store.check)  # before somebody types a password in vain
    before = await made.keeper.known()
    if by_code:
        tokens = await made.oidc.login_by_device(asking.show_code)
    else:
        with asking.browser(place.name) as open_with:
            tokens = await made.oidc.login_by_browser(open_with)
    if before and before.who and before.who != tokens.who:
        is_right = False
        try:
            # nothing else runs while it asks
            is_right = asking.is_right_person(place.name, tokens.who, before.who)
        finally:
            if not is_right:
                await asyncio.to_thread(made.oidc.revoke, tokens)
        if not is_right:
            raise CmdaiError(f"nothing was stored: the login of {visible(before.who)} goes on")
    await made.keeper.put(tokens)


def _emptied(place: Place, but: Collection[tuple[str, Entry]] = ()) -> Left:
    from cmdai_shell.auth.leaving import leave

    environment, means = place.environment, place.means
    return leave(place.name, place.places, partial(schemes.revoke, environment, means), but)


def _logged_out(place: Place) -> Left:
    """Raises ConfigError where nothing was kept here and the login is another program's."""
    environment, left = place.environment, _emptied(place)
    if left.removed:
        return left
    variable = environment.api_key_env
    match environment.scheme:
        case "none":
            raise _no_login(place.name)
        case "api_key" if variable:
            raise ConfigError(f"the API key is what is in ${variable}", f"unset {variable}")
        case "api_key" if environment.api_key_command:
            program = words(environment.api_key_command)[0]
            raise ConfigError(f"the API key is what {program} prints", "end it there")
        case "azure" | "aws" as scheme:
            how = {"azure": "az logout", "aws": "aws sso logout"}[scheme]
            raise ConfigError(f"{place.name} is logged in by {scheme}'s own tools", how)
        case "oauth2":
            raise ConfigError(
                f"{place.name} uses the program's own credentials: nobody is logged in",
                f"unset {environment.oauth_client_secret_env or environment.oauth_client_id_env}",
            )
        case "mtls":
            cure = f"cmdai-shell config unset environments.{place.name}.tls_cert_path"
            raise ConfigError(
                f"the login of {place.name} is its certificate: nothing is kept", cure
            )
    return left


def _tell_daemon(place: Place) -> None:
    """A running daemon forgets what it was given before: it may have it for minutes yet. One that
    cannot be told is ended: the next request starts another."""
    client = Client(start=())
    mine = {k: v for k, v in os.environ.items() if is_made_with(place.environment, k)}
    try:
        client.forget_login(place.name, mine)
    except CmdaiError:
        with suppress(DaemonUnavailable):
            client.stop()


# --- showing


def _done(place: Place, *, json_: bool, says_where: bool = False, said: str = "") -> None:
    """What is so now, or what was ``said`` to be done."""
    _tell_daemon(place)
    found = _run(row(place))
    if json_:
        output.emit(found.as_json(), "json")
        return
    output.say(f"{place.name}: {said or found.words}", _STYLES.get(found.state, "red"))
    if found.state == "in" and found.hint:
        output.say(f"  {found.hint}", "yellow")
    if says_where and found.where:
        is_open = "not encrypted" in found.where
        output.say(f"kept {found.where}", "yellow" if is_open else "dim")


def _show(rows: list[Row]) -> None:
    if not rows:
        output.say("no environment has a login: set its auth_type; see docs/auth.md")
        return
    wide = max(len(it.environment) for it in rows)
    for it in rows:
        line = visible(f"{it.environment:<{wide}}  {it.auth_type:<7}  {it.words}").replace(
            "\n", " "
        )
        click.echo(output.styled(line, _STYLES.get(it.state, "red"), sys.stdout))
        if it.hint:
            output.say(f"  {it.hint}")
    for where in dict.fromkeys(it.where for it in rows if it.where):
        output.say(f"credentials are kept {where}", "dim")
