"""Logging out: all that is kept of an environment goes, wherever its settings once put it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from cmdai_shell.auth import tokens as kept_tokens
from cmdai_shell.auth.keeper import LOCK_S, lock_of
from cmdai_shell.auth.keychain import CredentialsUnavailable
from cmdai_shell.auth.store import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cmdai_shell.auth.store import CredentialStore
    from cmdai_shell.auth.tokens import Tokens

    Revoke = Callable[[Tokens], str]
    """Ends a login at who gave it out; empty, or why it lives on there."""

ENTRIES: tuple[Entry, ...] = get_args(Entry)


@dataclass(slots=True)
class Left:
    """What became of it, in words for a person."""

    removed: list[str] = field(default_factory=list)
    """Where something was."""
    alive: list[str] = field(default_factory=list)
    """Why a login lives on at the identity provider."""
    unseen: list[str] = field(default_factory=list)
    """Stores that could not be opened, and why."""


def leave(
    environment: str,
    places: Sequence[CredentialStore],
    revoke: Revoke,
    but: Collection[tuple[str, Entry]] = (),
) -> Left:
    """Nobody renews meanwhile: what is revoked is what was given out last. Blocks. ``places`` are
    of one folder; ``but`` (store's choice, entry) stays. Raises CredentialsUnavailable where
    another process does not let go."""
    left = Left()
    try:
        with places[0].folder.held(lock_of(environment), LOCK_S):
            for place in places:
                try:
                    _empty(place, environment, revoke, left, but)
                except CredentialsUnavailable as error:
                    if error.state != "none" or place.choice != "keychain":
                        left.unseen.append(str(error))
    except TimeoutError:
        raise CredentialsUnavailable(
            f"another process has been renewing the login for {LOCK_S:.0f} s"
        ) from None
    return left


def found(environment: str, places: Sequence[CredentialStore]) -> list[tuple[str, Entry]]:
    """(Store's choice, entry) of all that is kept, as far as it can be seen now. Blocks."""
    seen: list[tuple[str, Entry]] = []
    for place in places:
        try:
            seen += [(place.choice, it) for it in ENTRIES if place.read(environment, it)]
        except CredentialsUnavailable:
            continue
    return seen


def _empty(
    place: CredentialStore,
    environment: str,
    revoke: Revoke,
    left: Left,
    but: Collection[tuple[str, Entry]],
) -> None:
    for entry in ENTRIES:
        if (place.choice, entry) in but:
            continue
        text = place.read(environment, entry)
        if text is None:
            continue
        if entry == "tokens":
            tokens = kept_tokens.parsed(text)
            said = revoke(tokens) if tokens else "what was kept of it cannot be read"
            if said:
                left.alive.append(said)
        place.remove(environment, entry)
        left.removed.append(f"{entry} in {place.choice}")
