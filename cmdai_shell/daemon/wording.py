"""Every sentence the hooks show beside a suggestion, in one place: three shells cannot drift."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from cmdai_shell.core import Risk

if TYPE_CHECKING:
    from cmdai_shell.core import Explanation, Suggestion, Verdict

_DOT = " · "
_LEAST_SAID = 20
"""Columns of an explanation that are worth more than what follows it."""
_MOST_REFUSED = 60
"""Columns of a refused command that are shown: the reason and what is safer follow it."""


def message(found: Suggestion, width: int, maker: str) -> str:
    """The status line of a final suggestion: what is wrong with it, who made it (``maker``), how
    long it took, which alternative it is.

    When the terminal is narrow the time gives way first, then the maker, as what is explained often
    ends in what to do; then the end of the explanation, and the warning last.
    """
    match found.action:
        case "restore":
            return cut("your own text again", width)
        case "arm":
            return f"{_judgement(found.verdict)}; press again to insert: {found.command}"
        case "refuse":
            safer = found.verdict.safer
            instead = f"; safer: {safer}" if safer else ""
            what = f"{cut(found.command, _MOST_REFUSED)} is {_judgement(found.verdict)}"
            return f"refused (safety_level is strict): {what}{instead}"
    warning = f"⚠ {_reason(found.verdict)}" if found.verdict.risk else ""
    cause = _cause(found)
    if found.is_fallback and not cause:
        maker = f"{maker} (no server answered)"
    place = f"{found.index}/{found.count}" if found.count > 1 else ""
    whole = _joined(warning, cause, found.explanation, maker, seconds(found.elapsed), place)
    if cells(whole) < width:
        return whole
    if cause:
        return cut(_joined(warning, cause, maker, place), width)
    without = _joined(warning, found.explanation, place)
    if found.explanation and cells(without) < width <= cells(_joined(without, maker)):
        return without
    room = width - cells(_joined(warning, maker, place)) - len(_DOT)
    said = cut(found.explanation, room) if room >= _LEAST_SAID else found.explanation
    return cut(_joined(warning, said, maker, place), width)


def _cause(found: Suggestion) -> str:
    """Why no server answered, if somebody has to do something about it: by the environment's name
    alone, as there is little room."""
    name, colon, rest = found.remedy.partition(": ") if found.is_fallback else ("", "", "")
    return f"{name.partition('/')[0]}{colon}{rest}"


def _joined(*parts: str) -> str:
    return _DOT.join(filter(None, parts))


def explanation(update: Explanation) -> str:
    """The explanation's own lines, the warning before them."""
    if update.verdict.risk < Risk.CAUTION:
        return update.text
    return f"⚠ {_judgement(update.verdict)}\n{update.text}"


def working(doing: str, elapsed: float) -> str:
    return f"{doing}, {elapsed:.1f} s"


def seconds(elapsed: float) -> str:
    """0.8 s; below a tenth in milliseconds, so that a cached answer does not read 0.0 s."""
    return f"{elapsed:.1f} s" if elapsed >= 0.1 else f"{elapsed * 1000:.0f} ms"


def cut(text: str, width: int) -> str:
    """The text in fewer than ``width`` columns (the last one makes some terminals wrap)."""
    if cells(text) < width:
        return text
    room = width - 2
    kept = ""
    for character in text:
        room -= cells(character)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + "…"


def cells(text: str) -> int:
    """Columns the text takes: 2 for wide characters (Unicode TR 11), 0 for combining marks."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _judgement(verdict: Verdict) -> str:
    return f"{verdict.risk.word}: {_reason(verdict)}"


def _reason(verdict: Verdict) -> str:
    return verdict.reasons[0] if verdict.reasons else f"this is {verdict.risk.word}"
