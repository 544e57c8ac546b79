"""Names with blanks or brackets in them that were typed without quotes."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.line import quoted
from cmdai_shell.suggest.mend.scene import Edit, Mend, Part, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPECIAL = re.compile(r"[\s()&;'\"\[\]{}$!|<>*?]")
_WORD = re.compile(r"(?<![^\s=<>])[^\s'\"\\$`|;&<>()-][^\s'\"\\$`|;&<>()]*")
_MOST_WORDS = 40
_NO_PART = Part(())


def names(scene: Scene) -> Iterator[Mend]:
    """Every such name of the line, if it stands there letter for letter."""
    if not scene.cwd or any(part.elsewhere for part in scene.parts):
        return
    edits: list[Edit] = []
    taken = 0
    for word in islice(_WORD.finditer(scene.line), _MOST_WORDS):
        if word.start() < taken or not _is_bare(scene, word.start()):
            continue
        if name := _name_at(scene, word.start(), word[0]):
            taken = word.start() + len(name)
            edits.append(Edit(word.start(), taken, quoted(name)))
    if edits:
        yield tuple(edits)


def _is_bare(scene: Scene, at: int) -> bool:
    """Not inside of quotes. A line with a quote that is never closed has bare words only, or we
    could not say."""
    if scene.tokens is None:
        return "'" in scene.line and scene.line.count("'") == 1 and '"' not in scene.line
    return any(token.start == at for token in scene.tokens) and at > 0


def _name_at(scene: Scene, at: int, word: str) -> str:
    """The longest name that begins with the word there and needs quotes."""
    base, slash, begin = word.rpartition("/")
    folder = f"{base}{slash}"
    if scene.tokens is not None and scene.exists(_NO_PART, word):
        return ""
    best = ""
    for entry in scene.entries(_NO_PART, folder or "."):
        if not entry.startswith(begin) or not _SPECIAL.search(entry):
            continue
        name = folder + entry
        end = at + len(name)
        if scene.line.startswith(name, at) and _ends(scene.line, end) and len(name) > len(best):
            best = name
    return best


def _ends(line: str, at: int) -> bool:
    return at >= len(line) or line[at] in " \t/;|&)<>"
