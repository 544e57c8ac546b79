"""Options: misspelled, with a dash too few or too many."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.near import nearest
from cmdai_shell.suggest.mend.roles import AFTER_FIRST, LAST_MADE, operands, uses
from cmdai_shell.suggest.mend.scene import Mend, before, swap
from cmdai_shell.suggest.mend.spellings import ALONE, FIND, LETTERS, LONG
from cmdai_shell.suggest.mend.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.suggest.mend.line import Token
    from cmdai_shell.suggest.mend.scene import Part, Scene

_REJECTED = (1, 2, 3, 4, 64, 100, 125, 128, 129, 255)
"""What programs end with that do not know an option."""
_WORD = re.compile(r"(--?)([A-Za-z][\w.-]*)(=.*)?\Z", re.DOTALL)
_KINDS = {"file": "f", "files": "f", "dir": "d", "directory": "d", "folder": "d", "link": "l"}


def misspelled(scene: Scene) -> Iterator[Mend]:
    if not scene.failed(*_REJECTED):
        return
    for part in scene.parts:
        if part.program == "find":
            yield from _tests(part)
            continue
        name = tool(part).name
        known = LONG.get(name) or LONG.get(part.program)
        for word in part.args:
            if word.text == "--":
                break
            if known and word.plain:
                yield from ((swap(word, text),) for text in _spelled(name, word, known))
        yield from _no_dash(scene, part)


def _spelled(name: str, word: Token, known: frozenset[str]) -> Iterator[str]:
    found = _WORD.match(word.text)
    if not found or not word.raw.startswith(found[1] + found[2]):
        return
    dashes, option = found[1], found[2]
    rest = word.raw[len(dashes) + len(option) :]
    if dashes == "-":
        yield from _one_dash(name, option, rest, known)
    elif len(option) == 1:
        yield f"-{option}{rest}"
    elif option not in known and not _is_short_for(name, option, known):
        letters = LETTERS.get(name, "")
        if len(option) <= 4 and letters and not set(option) - set(letters):
            yield f"-{option}"
            return
        limit = 1 if len(option) < 6 else 2
        for other in nearest(option, known, limit=limit):
            yield f"--{other}{rest}"


def _is_short_for(name: str, option: str, known: frozenset[str]) -> bool:
    """The beginning of just one option is as good as the whole, but not to these."""
    if name in ("git log", "git diff", "git show"):
        return False
    return sum(other.startswith(option) for other in known) == 1


def _one_dash(name: str, option: str, rest: str, known: frozenset[str]) -> Iterator[str]:
    """``git commit -amend``: to git that is ``-a -m end``, but nobody writes that. A bundle of
    letters that is nearly an option is one of letters."""
    if len(option) < 4 or name.startswith(("tar", "apt")):
        return
    if option in known:
        yield f"--{option}{rest}"
    elif len(option) > 5:
        for other in nearest(option, known, limit=1):
            yield f"--{other}{rest}"


def _tests(part: Part) -> Iterator[Mend]:
    """find's words have one dash."""
    for place, word in enumerate(part.args):
        text = word.text
        last = part.args[place - 1].text if place else ""
        if last in ("-exec", "-execdir", "-ok"):
            return
        if text.startswith("--") and text[1:] in FIND:
            yield (swap(word, text[1:]),)
        elif re.fullmatch(r"-[a-z0-9]{3,}", text) and text not in FIND and text[1:].isalpha():
            for other in nearest(text, FIND, limit=1 if len(text) < 7 else 2):
                yield (swap(word, other),)
        elif last == "-type" and text in _KINDS:
            yield (swap(word, _KINDS[text]),)
        elif text in ("name", "iname", "type", "size", "mtime", "maxdepth") and place:
            yield (before(word, "-"),)


def _no_dash(scene: Scene, part: Part) -> Iterator[Mend]:
    """``ls la``, ``rm rf build``. A grep that ends with 1 has found nothing, and is right."""
    letters = LETTERS.get(part.program)
    if not letters or not part.args or (part.program == "grep" and scene.status != 2):
        return
    word = part.args[0]
    alone = len(part.args) == 1
    if not word.bare or len(word.text) > 4 or set(word.text) - set(letters):
        return
    if alone and part.program not in ALONE:
        return
    if scene.absent(part, word.text) and (alone or _makes_sense(scene, part, word)):
        yield (before(word, "-"),)


def _makes_sense(scene: Scene, part: Part, word: Token) -> bool:
    """Whether what is left without ``word`` is a command that finds what it needs."""
    left = replace(part, words=tuple(other for other in part.words if other is not word))
    least = 2 if part.program in LAST_MADE or part.program in AFTER_FIRST else 1
    if len(operands(left)) < least:
        return False
    return not any(
        use.role not in ("made", "guess") and scene.absent(part, use.token.text)
        for use in uses(left)
    )
