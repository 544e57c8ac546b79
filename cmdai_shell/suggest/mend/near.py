"""How far two names are from each other, as fingers slip."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = frozenset(
    one + other for row in _KEYS for pair in pairwise(row) for one, other in (pair, pair[::-1])
)
_DOUBLED = re.compile(r"(.)\1+")
_NUMBERS = re.compile(r"\d+")


def slips(typed: str, meant: str, most: int) -> int:
    """Letters missing, added, replaced, or swapped with their neighbour; ``most + 1`` for any more
    than ``most``."""
    if typed == meant:
        return 0
    if abs(len(typed) - len(meant)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(meant) + 1))
    for i, a in enumerate(typed, 1):
        older, before = before, row
        row = [i]
        for j, b in enumerate(meant, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == meant[j - 2] and b == typed[i - 2]:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most and min(before) > most:
            return most + 1
    return min(row[-1], most + 1)


def is_plain(typed: str, meant: str, *, missing: bool = False) -> bool:
    """Two letters swapped, or one doubled; with ``missing`` also one left out. For what must not be
    guessed."""
    if slips(typed, meant, 1) != 1:
        return False
    if len(typed) < len(meant):
        return missing
    same = (_DOUBLED.sub(r"\1", name) for name in (typed, meant))
    return sorted(typed) == sorted(meant) or len({*same}) == 1


def allowed(name: str) -> int:
    """Slips that leave a name of this length recognisable."""
    return 0 if len(name) < 2 else 1 if len(name) < 5 else 2


def nearest(
    typed: str, names: Iterable[str], *, limit: int | None = None, most: int = 3
) -> tuple[str, ...]:
    """The names that ``typed`` may be a slip of, best first: only those with the fewest slips."""
    limit = allowed(typed) if limit is None else limit
    lower = typed.lower()
    letters = frozenset(lower)
    best: list[tuple[tuple[float, ...], str]] = []
    for name in names:
        low = name.lower()
        if name == typed or abs(len(low) - len(lower)) > limit:
            continue
        if len(letters.symmetric_difference(low)) > 2 * limit:
            continue
        count = slips(lower, low, limit)
        if count <= limit and not _other_number(lower, low):
            limit = count
            best.append((_rank(lower, low, count), name))
    best.sort()
    return tuple(name for rank, name in best if rank[0] == best[0][0][0])[:most]


def _rank(typed: str, meant: str, count: int) -> tuple[float, ...]:
    """Fewest slips; the first letter is seldom wrong; a swap is the likeliest, then a letter that
    is missing or doubled, then a key beside."""
    if count != 1:
        return (count, typed[:1] != meant[:1], 0)
    return (count, typed[:1] != meant[:1] and sorted(typed) != sorted(meant), _kind(typed, meant))


def _kind(typed: str, meant: str) -> int:
    if sorted(typed) == sorted(meant):
        return 0
    if len(typed) != len(meant):
        return 1
    pair = next((a + b for a, b in zip(typed, meant, strict=True) if a != b), "")
    return 2 if pair in _BESIDE else 3


def _other_number(typed: str, meant: str) -> bool:
    """``chapter3`` is no slip of ``chapter2``: both may exist."""
    one, other = _NUMBERS.findall(typed), _NUMBERS.findall(meant)
    return bool(one and other and one != other)
