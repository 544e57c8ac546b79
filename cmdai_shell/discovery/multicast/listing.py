"""The services that are there, and when each is looked at. No I/O, no clock of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdai_shell.core import Added, Removed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.core import Endpoint
    from cmdai_shell.discovery.multicast.announcement import Announcement

MOST = 200
"""Services that are kept. Of too many the oldest of the address with the most of them goes; one
more at that address is not taken, so that whoever makes up thousands causes no coming and going."""
MOST_WAITING = 400
"""That are waiting to be looked at. Of too many the oldest goes."""
SETTLE_S = 0.1
"""From a change until it is looked at: records of one service come in several packets."""
AGAIN_S = 1.5
"""Until it is looked at once more: what new records replace goes a second later (RFC 6762 10.2)."""
EACH_S = 1.0
"""Between two looks at a service at least, whoever changes how often."""
BUSY_S = 0.5
"""Until a look that there was no room for is tried again."""
RETRIES_S = (3.0, 10.0, 30.0)
"""Until another try at one that did not say where it is."""


class Listing:
    """By key: the service's full name in small letters."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._there: dict[str, tuple[Announcement, Endpoint]] = {}
        self._doubted: set[str] = set()
        self._told: dict[str, tuple[str, Endpoint | None]] = {}
        self.dropped = 0
        """Services there was no room for."""

    def __contains__(self, key: str) -> bool:
        return key in self._there

    def __len__(self) -> int:
        return len(self._there)

    def at(self, host: str) -> tuple[str, ...]:
        """Keys of those that a host has."""
        return tuple(key for key, (heard, _) in self._there.items() if host == heard.host != "")

    def url(self, key: str) -> str:
        return self._there[key][1].url if key in self._there else ""

    def put(self, key: str, heard: Announcement, endpoint: Endpoint) -> None:
        """It is there, and has just said so. Its id becomes unique."""
        self._doubted.discard(key)
        name = self._name(key, endpoint)
        self._there.pop(key, None)
        if len(self._there) >= self._most and not self._made_room(endpoint):
            return
        self._there[key] = heard, replace(endpoint, id=name)

    def remove(self, key: str) -> None:
        self._there.pop(key, None)
        self._doubted.discard(key)

    def doubt(self) -> None:
        """Everything has to say again that it is there, until"""
        self._doubted = set(self._there)

    def sweep(self) -> None:
        """what did not goes."""
        for key in tuple(self._doubted):
            self.remove(key)

    def judge(self, again: Callable[[Announcement, Endpoint], Endpoint | None]) -> None:
        """Our own addresses changed: ``again`` makes the endpoint anew, of what was heard."""
        for key, (heard, old) in tuple(self._there.items()):
            new = again(heard, old)
            if new is None:
                self.remove(key)
            else:
                self._there[key] = heard, replace(new, id=self._name(key, new))

    def begin(self) -> None:
        """Somebody listens anew: what is there is told again, once it is heard again."""
        self.doubt()
        self._told = {key: (name, None) for key, (name, _) in self._told.items()}

    def changes(self) -> Iterator[Added | Removed]:
        """Since they were last asked for."""
        for key, (name, _) in tuple(self._told.items()):
            if key not in self._there or self._there[key][1].id != name:
                del self._told[key]
                yield Removed(id=name)
        for key, (_, endpoint) in tuple(self._there.items()):
            told = self._told.get(key, ("", None))[1]
            if told == endpoint or (told is None and key in self._doubted):
                continue
            self._told[key] = endpoint.id, endpoint
            yield Added(endpoint=endpoint)

    def _name(self, key: str, endpoint: Endpoint) -> str:
        """The id it has, if that still fits. Several services at one port of a host: the later ones
        are numbered."""
        base = endpoint.id
        if key in self._there and self._there[key][1].id.partition("~")[0] == base:
            return self._there[key][1].id
        taken = {known.id for other, (_, known) in self._there.items() if other != key}
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}~{count}"
        return name

    def _made_room(self, newcomer: Endpoint) -> bool:
        self.dropped += 1
        places = {key: _place(endpoint) for key, (_, endpoint) in self._there.items()}
        count = Counter([*places.values(), _place(newcomer)])
        most = max(count[place] for place in places.values())
        if most > 1 and count[_place(newcomer)] == most:
            return False
        self.remove(next(key for key, place in places.items() if count[place] == most))
        return True


def _place(endpoint: Endpoint) -> str:
    return urlsplit(endpoint.url).hostname or ""


@dataclass(slots=True)
class _Turn:
    name: str
    at: float
    looked: float = -inf
    tries: int = 0
    is_last: bool = False


class Agenda:
    """When which service is to be looked at. A look begins with ``take`` and ends with ``done``."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._turns: dict[str, _Turn] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._turns)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._turns

    def note(self, name: str, now: float) -> None:
        """Something of it changed."""
        turn = self._turns.setdefault(name.lower(), _Turn(name, inf))
        turn.at = min(turn.at, max(now + SETTLE_S, turn.looked + EACH_S))
        turn.is_last = False
        if len(self._turns) > self._most:
            del self._turns[next(iter(self._turns))]
            self.dropped += 1

    def postpone(self, name: str, now: float) -> None:
        """It was taken, and there is nobody who could look."""
        if turn := self._turns.get(name.lower()):
            turn.at = min(turn.at, now + BUSY_S)

    def forget(self, name: str) -> None:
        self._turns.pop(name.lower(), None)

    def clear(self) -> None:
        self._turns.clear()

    def next(self) -> float:
        """When the next one is due."""
        return min((turn.at for turn in self._turns.values()), default=inf)

    def take(self, now: float, most: int) -> list[str]:
        """Names of those that are due, as they were noted; of too many the earliest."""
        due = [turn for turn in self._turns.values() if turn.at <= now]
        due.sort(key=lambda turn: turn.at)
        for turn in due[:most]:
            turn.at, turn.looked = inf, now
        return [turn.name for turn in due[:most]]

    def done(self, name: str, now: float, *, is_found: bool) -> None:
        turn = self._turns.get(name.lower())
        if turn is None or turn.at < inf:  # something changed meanwhile
            return
        if not is_found and turn.tries < len(RETRIES_S):
            turn.at = now + RETRIES_S[turn.tries]
            turn.tries += 1
        elif is_found and not turn.is_last:
            turn.at = now + AGAIN_S
            turn.is_last, turn.tries = True, 0
        else:
            del self._turns[name.lower()]
