"""A row of lessons as the model reads it: one prefix, and behind it lessons that see only it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LENGTH = 1200
"""Tokens of a row."""


class Row(msgspec.Struct, frozen=True):
    """``opening`` is the prefix; each lesson its tokens and how much each counts as an answer, in
    hundredths."""

    opening: list[int]
    lessons: list[tuple[list[int], list[int]]]

    @property
    def counted(self) -> float:
        return sum(sum(counts) for _, counts in self.lessons) / 100


@dataclass(frozen=True)
class Laid:
    """Lists of LENGTH: the tokens, their positions, the lesson each belongs to (-1: the prefix, -2:
    nothing, one length for all is compiled once), how much each counts."""

    tokens: list[int]
    places: list[int]
    lesson: list[int]
    counts: list[int]


def laid(row: Row) -> Laid:
    start = len(row.opening)
    out = Laid([*row.opening], [*range(start)], [-1] * start, [0] * start)
    for number, (tokens, counts) in enumerate(row.lessons):
        out.tokens.extend(tokens)
        out.places.extend(range(start, start + len(tokens)))
        out.lesson.extend([number] * len(tokens))
        out.counts.extend(counts)
    padding = LENGTH - len(out.tokens)
    out.tokens.extend([0] * padding)
    out.places.extend([0] * padding)
    out.lesson.extend([-2] * padding)
    out.counts.extend([0] * padding)
    return out


def packed(
    lessons: Iterator[tuple[int, tuple[list[int], list[int]]]], openings: Sequence[list[int]]
) -> Iterator[Row]:
    """Rows of (place, lesson) pairs: each of one place, as full as the order allows."""
    filling: dict[int, Row] = {}
    for place, lesson in lessons:
        row = filling.setdefault(place, Row(openings[place], []))
        used = len(row.opening) + sum(len(tokens) for tokens, _ in row.lessons)
        if used + len(lesson[0]) > LENGTH:
            yield row
            row = filling[place] = Row(openings[place], [])
        row.lessons.append(lesson)
    yield from filling.values()


def read(path: Path) -> list[Row]:
    return [msgspec.json.decode(line, type=Row) for line in path.read_bytes().splitlines()]


def write(path: Path, rows: Sequence[Row]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
