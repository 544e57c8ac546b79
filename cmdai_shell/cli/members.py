"""Which servers a command of ``backends`` means: those written down, and those trusted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmdai_shell.config import environments, loading, paths
from cmdai_shell.config.environment import Environment
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmdai_shell.config import Config
    from cmdai_shell.core import Endpoint, Server
    from cmdai_shell.discovery.approval import Approval


@dataclass(frozen=True, slots=True)
class Member:
    environment: Environment
    endpoint: Endpoint
    approval: Approval | None = None
    """Of one that was found, and that the person trusted."""

    def connect(self) -> Server:
        """Raises ConfigError, for one that was trusted in another network, too."""
        from cmdai_shell.backends import connect
        from cmdai_shell.backends.places import logins, settings
        from cmdai_shell.diagnose import approved

        config = loading.load()
        if self.approval:
            return approved.connect(self.approval, config, os.environ)
        auth = logins(self.environment, config)(self.endpoint.url, self.endpoint.kind)
        return connect(self.endpoint, settings(auth, config.load_balancing))


def everyone() -> list[Member]:
    """As they are asked: who was found goes before."""
    config = loading.load()
    return [*_trusted(config), *_written(config.environments.values())]


def active() -> list[Member]:
    """Those of the environment in use, and who belongs to none."""
    config = loading.load()
    if config.active_environment == environments.AUTO:
        return everyone()
    if config.active_environment == environments.NONE:
        return []
    chosen = environments.chosen(config)
    own = [chosen] if chosen else []
    names = {"", *(each.id for each in own)}
    return [*(m for m in _trusted(config) if m.environment.id in names), *_written(own)]


def of(name: str) -> list[Member]:
    """Those of that environment. Raises ConfigError."""
    known = loading.load().environments
    if name not in known:
        raise environments.unknown_environment(name, known)
    return [member for member in everyone() if member.environment.id == name]


def named(name: str, *, kind: str = "", model: str = "", api_key_env: str = "") -> list[Member]:
    """The servers that a name means. Raises ConfigError."""
    if "://" in name:
        made = Environment(
            endpoints=(name,),
            kind=kind or "auto",  # type: ignore[arg-type]
            model=model,
            api_key_env=api_key_env,
            allow_http_credentials=True,  # the person names both, here and now
        )
        return _written([made])
    members = everyone()
    ids = [member.endpoint.id for member in members]
    places = [member.environment.id for member in members]
    for called in (ids, places, [id_.partition("/")[2] for id_ in ids]):
        if name in called:
            return [member for member, word in zip(members, called, strict=True) if word == name]
    if not members:
        raise ConfigError(
            f"no server {name!r}", "there is none yet: cmdai-shell setup, or give a URL"
        )
    raise environments.unknown_server(name, ids)


def _written(found: Iterable[Environment]) -> list[Member]:
    return [
        Member(environment, endpoint)
        for environment in found
        for endpoint in environments.endpoints(environment)
    ]


def _trusted(config: Config) -> list[Member]:
    """But for those that are written down since. Raises ConfigError for a trust file that somebody
    else could have written."""
    from cmdai_shell.discovery.trust import TrustStore

    urls = {member.endpoint.url for member in _written(config.environments.values())}
    return [
        Member(
            config.environments.get(each.environment) or Environment(),
            each.endpoint,
            each,
        )
        for each in TrustStore(paths.data_dir()).approvals()
        if each.url not in urls
    ]
