"""Characters that were pasted, and quotes that were not closed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.line import tokens
from cmdai_shell.suggest.mend.scene import Edit, Mend, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.suggest.mend.scene import Scene

_PLAIN = {
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u2018": "'",
    "\u2019": "'",
    "\u00a0": " ",
    "\u2002": " ",
    "\u2009": " ",
    "\u202f": " ",
}
_NO_PART = Part(())
_DASH = re.compile("(?<!\\S)[\u2013\u2014\u2212](?=[A-Za-z])")
_PROMPT = re.compile(r"(?:\$|%|\w+@[\w.-]+:[^\s$#]*[$#]) +(?=[A-Za-z./~])")
_QUOTED = re.compile(r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"")
_SCRIPT = re.compile(r"(['\"]?)s([/|#,])(?!\2)[^\\'\"]*\1")


def pasted(scene: Scene) -> Iterator[Mend]:
    """Curly quotes, long dashes, blanks that are none, and the prompt of an example; between
    straight quotes they are meant."""
    line = _QUOTED.sub(lambda found: "x" * len(found[0]), scene.line)
    edits = [
        Edit(place, place + 1, _PLAIN[char]) for place, char in enumerate(line) if char in _PLAIN
    ]
    for dash in _DASH.finditer(line):
        long = re.match(r"[A-Za-z][A-Za-z-]{2,}", line[dash.end() :])
        is_long = long is not None and dash[0] != "\u2212"
        edits.append(Edit(dash.start(), dash.end(), "--" if is_long else "-"))
    if prompt := _PROMPT.match(line):
        edits.append(Edit(0, prompt.end(), ""))
    if edits:
        yield tuple(edits)


def unclosed(scene: Scene) -> Iterator[Mend]:
    """A quote that is missing at the end, or closed by one of the other kind."""
    line = scene.line
    if scene.tokens is not None:
        return
    single, double = line.count("'"), line.count('"')
    end = len(line)
    if (single, double) == (1, 1):
        first, other = sorted((line.index("'"), line.index('"')))
        if not line[first + 1 : first + 2].isspace():
            yield (Edit(other, other + 1, line[first]),)
        return
    for quote in ("'", '"'):
        if line.count(quote) % 2 and tokens(line + quote) is not None:
            closing_at = _before_files(scene, line.rindex(quote))
            yield (Edit(closing_at, closing_at, quote),)
            return
    for closing in (")", "}", ")}", "})", "))"):
        if tokens(line + closing) is not None:
            yield (Edit(end, end, closing),)
            return


def _before_files(scene: Scene, opening: int) -> int:
    """The end of the line, without the words there that are files."""
    end = len(scene.line)
    while (blank := scene.line.rfind(" ", opening + 2, end)) > 0:
        if not scene.exists(_NO_PART, scene.line[blank + 1 : end]):
            break
        end = blank
    return end


def sed_script(scene: Scene) -> Iterator[Mend]:
    """``sed 's/a/b' file``: the last slash is missing."""
    for part in scene.parts if scene.failed(1) else ():
        for word in part.args if part.program == "sed" else ():
            found = _SCRIPT.fullmatch(word.raw)
            if found and word.raw.count(found[2]) == 2:
                end = word.end - len(found[1])
                yield (Edit(end, end, found[2]),)
