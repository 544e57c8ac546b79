"""A program that is not there: the slip of a finger, a space in the wrong place, another system's
name for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.everyday import DESTROYERS, EVERYDAY, STANDS_IN
from cmdai_shell.suggest.mend.near import allowed, is_plain, nearest
from cmdai_shell.suggest.mend.scene import Edit, Mend, swap
from cmdai_shell.suggest.mend.subcommands import SUBCOMMANDS
from cmdai_shell.suggest.verify import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.suggest.mend.line import Token
    from cmdai_shell.suggest.mend.scene import Part, Scene

NOT_FOUND = 127
_MOST = 3
_NAME = re.compile(r"[\w.+~/-]+")
_SHORT = 4
"""Letters of a name below which only everyday programs that are there are near: every folder of
programs is full of names of two letters."""


def misspelled(scene: Scene) -> Iterator[Mend]:
    """Every program of the line that cannot be found, each put right by its best; then, if it is
    only one, by its others."""
    choices = [found for part in scene.parts if (found := _choices(scene, part))]
    if not choices:
        return
    yield tuple(edit for first, *_ in choices for edit in first)
    if len(choices) == 1:
        yield from choices[0][1:]


def _choices(scene: Scene, part: Part) -> Sequence[Mend]:
    if not _is_missing(scene, part):
        return []
    if "/" in part.program and not part.program.startswith(("cd/", "ls/", "cat/")):
        return []
    found = [*_other_space(scene, part)]
    if found:
        return found[:1]
    word = part.words[0]
    return [(swap(word, name),) for name in _names(scene, word.text)][:_MOST]


def _is_missing(scene: Scene, part: Part) -> bool:
    """It is known that this was the trouble: 127 is the shell's word for it; sudo's is 1."""
    name = part.program
    if not name or not _NAME.fullmatch(name) or is_there(scene, name):
        return False
    return scene.status == NOT_FOUND or (part.as_root and scene.failed(1))


def is_there(scene: Scene, name: str) -> bool:
    return name in WORDS[scene.shell] or scene.which(name)


def _names(scene: Scene, typed: str) -> Iterator[str]:
    if typed in EVERYDAY or typed in STANDS_IN:  # meant, and only not there
        yield from filter(None, [_stand_in(scene, typed)])
        return
    limit = min(allowed(typed), 1 if len(typed) < 6 else 2)
    is_long = len(typed) >= _SHORT
    everyday = [
        name
        for name in EVERYDAY
        if _may_be(typed, name) and (is_there(scene, name) or (is_long and _stand_in(scene, name)))
    ]
    if lower := [name for name in everyday if name == typed.lower()]:
        yield from lower
        return
    found = _by_use(nearest(typed, everyday, limit=limit, most=8), typed)
    swapped = [name for name in found if sorted(name) == sorted(typed)]
    for name in swapped or found:
        yield name if is_there(scene, name) else _stand_in(scene, name)
    if swapped or not is_long:
        return
    others = (*scene.look.programs(scene.path), *WORDS[scene.shell])
    yield from (
        name
        for name in dict.fromkeys(nearest(typed, others, limit=min(limit, 1), most=8))
        if name not in EVERYDAY and _may_be(typed, name) and is_there(scene, name)
    )


def _may_be(typed: str, name: str) -> bool:
    destroys = name in DESTROYERS or name.startswith("mkfs")
    return not destroys or typed.lower() == name or is_plain(typed, name)


def _by_use(names: Sequence[str], typed: str) -> list[str]:
    """Of names equally near, a swap of letters before all, then the one typed more often."""
    swapped = sorted(typed)
    return sorted(names, key=lambda name: (sorted(name) != swapped, EVERYDAY[name]))


def _stand_in(scene: Scene, name: str) -> str:
    for other in STANDS_IN.get(name, ()):
        if is_there(scene, other.partition(" ")[0]):
            return other
    return ""


def _other_space(scene: Scene, part: Part) -> Iterator[Mend]:
    """``gitstatus``, ``gi tpush``, ``gitp ush``, ``g it push``, ``cd..``, ``ls-la``."""
    word = part.words[0]
    if word.bare:
        for cut in range(len(word.text) - 1, 1, -1):
            name, rest = word.text[:cut], word.text[cut:]
            if is_there(scene, name) and _belongs(scene, part, name, rest):
                yield (swap(word, f"{name} {rest}"),)
    if part.args and part.args[0].bare and part.args[0].start == word.end + 1:
        yield from _moved_space(scene, word, part.args[0])


def _belongs(scene: Scene, part: Part, name: str, rest: str) -> bool:
    """Whether what is glued to the program is surely a word of its own."""
    if name not in EVERYDAY:
        return False
    if rest[0] == "-":
        return len(rest) > 1 and name + rest not in EVERYDAY
    if rest in SUBCOMMANDS.get(name, ()):
        return len(rest) > 2
    if name in ("cd", "ls", "cat"):
        return rest in ("..", "~", "/", "-") or scene.exists(part, rest)
    return len(rest) > 3 and scene.exists(part, rest)


def _moved_space(scene: Scene, word: Token, arg: Token) -> Iterator[Mend]:
    glued = word.text + arg.text
    for cut in (len(word.text) + 1, len(word.text) - 1):
        name, rest = glued[:cut], glued[cut:]
        if name in EVERYDAY and is_there(scene, name) and len(rest) > 1:
            known = SUBCOMMANDS.get(name)
            if rest[0] == "-" if known is None else rest in known or nearest(rest, known, limit=1):
                yield (Edit(word.start, arg.end, f"{name} {rest}"),)
    if glued in EVERYDAY and is_there(scene, glued):
        yield (Edit(word.start, arg.end, glued),)
