"""A token endpoint's answer (RFC 6749, 5.1), as far as it can be used.

oauthlib raises this and that for a value of another type, and then a refresh token that came
beside it, the only one that is good from now on, would be lost with the whole answer.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

from cmdai_shell.auth.tokens import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_S = 1e9
"""A token that is said to live longer has no known end."""


def read(data: bytes | str) -> dict[str, Any]:
    """Raises ValueError for what is no JSON object."""
    try:
        found = json.loads(data, parse_int=float)  # of any length, unlike int
    except RecursionError:
        raise ValueError("nested too deep") from None
    if isinstance(found, dict):
        return found
    raise ValueError("no object")


def usable(said: Mapping[str, Any]) -> dict[str, Any]:
    """Values that have the type they should have; of others only that a kind was given."""
    return dict(_usable(said))


def _usable(said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    texts = {name: value for name, value in said.items() if _is_text(value)}
    access, refresh = texts.get("access_token", ""), texts.get("refresh_token", "")
    if 0 < len(access) <= LONGEST and access.isascii() and access.isprintable():  # RFC 6749, A.12
        yield "access_token", access
    if 0 < len(refresh) <= LONGEST:
        yield "refresh_token", refresh
    yield from ((name, texts[name]) for name in ("id_token", "error") if name in texts)
    kind = said.get("token_type")
    yield "token_type", "bearer" if kind in (None, "") else str(kind).lower()[:60]
    if scope := _scope(said.get("scope")):
        yield "scope", scope
    if (seconds := _seconds(said.get("expires_in"))) is not None:
        yield "expires_in", seconds


def _is_text(value: Any) -> bool:
    """That can be written down."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _scope(value: Any) -> str:
    words = value if isinstance(value, list) else [value]
    return " ".join(word for word in words if _is_text(word))


def _seconds(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return int(seconds) if isfinite(seconds) and 0 < seconds <= LONGEST_S else None
