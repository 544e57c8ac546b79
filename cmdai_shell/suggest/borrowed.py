"""Names that a small model carried over from the examples it was shown.

Where the person's own name is missing, it belongs in the borrowed one's place. (To ask again
without that example was tried too, and made three right answers wrong and none right.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.suggest.recall import programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Example = tuple[str, str]

_WORD = re.compile(r"[^\s'\"|;&()<>{}=,`$]+")
_SEGMENT = re.compile(r"\|\|?|&&|;|\$\(")
_PART = re.compile(r"[a-z0-9]+")
_NUMBER = re.compile(r"\d+")


def returned(command: str, near: Sequence[Example], asked: str, lost: Sequence[str]) -> str:
    """``command`` with the person's own name, the only one that is ``lost`` from it, in the place
    of the one that was put there instead; unchanged if that is not plain to see."""
    if len(lost) != 1:
        return command
    (own,) = lost
    foreign = {word for example in near for word in _borrowed(command, example, asked)}
    theirs = {word.rstrip("/.?!") for word in _WORD.findall(asked)} | {*programs(command)}
    words = dict.fromkeys(w for w in _WORD.findall(command) if w.rstrip("/") not in theirs)
    alike = [word for word in words if _base(word) in (_base(own), _stem(own))]
    instead = alike or [word for word in words if word in foreign and not word.isdigit()]
    if len(instead) != 1:
        return command
    return re.sub(rf"(?<![\w./~-]){re.escape(instead[0])}(?![\w-])", lambda _: own, command)


def _borrowed(command: str, example: Example, asked: str) -> set[str]:
    """Words of ``command`` that are values of ``example``: in its phrase, and an argument in its
    command; not so in what was ``asked``."""
    phrase, pattern = example
    wanted = set(_parts(asked))
    here = set(_WORD.findall(command)) | set(_NUMBER.findall(command))
    values = set(_values(pattern)) & here
    return {
        word
        for word in values
        if set(_parts(word)) <= set(_parts(phrase)) and not set(_parts(word)) <= wanted
    }


def _values(command: str) -> Iterator[str]:
    """Arguments, not programs, their first words and options; of an option the numbers."""
    for segment in _SEGMENT.split(command):
        words = _WORD.findall(segment.strip().removeprefix("sudo "))
        for place, word in enumerate(words):
            if word.startswith("-"):
                yield from _NUMBER.findall(word)
            elif place > 1 or (place == 1 and _is_name(word)):
                yield word


def _is_name(word: str) -> bool:
    """Not a subcommand."""
    return any(sign in word for sign in "./:@_0123456789")


def _parts(text: str) -> list[str]:
    return _PART.findall(text.lower())


def _base(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _stem(name: str) -> str:
    base = _base(name)
    return base.rpartition(".")[0] or base
