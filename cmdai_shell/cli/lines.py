"""Lines of styled pieces for a terminal: cut, unfolded, and shared among those who want them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from rich.cells import cell_len, chop_cells, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Line: TypeAlias = "list[tuple[str, str]]"
"""(style class, text) from left to right; no text holds a newline."""

BARS, PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.:-=+*#"
MORE, PLAIN_MORE = "…", "~"
"""Stands where something was cut off."""
HANGING = 15
"""Cells before what a next line goes on with."""
_WORDS = re.compile(r" *[^ ]+ *|^ +$")


def plain(lines: Iterable[Line]) -> str:
    return "".join("".join(text for _, text in each).rstrip() + "\n" for each in lines)


def spark(values: Sequence[float], width: int, top: float, bars: str = BARS) -> str:
    """The newest at the right; a blank where there is no value."""
    shown = [
        bars[min(int(value / top * len(bars)), len(bars) - 1)] if value > 0 and top > 0 else " "
        for value in (values[-width:] if width else ())
    ]
    return "".join(shown).rjust(width)


def sized(text: str, width: int, more: str) -> str:
    """Of exactly that many cells."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(width - 1, 0)) + more[:width]


def length(pieces: Line) -> int:
    """In cells."""
    return sum(cell_len(text) for _, text in pieces)


def cut(pieces: Line, columns: int, more: str) -> Line:
    """Of so many cells at most, and with the classes that a terminal's style sheet names."""
    found: Line = []
    room = columns if length(pieces) <= columns else columns - 1
    for style, text in pieces:
        kept = text if cell_len(text) <= room else set_cell_size(text, max(room, 0))
        room -= cell_len(kept)
        if kept:
            found.append((f"class:{style}" if style else "", kept))
    return [*found, ("", more)] if length(pieces) > columns > 0 else found


def unfolded(lines: list[Line], width: int, spare: int) -> list[Line]:
    """Lines that are too long go on in a next one, from the top, as long as there are any to
    spare."""
    found: list[Line] = []
    for each in lines:
        parts = wrapped(each, width) if length(each) > width else [each]
        if len(parts) - 1 > spare:
            parts = [each]
        spare -= len(parts) - 1
        found += parts
    return found


def wrapped(pieces: Line, width: int, hanging: int = HANGING) -> list[Line]:
    """At blanks, where there are any."""
    lines: list[Line] = [[]]
    room = fresh = width
    words = [(style, word) for style, text in pieces for word in _WORDS.findall(text)]
    for style, word in words:
        if cell_len(word.rstrip()) > room and room < fresh:
            lines.append([("", " " * hanging)])
            room = fresh = width - hanging
            word = word.lstrip()
        while cell_len(word.rstrip()) > room:
            head = chop_cells(word, room)[0]
            lines[-1].append((style, head))
            lines.append([("", " " * hanging)])
            room = fresh = width - hanging
            word = word[len(head) :]
        lines[-1].append((style, word if cell_len(word) <= room else word.rstrip()))
        room -= cell_len(word)
    return lines


def shares(wanted: Sequence[tuple[int, int]], room: int) -> list[int]:
    """Lines for each section of (lines that it has, lines that it should have at least): first
    the least for each from the top, then what is left, from the top."""
    given = [0] * len(wanted)
    for is_least in (True, False):
        for place, (has, least) in enumerate(wanted):
            more = min((min(has, least) if is_least else has) - given[place], room)
            given[place] += max(more, 0)
            room -= max(more, 0)
    return given


def window(lines: list[Line], count: int) -> list[Line]:
    """So many of the lines, the chosen one among them, and how many there are more."""
    if len(lines) <= count:
        return lines
    chosen = next((n for n, pieces in enumerate(lines) if pieces[0][1].startswith(">")), 0)
    if count == 1:
        return [lines[chosen]]
    start = min(max(0, chosen - count + 2), len(lines) - count + 1)
    hidden = len(lines) - count + 1
    return [*lines[start : start + count - 1], [("faint", f"   and {hidden} more")]]
