"""tar and its like: letters in the wrong order, archive and folder swapped, the wrong program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.line import quoted
from cmdai_shell.suggest.mend.scene import Edit, Mend, before, swap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.suggest.mend.scene import Part, Scene

_TARBALL = re.compile(r".*\.(?:tar(?:\.\w+)?|tgz|tbz2?|txz)\Z")
_LETTERS = re.compile(r"-?[A-Za-z]+\Z")
_BY_ENDING = {"bz2": "j", "tbz": "j", "tbz2": "j", "xz": "J", "txz": "J", "gz": "z", "tgz": "z"}


def archive(scene: Scene) -> Iterator[Mend]:
    for part in scene.parts:
        if part.program == "tar" and part.args and _LETTERS.match(part.args[0].text):
            yield from _tar(scene, part)
        elif part.program in ("unzip", "gunzip") and part.args:
            yield from _other_program(scene, part)


def _tar(scene: Scene, part: Part) -> Iterator[Mend]:
    letters, words = part.args[0], part.args[1:]
    text = letters.text
    if "f" in text.lstrip("-") and text[0] == "-" and text[-1] != "f":
        yield (swap(letters, text.replace("f", "") + "f"),)
        return
    if not text.endswith("f") or not words or not all(word.plain for word in words[:2]):
        return
    name = words[0].text
    if "c" in text:
        yield from _created(scene, part, text)
    elif "x" in text and name.endswith(".zip") and scene.is_file(part, name) and len(words) == 1:
        if scene.which("unzip"):
            yield (Edit(part.words[0].start, letters.end, "unzip"),)
    elif ("x" in text or "t" in text) and scene.is_file(part, name):
        right = _BY_ENDING.get(name.rpartition(".")[2].lower())
        wrong = next((letter for letter in text if letter in "zjJ" and letter != right), "")
        if right and wrong:
            yield (swap(letters, text.replace(wrong, right)),)


def _created(scene: Scene, part: Part, text: str) -> Iterator[Mend]:
    words = part.args[1:]
    name = words[0].text
    if len(words) == 1 and scene.exists(part, name) and not _TARBALL.match(name):
        ending = next(
            (f".{e}" for e, letter in (("gz", "z"), ("bz2", "j"), ("xz", "J")) if letter in text),
            "",
        )
        archive_name = f"{name.rstrip('/').rpartition('/')[2]}.tar{ending}"
        if archive_name.lstrip(".") == archive_name:
            yield (before(words[0], f"{quoted(archive_name)} "),)
        return
    if len(words) != 2 or not _TARBALL.match(words[1].text):
        return
    if scene.exists(part, name) and scene.absent(part, words[1].text):
        yield (swap(words[0], words[1].raw), swap(words[1], words[0].raw))


def _other_program(scene: Scene, part: Part) -> Iterator[Mend]:
    """``unzip x.tar.gz``, ``gunzip x.zip``."""
    name = part.args[-1].text
    if not scene.is_file(part, name) or len(part.args) != 1:
        return
    if part.program == "unzip" and _TARBALL.match(name) and scene.which("tar"):
        yield (swap(part.words[0], "tar -xf"),)
    elif part.program == "unzip" and name.endswith(".gz") and scene.which("gunzip"):
        yield (swap(part.words[0], "gunzip"),)
    elif part.program == "gunzip" and name.endswith(".zip") and scene.which("unzip"):
        yield (swap(part.words[0], "unzip"),)
