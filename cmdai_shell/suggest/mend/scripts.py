"""A script that cannot be run: without ``./``, or without the permission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.line import quoted
from cmdai_shell.suggest.mend.programs import NOT_FOUND, is_there
from cmdai_shell.suggest.mend.scene import Mend, Part, Scene, before, swap

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_EXECUTABLE = 126

_INTERPRETERS: dict[str, tuple[str, ...]] = {
    "py": ("python3", "python"),
    "sh": ("bash", "sh"),
    "bash": ("bash",),
    "zsh": ("zsh",),
    "fish": ("fish",),
    "js": ("node",),
    "rb": ("ruby",),
    "pl": ("perl",),
    "php": ("php",),
}


def script(scene: Scene) -> Iterator[Mend]:
    for part in scene.parts:
        name = part.program
        if not name or name.startswith("-"):
            continue
        if "/" in name:
            if scene.failed(NOT_EXECUTABLE, *((1,) if part.as_root else ())):
                yield from _permitted(scene, part)
        elif scene.failed(NOT_FOUND) and not is_there(scene, name):
            yield from _here(scene, part)


def _permitted(scene: Scene, part: Part) -> Iterator[Mend]:
    name = part.program
    place = scene.place(part, name)
    if place.kind == "folder" and len(part.words) == 1 and not part.wrappers:
        yield (before(part.words[0], "cd "),)
    if place.kind == "file" and not place.is_executable and not _allowed_before(scene, name):
        yield (before(part.start, f"chmod +x {quoted(name)} && "),)
        yield from _interpreted(scene, part)


def _here(scene: Scene, part: Part) -> Iterator[Mend]:
    """A file of this folder called as if it were on the PATH."""
    word, name = part.words[0], part.program
    place = scene.place(part, name)
    if place.kind == "folder" and len(part.words) == 1 and len(name) > 2 and not part.wrappers:
        yield (before(word, "cd "),)
    if place.kind != "file":
        return
    own = f"./{quoted(name)}"
    if place.is_executable:
        yield (swap(word, own),)
    elif "." in name:
        if part.start is word:
            yield (swap(word, f"chmod +x {quoted(name)} && {own}"),)
        yield from _interpreted(scene, part)


def _interpreted(scene: Scene, part: Part) -> Iterator[Mend]:
    for program in _INTERPRETERS.get(part.program.rpartition(".")[2], ()):
        if is_there(scene, program):
            yield (before(part.words[0], f"{program} "),)
            return


def _allowed_before(scene: Scene, name: str) -> bool:
    """The line itself permits it."""
    plain = name.removeprefix("./")
    return any(
        part.program == "chmod" and plain in [text.removeprefix("./") for text in part.texts]
        for part in scene.parts
    )
