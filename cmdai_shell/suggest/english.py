"""Answers of a small model that are a sentence instead of a command, though their first word may be
a program: "which files mention a word". Pure.

What is sure to be none has words alone, no option, path, quote or operator; an alias or a function
of the person's shell, of which we know nothing, is not called like that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cmdai_shell.suggest.borrowed import Example

_WORDS = re.compile(r"[a-z][a-z']*(?: [a-z][a-z']*,?)+[.?!]?")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LITTLE = _set(
    "the an that of my your our their its which who what how where whose is are was were has have "
    "with without into than these those there this it them they whether because if not"
)
"""What a sentence can hardly do without, and no program asks for."""
_VERBS = _set(
    "add append archive change check clear close compress copy count create delete download empty "
    "extract get give list merge move print read remove rename replace restart restore run save "
    "search see set show start stop switch tell undo update upload use view what how"
)
"""First words of what people ask for, and no programs; not those that are somewhere."""
_SPEAKS = _set(
    "echo printf print say espeak espeak-ng cowsay figlet toilet banner wall write logger apropos "
    "notify-send man tldr whatis git"
)
"""Programs that are given sentences, or names that people choose."""


def is_sentence(
    command: str, near: Collection[Example], asked: str, has: Callable[[str], bool]
) -> bool:
    """Whether it is one: a phrase of the recipes (``near``) that the model was shown, or words of
    which the first is no program that the shell ``has``, or that program is told a sentence."""
    if any(command == phrase != shown for phrase, shown in near):
        return not any(command == shown for _, shown in near)
    if not _WORDS.fullmatch(command):
        return False
    words = re.findall(r"[a-z']+", command)
    first, *others = words
    if has(first):
        return first not in _SPEAKS and len(words) > 2 and not _LITTLE.isdisjoint(others)
    return first in _VERBS or {*words} <= {*re.findall(r"[a-z']+", asked.lower())}
