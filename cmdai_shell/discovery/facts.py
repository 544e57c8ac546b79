"""What we learned by ourselves, and nobody announced: keys that were shown to us, addresses of
names, who is silent. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.discovery import judging
from cmdai_shell.discovery.policy import spot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmdai_shell.discovery.judging import Sighting
    from cmdai_shell.discovery.policy import Spot

_MOST = 2_000
"""Of each kind."""


class Facts:
    def __init__(self) -> None:
        self._keys: dict[Spot, tuple[str, bool]] = {}
        self._resolved: dict[str, tuple[str, ...]] = {}
        self._silent: set[Spot] = set()

    def saw_key(self, where: Spot, pin: str, *, is_key_alone: bool) -> None:
        """Empty: nobody knows any longer."""
        self._keys.pop(where, None)
        if pin and len(self._keys) < _MOST:
            self._keys[where] = pin, is_key_alone

    def saw_silence(self, where: Spot, *, is_silent: bool) -> None:
        (self._silent.add if is_silent else self._silent.discard)(where)

    def saw_addresses(self, host: str, addresses: Sequence[str]) -> None:
        name = host.rstrip(".").lower()
        self._resolved.pop(name, None)
        if addresses and len(self._resolved) < _MOST:
            self._resolved[name] = tuple(addresses)

    def key(self, where: Spot | None) -> tuple[str, bool]:
        """The pin, empty where it is not known, and whether it is all that vouches for it."""
        return self._keys.get(where, ("", False)) if where else ("", False)

    def is_silent(self, where: Spot | None) -> bool:
        return where in self._silent

    def place(self, where: Spot) -> Spot:
        """With plain http a name is no more than the address it stands for."""
        addresses = self._resolved.get(where.host, ())
        if where.scheme != "http" or not addresses:
            return where
        places = (spot(judging.moved_to("http://x", where._replace(host=a))) for a in addresses)
        return min((each for each in places if each), key=judging.rank, default=where)

    def reached(self, heard: Iterable[Sighting], where: Spot) -> tuple[str, ...]:
        return judging.reached(heard, where, self._resolved)
