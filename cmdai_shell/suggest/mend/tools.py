"""Programs with subcommands: which one a part calls, and a slip in its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.near import nearest
from cmdai_shell.suggest.mend.scene import Edit, Mend, swap
from cmdai_shell.suggest.mend.subcommands import GLOBAL_VALUES, PLUGINS, SUBCOMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.suggest.mend.line import Token
    from cmdai_shell.suggest.mend.scene import Part, Scene

_WORD = re.compile(r"[A-Za-z][\w-]*")


@dataclass(frozen=True, slots=True)
class Tool:
    """``name`` as far as it is known ("docker compose up"); ``rest`` are the words after that."""

    name: str
    rest: tuple[Token, ...]


def tool(part: Part) -> Tool:
    """The longest name in the tables that the part begins with."""
    name, rest = part.program, part.args
    while name in SUBCOMMANDS:
        at = _behind(name, rest)
        if at >= len(rest) or rest[at].text not in SUBCOMMANDS[name]:
            break
        name, rest = f"{name} {rest[at].text}", rest[:at] + rest[at + 1 :]
    return Tool(name, rest)


def _behind(name: str, rest: tuple[Token, ...]) -> int:
    """The place of the first word that is no global option, nor the value of one."""
    valued, at = GLOBAL_VALUES.get(name, frozenset()), 0
    while at < len(rest) and rest[at].text.startswith("-"):
        at += 2 if rest[at].text in valued else 1
    return at


def subcommand(scene: Scene) -> Iterator[Mend]:
    for part in scene.parts:
        yield from _near_words(scene, part)


def _near_words(scene: Scene, part: Part) -> Iterator[Mend]:
    """``git comit``; ``git git status``; ``gco`` is nobody's slip."""
    found = tool(part)
    known = SUBCOMMANDS.get(found.name)
    at = _behind(found.name, found.rest)
    if known is None or at >= len(found.rest):
        return
    word = found.rest[at]
    if not word.plain or not _WORD.fullmatch(word.text) or _is_own(scene, part, word.text):
        return
    if word.text == part.program:
        yield (Edit(part.words[0].end, word.end, ""),)
        return
    following = found.rest[at + 1 : at + 2]
    if following and word.text + following[0].text in known:
        yield (Edit(word.start, following[0].end, word.text + following[0].text),)
        return
    if spaced := next((w for w in _spaced(word.text) if w[0] in known), None):
        yield (swap(word, f"{spaced[0]} {spaced[1]}"),)
        return
    limit = 1 if len(word.text) < 4 else 2
    for name in nearest(word.text, known, limit=limit):
        yield (swap(word, name),)


def _spaced(word: str) -> Iterator[tuple[str, str]]:
    """``commit-m``, ``addREADME``: never here, for the second word is not known; only options."""
    head, dash, tail = word.partition("-")
    if dash and 0 < len(tail) <= 2:
        yield head, f"-{tail}"


def _is_own(scene: Scene, part: Part, word: str) -> bool:
    """The person's own: an alias of git's, a plug-in, a script of package.json."""
    name = part.program
    if name in PLUGINS and scene.which(f"{name}-{word}"):
        return True
    if name == "git":
        alias = re.compile(rf"^\s*{re.escape(word)}\s*=", re.MULTILINE)
        return any(alias.search(text) for text in _configurations(scene))
    return name in ("yarn", "pnpm", "npm") and f'"{word}"' in scene.look.text(
        f"{scene.cwd}/package.json"
    )


def _configurations(scene: Scene) -> Iterator[str]:
    yield scene.look.text("~/.gitconfig")
    yield scene.look.text("~/.config/git/config")
    if scene.cwd:
        yield scene.look.text(f"{scene.cwd}/.git/config")
