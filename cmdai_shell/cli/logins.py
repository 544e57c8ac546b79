"""An environment with its login, as ``auth`` shows and changes it."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmdai_shell.auth import schemes, tls
from cmdai_shell.auth.blocking import aside
from cmdai_shell.auth.carrying import may_carry
from cmdai_shell.auth.command import is_there, words
from cmdai_shell.auth.keychain import CredentialsUnavailable
from cmdai_shell.auth.leaving import found
from cmdai_shell.auth.session import LoginStatus, lasting, status
from cmdai_shell.auth.store import TIMEOUT_S
from cmdai_shell.auth.tokens import in_words
from cmdai_shell.config.environments import endpoints, is_near
from cmdai_shell.errors import BackendDenied, CmdaiError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cmdai_shell.auth.session import LoginState
    from cmdai_shell.auth.store import Choice, CredentialStore, Entry
    from cmdai_shell.config import Config
    from cmdai_shell.config.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(LoginStatus):
    auth_type: str

    def as_json(self) -> dict[str, Any]:
        left = self.expires - time.time()
        return {**asdict(self), "expires_in_s": round(left) if self.expires else None}


@dataclass(frozen=True, slots=True)
class Place:
    environment: Environment
    means: schemes.Means
    places: tuple[CredentialStore, ...] = ()
    """All stores, in which other settings may have left something."""

    @property
    def store(self) -> CredentialStore:
        return self.means.store

    @property
    def name(self) -> str:
        return self.environment.id

    @property
    def entry(self) -> Entry:
        """What its login keeps in the store, beside tokens."""
        return "api-key" if self.environment.scheme == "api_key" else "key-passphrase"

    @property
    def kept(self) -> frozenset[tuple[Choice, Entry]]:
        """In which store its login is by the settings of now, and under what."""
        one, chosen = self.environment, self.store.choice
        entries: set[Entry] = {"key-passphrase"} if one.tls_cert_path else set()
        if one.scheme == "oidc":
            entries.add("tokens")
        if one.scheme == "api_key" and not (one.api_key_env or one.api_key_command):
            entries.add("api-key")
        choices: tuple[Choice, ...] = ("file", "keychain") if chosen == "auto" else (chosen,)
        return frozenset(product(choices, entries))

    def login(self) -> schemes.Login:
        """Raises ConfigError."""
        return schemes.login(self.environment, self.means)

    async def checked(self) -> float:
        """The files are read; when the certificate ends, Unix time. Raises CmdaiError."""
        found = schemes.tls(self.environment, self.means)
        await found.refresh()
        return found.expires() or 0.0

    def is_encrypted(self) -> bool:
        """The key wants a passphrase. Raises ConfigError if it cannot be read."""
        asked: list[str] = []

        def note() -> None:
            asked.append("asked")

        try:
            tls.load(self._files(), note)
        except ConfigError:
            if not asked:
                raise
        return bool(asked)

    def try_passphrase(self, passphrase: str) -> None:
        """Raises ConfigError for a wrong one."""
        tls.load(self._files(), lambda: passphrase)

    def _files(self) -> tls.TlsFiles:
        one = self.environment
        if not one.tls_cert_path:
            raise ConfigError(f"{one.title}: mtls needs a certificate", "set tls_cert_path")
        return schemes.files(one)


def of(environment: Environment, config: Config) -> Place:
    """Raises ConfigError."""
    return Place(environment, schemes.means(environment, config), schemes.places(config))


async def row(place: Place) -> Row:
    """How the login does now. Asks nobody but the stores; of azure and aws, their own chain."""
    now = await _now(place)
    if now.state == "in":
        now = replace(now, hint=now.hint or _never_sent(place))
    # A sealed file that is not in use is not opened: that may ask the person for a passphrase.
    seen = [it for it in place.places if it.choice in (place.store.choice, "file", "keychain")]
    try:
        old = await aside(TIMEOUT_S, lambda: set(found(place.name, seen)) - place.kept)
    except TimeoutError:
        old = set()
    if not old:
        return now
    rest = ", ".join(f"{entry} in {choice}" for choice, entry in sorted(old))
    cure = f"cmdai-shell auth logout --environment {place.name}"
    said = f"{now.words}; of earlier settings there is still {rest}"
    return replace(now, words=said, hint=now.hint or cure)


async def _now(place: Place) -> Row:
    try:
        match place.environment.scheme:
            case "api_key":
                return await _key(place)
            case "mtls":
                return await _certificate(place)
            case "azure" | "aws":
                return await _chain(place)
            case "none":
                return _row(place, "out", "it has no login, and none is kept")
        return await _tokens(place)
    except CredentialsUnavailable as error:
        return _row(place, "locked", error.message, hint=error.hint)
    except (ConfigError, BackendDenied) as error:
        return _row(place, "missing", error.message, hint=error.hint)


def as_daemon_has_it(
    rows: Iterable[Row], config: Config, servers: Iterable[Mapping[str, Any]]
) -> Iterator[Row]:
    """A variable that is set here says nothing of the daemon: it has those of whoever started it.
    ``servers`` as in the daemon's status."""
    denied = {one["id"].partition("/")[0] for one in servers if one["state"] == "login"}
    for row in rows:
        variable = config.environments[row.environment].api_key_env
        if variable and row.state == "in" and row.environment in denied:
            said = f"the daemon is not let in with its ${variable}: cmdai-shell daemon restart"
            row = replace(row, hint=said)
        yield row


