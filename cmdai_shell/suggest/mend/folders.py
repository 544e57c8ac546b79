"""Folders that are not there yet, and folders where a file was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.line import quoted
from cmdai_shell.suggest.mend.roles import operands, uses
from cmdai_shell.suggest.mend.scene import Mend, Part, Scene, after, before, swap
from cmdai_shell.suggest.mend.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.suggest.mend.line import Token

_RECURSIVE: dict[str, tuple[str, ...]] = {
    "cp": ("r", "R", "a", "--recursive", "--archive"),
    "rm": ("r", "R", "d", "--recursive", "--dir"),
    "scp": ("r",),
    "grep": ("r", "R", "--recursive", "d", "--directories"),
    "egrep": ("r", "R", "--recursive"),
    "fgrep": ("r", "R", "--recursive"),
    "git rm": ("r",),
}
"""Programs that do nothing with a folder unless told by one of these."""


def missing(scene: Scene) -> Iterator[Mend]:
    """``mkdir a/b`` without ``a``; ``touch a/b``, ``> a/b``, ``cp x a/`` without ``a``."""
    for place, part in enumerate(scene.parts):
        wanted = list(dict.fromkeys(_wanted(scene, part)))
        if not wanted:
            continue
        if part.program == "mkdir":
            if not part.has("p", "--parents"):
                yield (after(part.words[0], " -p"),)
            continue
        make = "sudo mkdir -p" if part.as_root else "mkdir -p"
        listed = " ".join(map(quoted, wanted))
        yield (before(_pipeline(scene.parts, place).start, f"{make} {listed} && "),)


def _wanted(scene: Scene, part: Part) -> Iterator[str]:
    """The folders that should be there."""
    words = operands(part)
    if part.program in ("cp", "mv") and any(
        use.role != "made" and scene.absent(part, use.token.text) for use in uses(part)
    ):
        return  # there is nothing to be put into them
    for use in uses(part):
        path = use.token.text
        if use.role != "made" or path.endswith("/.."):
            continue
        parent = path.rstrip("/").rpartition("/")[0]
        into = part.program in ("cp", "mv") and use.token is words[-1]
        if into and (path.endswith("/") or len(words) > 2):
            parent = path.rstrip("/")
        if scene.absent(part, parent) and not _under_file(scene, part, parent):
            yield parent
    if part.program == "tar" and part.has("x", "--extract"):
        yield from (
            use.token.text
            for use in uses(part)
            if use.role == "folder" and scene.absent(part, use.token.text)
        )


def _under_file(scene: Scene, part: Part, path: str) -> bool:
    while path:
        if scene.is_file(part, path):
            return True
        path = path.rpartition("/")[0]
    return False


def _pipeline(parts: Sequence[Part], place: int) -> Part:
    """The first part of the pipeline."""
    while place and parts[place].opens in ("|", "|&"):
        place -= 1
    return parts[place]


def unexpected(scene: Scene) -> Iterator[Mend]:
    """``cp``, ``rm``, ``grep`` of a folder without ``-r``; ``ln``, ``cat`` of one."""
    for part in scene.parts:
        name = tool(part).name if part.program == "git" else part.program
        folders = [word for word in _sources(part) if scene.is_folder(part, word.text)]
        if not folders:
            continue
        if name in _RECURSIVE and not part.has(*_RECURSIVE[name]):
            last = next(w for w in part.words if w.text == name.split()[-1])
            yield (after(last, " -r"),)
        elif name in ("cat", "less", "more", "bat") and len(part.args) == 1 and not part.redirects:
            yield (swap(part.words[0], "ls"),)
        elif name == "ln" and not part.has("s", "--symbolic"):
            yield (after(part.words[0], " -s"),)


def _sources(part: Part) -> Sequence[Token]:
    words = [word for word in operands(part) if word.plain]
    if part.program in ("cp", "scp", "ln"):
        return words[:-1]
    if part.program in ("grep", "egrep", "fgrep") and not part.has("e", "f"):
        return words[1:]
    return words
