"""What ``find`` finds and what a pipe hands on: words for ``-exec``, ``xargs`` and ``read``."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from cmdai_shell.safety.folding import stdin_of
from cmdai_shell.safety.script import MAYBE, SOME, Call, Word, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FINDERS = names("find gfind fd fdfind")

_MOST = 32
"""Words of a known input that are looked at; the rest counts as unknown."""
_EXEC = names("-exec -execdir -ok -okdir -x -X --exec --exec-batch")
_UNSELECTIVE = names(
    "-delete -exec -execdir -ok -okdir -print -print0 -depth -mount -xdev -follow -maxdepth "
    "-mindepth -type -o -a -true -L -H -P -E -D -prune -ls -quit -printf -noleaf -regextype -warn "
    "-nowarn"
)
_BY_NAME = names("-name -iname -path -wholename -regex")
_RECURSIVE = names("rm chmod chown chgrp")
"""Run on all that is below a folder, they do what ``-R`` makes them do to the folder."""
_LISTERS = names("ls git pgrep grep")
"""What these print is never empty when it matters."""


def selective(call: Call) -> bool:
    """A ``find`` with a test that leaves most files alone (``-name '*.pyc'``, ``-mtime +7``)."""
    args = [word.text for word in call.args]
    if call.program not in ("find", "gfind"):
        return any(not text.startswith("-") and text != "." for text in args)
    chosen = executing = negated = False
    for text, value in pairwise([*args, ""]):
        if executing:
            executing = text not in (";", "+")
        elif text == "-delete" or text in _EXEC:
            if not chosen:
                return False
            executing = text in _EXEC
        elif text in ("-o", "-or", ","):
            chosen = False
        elif text in ("!", "-not"):
            negated = True  # all but a few
        elif _is_test(text, value):
            chosen = chosen or not negated
            negated = False
    return chosen


def _is_test(text: str, value: str) -> bool:
    if text in _BY_NAME and not value.strip("*./"):
        return False
    return text.startswith("-") and len(text) > 2 and text not in _UNSELECTIVE


def starts(call: Call) -> tuple[Word, ...]:
    """The folders a ``find`` starts from; "." when none is given."""
    found: list[Word] = []
    for word in call.args:
        if word.text in ("-L", "-H", "-P"):
            continue
        if word.text.startswith(("-", "(", "!")):
            break
        found.append(word)
    return tuple(found) or (Word("."),)


def matches(call: Call) -> tuple[Word, ...]:
    """Words for what a finder prints; a folder stands for all that is below it."""
    if call.program not in ("find", "gfind"):
        return (Word(f"./{SOME}"),)
    if not selective(call):
        return starts(call)
    return tuple(replace(word, text=f"{word.text}/{SOME}", glob=False) for word in starts(call))


def executed(call: Call) -> Iterator[Call]:
    """The calls behind ``-exec`` and its like, with what is found in place of ``{}``."""
    args = call.args
    for at, word in enumerate(args):
        if word.text not in _EXEC:
            continue
        words: list[Word] = []
        for argument in args[at + 1 :]:
            if argument.text in (";", "\\;") or (argument.text == "+" and words):
                break
            words.append(argument)
        if words:
            yield replace(call, words=filled(words, "{}", matches(call), all_below(call)))


def all_below(call: Call) -> bool:
    """A finder that leaves nothing out."""
    return call.program in FINDERS and not selective(call)


def filled(
    words: Sequence[Word], mark: str, values: Sequence[Word], deep: bool = False
) -> tuple[Word, ...]:
    """``words`` with ``values`` in place of ``mark``; ``deep``: a value stands for a whole tree."""
    out: list[Word] = []
    for word in words:
        if mark in word.text:
            out += [
                replace(word, text=word.text.replace(mark, value.text), glob=value.glob)
                for value in values
            ]
        else:
            out.append(word)
    if deep and out and out[0].text.rpartition("/")[2] in _RECURSIVE:
        out.insert(1, Word("-R"))
    return tuple(out)


def handed(call: Call) -> tuple[Word, ...]:
    """What the calls before ``call`` hand to it, as words."""
    source = call.fed_by[-1] if call.fed_by else None
    if source is not None and source.program in FINDERS:
        return matches(source)
    if source is not None and source.program == "ls":
        return _listed(source)
    text = stdin_of(call)
    if text is not None and text != MAYBE:
        parts = text.split()
        rest = (Word(MAYBE),) if len(parts) > _MOST else ()
        return (*(Word(part, "*" in part) for part in parts[:_MOST]), *rest)
    return (Word(SOME if source and source.program in _LISTERS else MAYBE),)


def _listed(call: Call) -> tuple[Word, ...]:
    """``ls -d /*`` prints its words; ``ls folder`` names without their folder."""
    operands = tuple(word for word in call.args if not word.text.startswith("-"))
    flags = "".join(word.text for word in call.args if word.text.startswith("-"))
    return operands if operands and "d" in flags else (Word(SOME), *operands)
