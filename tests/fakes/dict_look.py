"""core.Look from a dictionary: a host that is what a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EVERYDAY = frozenset(
    ("awk", "cat", "cut", "date", "du", "find", "git", "grep", "head", "ls", "mkdir", "mv", "rm")
) | {"sed", "sort", "tail", "wc"}


class DictLook:
    """``programs`` are on every PATH, except those of ``only`` which are on that one alone."""

    def __init__(
        self,
        programs: Iterable[str] = EVERYDAY,
        *,
        userland: str = "GNU",
        only: Mapping[str, str] | None = None,
    ) -> None:
        self._programs = set(programs)
        self._userland = userland
        self._only = only or {}

    def which(self, program: str, path: str) -> str:
        there = program in self._programs or (path != "" and self._only.get(program) == path)
        return f"/usr/bin/{program}" if there else ""

    def platform(self) -> Mapping[str, str]:
        return {"system": "Debian GNU/Linux 12", "userland": self._userland}
