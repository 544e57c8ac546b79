"""The person's word on one server, as it is kept, and how it is made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from cmdai_shell.config.environments import RESERVED, checked_url
from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.policy import is_in, network, spot
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.discovery.policy import Spot

MOST_ROUTERS = 16
NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
"""What a server can be called: typed in any shell without quotes, and never like one of an
environment (``home-lab/spark:8000``)."""

_Text = Annotated[str, Meta(max_length=255)]
Url = Annotated[str, Meta(max_length=2_000)]
Pin = Annotated[str, Meta(pattern=r"\A(sha256/[A-Za-z0-9+/]{43}=)?\Z")]
_Texts = Annotated[tuple[_Text, ...], Meta(max_length=64)]


class Approval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A server that the person approved, and what it was then. Times are Unix seconds."""

    name: Annotated[str, Meta(pattern=rf"\A{NAMES.pattern}\Z")]
    """What the person calls it; unique."""
    url: Url
    source: _Text = ""
    host: _Text = ""
    instance: _Text = ""
    uuid: _Text = ""
    addresses: _Texts = ()
    """All that it said it had. Only the one in ``url`` is approved."""
    networks: _Texts = ()
    """Of ours, in which it was, and"""
    routers: _Texts = ()
    """our routers then, as ``routers.read`` has them: with plain http it is asked behind no others.
    Empty where they are not known."""
    environment: _Text = ""
    pin: Pin = ""
    """Of https, ``sha256/`` and base64; empty until it was first used."""
    is_key_alone: bool = False
    """No authority that this machine trusts made its certificate: it is known by its key alone."""
    kind: _Text = "auto"
    model: _Text = ""
    auth: _Text = ""
    approved_at: float = 0.0
    last_seen: float = 0.0
    is_proven: bool = False
    """It has passed a handshake since."""

    @property
    def endpoint(self) -> Endpoint:
        labels = {
            "host": self.host,
            "instance": self.instance,
            "uuid": self.uuid,
            "addresses": " ".join(self.addresses),
            "network": " ".join(self.networks),
            "spki": self.pin,
            "auth": self.auth,
        }
        return Endpoint(
            id=self.name,
            url=self.url,
            kind=self.kind,
            source=self.source,
            environment=self.environment,
            model=self.model,
            labels={key: value for key, value in labels.items() if value},
        )


class Ignored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A server that the person does not want to hear of."""

    name: _Text
    url: Url
    host: _Text = ""

    def covers(self, where: Spot, host: str) -> bool:
        """Also after its address has changed: whoever calls himself so wants to be seen less."""
        own = spot(self.url)
        if own is None:
            return False
        return own == where or (bool(host) and (host, where.port) == (self.host, own.port))


def made(
    candidate: Candidate, name: str, environment: str, routers: Collection[str], now: float
) -> Approval:
    """The approval of a candidate. Raises ConfigError for what cannot be one."""
    if not NAMES.fullmatch(name) or name in RESERVED:
        hint = "letters, digits, . _ : -, at most 64, a letter or digit first"
        raise ConfigError(f"{name!r} is no name for a server", hint)
    endpoint = candidate.endpoint
    label = endpoint.labels.get
    where = spot(endpoint.url)
    heard = network(label("network", ""))
    is_there = bool(where and heard and is_in(where.host, heard))
    if heard and is_there:  # a telephone that we are connected through goes wherever we go
        routers = [each for each in routers if is_in(each.partition(" ")[0], heard)]
    approval = Approval(
        name=name,
        url=checked_url(endpoint.url),
        source=endpoint.source,
        host=label("host", ""),
        instance=label("instance", ""),
        uuid=label("uuid", ""),
        addresses=tuple(label("addresses", "").split()[:64]),
        networks=(str(heard),) if is_there else (),
        routers=tuple(sorted(routers))[:MOST_ROUTERS],
        environment=environment or endpoint.environment,
        pin=candidate.key,
        is_key_alone=candidate.is_key_alone,
        kind=endpoint.kind,
        model=endpoint.model,
        auth=label("auth", ""),
        approved_at=now,
        last_seen=now,
    )
    try:
        return msgspec.convert(msgspec.to_builtins(approval), Approval)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name} cannot be approved: {error}") from None


def approved_again(old: Approval, new: Approval) -> Approval:
    """Approved once more: its pin stays, and it may be asked where it might be asked before."""
    routers = tuple(dict.fromkeys((*new.routers, *old.routers)))[:MOST_ROUTERS]
    new = msgspec.structs.replace(new, routers=routers if old.routers else new.routers)
    if not old.pin:
        return new
    return msgspec.structs.replace(new, pin=old.pin, is_key_alone=old.is_key_alone)
