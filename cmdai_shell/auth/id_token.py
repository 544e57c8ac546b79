"""Is this id_token about us, from whom we asked, and now? (OpenID Connect Core 1.0, 3.1.3.7)"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec
from joserfc import jws, jwt
from joserfc.errors import InvalidKeyIdError, JoseError, SecurityWarning
from joserfc.jwk import KeySet

from cmdai_shell.auth.exchange import Exchange, ExchangeFailed, ExchangeRefused
from cmdai_shell.auth.tokens import CLOCK_SKEW_S
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.core import Clock

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by a key pair: never none, never HS256, whose secret a public key would be."""
REFETCH_S = 300.0
"""A key that is not known is asked for at most so often."""
_LONGEST = 64 << 10


class Keys:
    """An issuer's public keys (JWKS). Blocks."""

    def __init__(self, exchange: Exchange, clock: Clock = time.monotonic) -> None:
        self._exchange = exchange
        self._clock = clock
        self._sets: dict[str, KeySet] = {}
        self._fetched: dict[str, float] = {}

    def get(self, url: str, *, again: bool = False) -> KeySet:
        """``again``: one that is wanted is not among those known. Raises ExchangeFailed."""
        is_old = self._clock() - self._fetched.get(url, -REFETCH_S) >= REFETCH_S
        if url not in self._sets or (again and is_old):
            self._sets[url] = _key_set(self._exchange.get(url))
            self._fetched[url] = self._clock()
        return self._sets[url]


def verified(token: str, keys: Callable[[bool], KeySet]) -> dict[str, Any]:
    """The claims of a token that one of the keys has signed. ``keys`` is called with True to get
    them anew. Raises ExchangeRefused."""
    for again in (False, True):
        try:
            if len(token) > _LONGEST:
                raise _refused("it is too long")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)  # EdDSA, which is to be Ed25519
                known = keys(again)
                _check_algorithm(token)
                return dict(jwt.decode(token, known, algorithms=list(ALGORITHMS)).claims)
        except InvalidKeyIdError:
            continue
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise _refused(_words(error)) from None
    raise _refused("it is signed with a key that its issuer does not list")


def _check_algorithm(token: str) -> None:
    """Before any key is looked up: so that the reason that is given is the true one."""
    found = jws.extract_compact(token.encode()).headers().get("alg")
    if found not in ALGORITHMS:
        raise _refused(f"it is signed by {visible(str(found))[:20]}, which proves nothing here")


def check(
    claims: Mapping[str, Any], *, issuer: str, client: str, nonce: str | None, now: float
) -> None:
    """``nonce`` None: none was sent (device code). Raises ExchangeRefused with the first thing that
    is wrong. Times may be off by ``CLOCK_SKEW_S``."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != issuer:
        raise _refused("it is from another issuer")
    if client not in audiences:
        raise _refused("it is for another client")
    if claims.get("azp", client) != client or (len(audiences) > 1 and "azp" not in claims):
        raise _refused("it was given out to another client")
    expires, issued = claims.get("exp"), claims.get("iat")
    if not _is_time(expires) or not _is_time(issued):
        raise _refused("it does not say from when until when it holds")
    if now > expires + CLOCK_SKEW_S:
        raise _refused("it has expired: is this machine's clock right?", "date -u")
    if issued > now + CLOCK_SKEW_S:
        raise _refused("it is from the future: is this machine's clock right?", "date -u")
    if _is_time(start := claims.get("nbf")) and start > now + CLOCK_SKEW_S:
        raise _refused("it does not hold yet: is this machine's clock right?", "date -u")
    if nonce is not None and claims.get("nonce") != nonce:
        raise _refused("it belongs to another login")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise _refused("it does not say who logged in")


def who(claims: Mapping[str, Any]) -> str:
    """For a person to recognise."""
    for name in ("email", "preferred_username", "name", "sub"):
        found = claims.get(name)
        if isinstance(found, str) and found.strip():
            return visible(found).replace("\n", " ")[:120]
    return ""


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _key_set(data: bytes) -> KeySet:
    """Keys of which one is broken do not spoil the others; symmetric ones are none."""
    try:
        found = msgspec.json.decode(data, type=dict[str, list[dict[str, Any]]])["keys"]
        useful = [it for it in found if it.get("kty") != "oct" and it.get("use", "sig") == "sig"]
        return KeySet([key for it in useful for key in _keys(it)])
    except (msgspec.MsgspecError, KeyError):
        raise ExchangeFailed("the identity provider's keys cannot be read") from None


def _keys(described: dict[str, Any]) -> list[Any]:
    try:
        return list(KeySet.import_key_set({"keys": [described]}).keys)
    except (JoseError, ValueError, TypeError, KeyError):
        return []


def _words(error: Exception) -> str:
    kind = type(error).__name__
    if "Signature" in kind:
        return "its signature is wrong"
    return f"it cannot be read ({kind})"


def _refused(why: str, hint: str = "") -> ExchangeRefused:
    return ExchangeRefused(
        f"the identity provider's id_token is not accepted: {why}", hint, "bad_id_token"
    )
