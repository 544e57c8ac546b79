"""What a login, or a client's own credentials, were exchanged for."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

CLOCK_SKEW_S = 60.0
"""That two well-kept clocks may differ."""
MARGIN_S = 10.0
"""A token that ends sooner is not sent any more."""
LONGEST = 65_536
"""Characters of one."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Times are Unix seconds of this machine's clock. Never shown: neither in ``repr`` nor
    anywhere else."""

    origin: str
    """Who gave it out: the issuer, or the token URL."""
    client: str
    """To which client id."""
    obtained: float
    access: Annotated[str, Meta(max_length=LONGEST)] = ""
    expires: float = 0.0
    """0: it was not said."""
    refresh: Annotated[str, Meta(max_length=LONGEST)] = ""
    scope: str = ""
    who: str = ""
    """The person's name or address, as the identity provider writes it."""
    ended: str = ""
    """Why a login is needed; then there is no token in it."""

    def __repr__(self) -> str:
        return f"Tokens({self.origin!r}, {self.client!r}, until {self.expires:.0f})"

    def is_valid(self, now: float) -> bool:
        if not self.access or now < self.obtained - CLOCK_SKEW_S:  # the clock was set back
            return False
        return not self.expires or now < self.expires - MARGIN_S

    def is_fresh(self, now: float, ahead: float) -> bool:
        """There is no need yet to renew it, ``ahead`` seconds before its end; half its life for one
        that lives shorter than that."""
        life = self.expires - self.obtained
        return self.is_valid(now) and (
            not self.expires or now < self.expires - min(ahead, 0.5 * life)
        )

    def written(self) -> str:
        return msgspec.json.encode(self).decode()


def read(text: str | None, *, origin: str, client: str) -> Tokens | None:
    """None if it was given out by somebody else, to another client, or is not ours."""
    found = parsed(text)
    return found if found and (found.origin, found.client) == (origin, client) else None


def parsed(text: str | None) -> Tokens | None:
    """Whoever gave it out."""
    try:
        return msgspec.json.decode(text or "", type=Tokens)
    except msgspec.MsgspecError:
        return None


def in_words(seconds: float) -> str:
    """A span as a person says it: "55 minutes"."""
    seconds = abs(seconds)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size * (2 if unit != "minute" else 1):
            count = int(seconds // size)
            return f"{count} {unit}{'s' * (count != 1)}"
    return f"{int(seconds)} second{'s' * (int(seconds) != 1)}"
