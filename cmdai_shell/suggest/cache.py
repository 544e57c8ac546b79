"""Answers that were already given: least recently used go first, and all go stale."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from cmdai_shell.core import Clock

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """At most ``entries`` values, each good for ``ttl`` seconds. Lives and dies with its daemon, so
    nothing crosses users, a changed configuration or another model."""

    def __init__(self, *, entries: int, ttl: float, clock: Clock) -> None:
        self._entries = entries
        self._ttl = ttl
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        if key not in self._kept:
            return None
        made, value = self._kept[key]
        if self._clock() - made >= self._ttl:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Value) -> None:
        self._kept[key] = (self._clock(), value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._entries:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