def _never_sent(place: Place) -> str:
    """What to type if a server is at an address to which no credential goes; empty if none is."""
    if place.environment.scheme in ("none", "mtls"):
        return ""
    for endpoint in endpoints(place.environment):
        if not may_carry(endpoint.url, place.means.allowed):
            parts = urlsplit(endpoint.url)
            said = f"no credential is sent to {parts.netloc.rpartition('@')[2]} over plain http"
            if not is_near(parts.hostname or ""):
                return f"{said}: its address has to begin with https://"
            setting = f"environments.{place.name}.allow_http_credentials true"
            return f"{said}; if others may read it there: cmdai-shell config set {setting}"
    return ""


async def _chain(place: Place) -> Row:
    title = {"azure": "Azure", "aws": "AWS"}[place.environment.scheme]
    made = place.login()
    assert made.chain is not None  # noqa: S101
    try:
        found = await made.chain()
    except BackendDenied as error:
        return _row(place, "out", error.message, hint=error.hint)
    by = f"logged in to {title} by {found.who}"
    told = lasting(by, found.expires, time.time(), is_renewed=bool(found.expires))
    return _row(place, "in", told, expires=found.expires, is_renewable=bool(found.expires))


async def _key(place: Place) -> Row:
    place.login()
    if command := place.environment.api_key_command:
        program = words(command)[0]
        if is_there(program):
            return _row(place, "in", f"the API key is what {program} prints")
        return _row(place, "missing", f"there is no program {program}", hint="see api_key_command")
    if variable := place.environment.api_key_env:
        if os.environ.get(variable, "").strip():
            return _row(place, "in", f"the API key is what is in ${variable}")
        hint = f"export {variable}=..., then cmdai-shell daemon restart"
        return _row(place, "missing", f"the API key is missing: ${variable} is not set", hint=hint)
    key = await place.store.get(place.name, "api-key")
    where = await place.store.where()
    if key:
        return _row(place, "in", "an API key is stored", where=where)
    hint = f"cmdai-shell auth login --environment {place.name}"
    return _row(place, "out", "no API key is stored", hint=hint, where=where)


async def _certificate(place: Place) -> Row:
    place.login()
    stored = await place.store.get(place.name, "key-passphrase")
    try:
        expires = await place.checked()
    except CmdaiError as error:
        return _row(place, "missing", error.message, hint=error.hint)
    left = in_words(expires - time.time())
    told = f"the certificate {place.environment.tls_cert_path} is valid for {left} more"
    where = await place.store.where() if stored else ""
    return _row(place, "in", told, expires=expires, where=where)


async def _tokens(place: Place) -> Row:
    made = place.login()
    assert made.keeper is not None  # noqa: S101  oauth2 and oidc have one
    found = await status(made.keeper, place.store if made.oidc else None)
    more = asdict(replace(found, where=found.where if made.oidc else ""))
    return Row(auth_type=place.environment.scheme, **more)


def _row(place: Place, state: LoginState, words: str, **more: Any) -> Row:
    return Row(
        environment=place.name,
        auth_type=place.environment.scheme,
        state=state,
        words=words,
        **more,
    )
