"""Servers that were approved, asked by a command of the person's own: as the daemon would, who they
are is seen first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.auth.authenticator import Authenticator
    from cmdai_shell.config import Config
    from cmdai_shell.core import Server
    from cmdai_shell.discovery.approval import Approval
    from cmdai_shell.discovery.pins import LearnedIdentity


def connect(approval: Approval, config: Config, environ: Mapping[str, str]) -> Server:
    """No byte is sent to it. May wait for a router of ours, and keeps nothing of what is seen.
    Raises ConfigError, also where it is known by a router that is not here."""
    from cmdai_shell import backends
    from cmdai_shell.auth.authenticator import NoLogin
    from cmdai_shell.backends import places
    from cmdai_shell.discovery import routers
    from cmdai_shell.discovery.pins import PinnedAtFirstUse
    from cmdai_shell.discovery.trust import forget_hint, trust_hint

    is_plain = approval.url.startswith("http:")
    if is_plain and approval.routers and not routers.is_one_of(approval.routers):
        what = f"{approval.name} was trusted in another network: who is here gets no login"
        raise ConfigError(what, f"if this is that network: {trust_hint(approval.name)}")
    auth: Authenticator = NoLogin()
    if environment := config.environments.get(approval.environment):
        auth = places.logins(environment, config, environ)(approval.url, approval.kind)
    if not is_plain:
        auth = PinnedAtFirstUse(
            auth,
            approval.url,
            remember=_forget,
            pin=approval.pin,
            is_key_alone=approval.is_key_alone,
            on_mismatch=lambda _: None,
            name=approval.name,
            hint=forget_hint(approval.name),
        )
    return backends.connect(approval.endpoint, places.settings(auth, config.load_balancing))


async def _forget(_: LearnedIdentity) -> None:
    """The daemon remembers, at its first use."""
