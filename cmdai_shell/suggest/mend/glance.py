"""What one press looks up of the host: nothing twice, and nothing when its time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cmdai_shell.core import Look, Place

T = TypeVar("T")


class TimeUp(Exception):
    """Nobody waits for this any more."""


class Glance:
    """A ``core.Look`` for a moment. Whatever takes long here is a loop that looks things up, so
    this is where it ends: each method raises TimeUp once ``is_over`` says so."""

    def __init__(self, look: Look, is_over: Callable[[], bool]) -> None:
        self._look = look
        self._is_over = is_over
        self._seen: dict[tuple[object, ...], object] = {}

    def _once(self, ask: Callable[..., T], *key: str) -> T:
        if self._is_over():
            raise TimeUp
        known = (ask, *key)
        if known not in self._seen:
            self._seen[known] = ask(*key)
        return cast("T", self._seen[known])

    def is_root(self) -> bool:
        return self._once(self._look.is_root)

    def which(self, program: str, path: str) -> str:
        return self._once(self._look.which, program, path)

    def platform(self) -> Mapping[str, str]:
        return self._once(self._look.platform)

    def programs(self, path: str) -> Collection[str]:
        return self._once(self._look.programs, path)

    def entries(self, folder: str) -> Collection[str]:
        return self._once(self._look.entries, folder)

    def place(self, path: str) -> Place:
        return self._once(self._look.place, path)

    def text(self, path: str) -> str:
        return self._once(self._look.text, path)
