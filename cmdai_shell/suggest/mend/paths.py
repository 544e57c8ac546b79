"""A path that does not exist beside one that does: a slip in one of its names, another case, an
ending left out, a slash too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.line import written_like
from cmdai_shell.suggest.mend.near import allowed, is_plain, nearest
from cmdai_shell.suggest.mend.roles import Use, uses
from cmdai_shell.suggest.mend.scene import Mend, Part, Scene, swap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BRANCHES = 2
"""Names that are followed where several are near."""
_DEEPEST = 12
_REMOVERS = names("rm rmdir shred unlink truncate")
_SHORTEST_REMOVED = 5
"""Letters of a name that is put right for them."""
_DIFFERENT = names("c h cc hh o a so js ts jsx tsx py pl rb rs go java md mp3 mp4 cs css gz xz")
"""Endings that are near each other and mean different files."""


def misspelled(scene: Scene) -> Iterator[Mend]:
    """Every path that has to exist and does not, by its best; then, if it is only one, by its
    others."""
    choices: list[Sequence[Mend]] = []
    for part in scene.parts:
        for use in uses(part):
            if found := [(swap(use.token, text),) for text in _others(scene, part, use)]:
                choices.append(found)
    if choices:
        yield tuple(edit for first, *_ in choices for edit in first)
    if len(choices) == 1:
        yield from choices[0][1:]


def _others(scene: Scene, part: Part, use: Use) -> Iterator[str]:
    path = use.token.text
    if path in (".", "..", "/", "~", "-") or path.startswith("-") or "\0" in path:
        return
    if not scene.absent(part, path):
        return
    if use.role == "made":
        found = _made(scene, part, path)
    else:
        folder = use.role == "folder"
        found = near_paths(scene, part, path, folder=folder)
        if not found and use.role != "guess" and part.program not in _REMOVERS:
            found = [*_slashes(scene, part, path, folder), *_endings(scene, part, path, folder)]
    for other in found:
        text = written_like(use.token, other)
        yield text if text[0] != "-" else f"./{text}"


def _made(scene: Scene, part: Part, path: str) -> Sequence[str]:
    """Of what is to be made only the folder must be there."""
    whole = path.rstrip("/")
    parent, slash, name = whole.rpartition("/")
    if whole != path and part.program in ("cp", "mv", "scp", "rsync"):
        return near_paths(scene, part, path, folder=True)
    if not slash or not parent or scene.exists(part, parent):
        return ()
    tail = path[len(parent) :]
    return (
        [f"{found}{tail}" for found in near_paths(scene, part, parent, folder=True)] if name else ()
    )


def near_paths(scene: Scene, part: Part, path: str, *, folder: bool) -> list[str]:
    """Paths that exist and differ from ``path`` by a slip in some of their names, the nearest
    first."""
    start = "/" if path.startswith("/") else "~/" if path.startswith("~/") else ""
    inner = path[len(start) :].rstrip("/")
    tail = path[len(start) + len(inner) :]
    if not inner or inner.count("/") >= _DEEPEST:
        return []
    found = [start]
    components = [name for name in inner.split("/") if name]
    for place, name in enumerate(components):
        must = folder or place < len(components) - 1
        found = [
            f"{base}{other}/"
            for base in found[:_BRANCHES]
            for other in _names(scene, part, base, name, must)
        ]
    return [other for base in found if (other := base[:-1] + tail) != path]


def _names(scene: Scene, part: Part, base: str, name: str, folder: bool) -> list[str]:
    whole = f"{base}{name}"
    if scene.is_folder(part, whole) or (not folder and scene.exists(part, whole)):
        return [name]
    stem = name.rpartition(".")[0] or name
    near = nearest(name, scene.entries(part, base or "."), limit=allowed(stem), most=6)
    if part.program in _REMOVERS:
        is_long = len(stem) >= _SHORTEST_REMOVED
        near = tuple(other for other in near if is_long and is_plain(name, other, missing=True))
    return [
        other
        for other in near
        if not _means_another(name, other)
        and (scene.is_folder(part, base + other) if folder else scene.exists(part, base + other))
    ][:3]


def _means_another(name: str, other: str) -> bool:
    """``main.c`` is no slip of ``main.h``."""
    stem, _, ending = name.rpartition(".")
    other_stem, _, other_ending = other.rpartition(".")
    same_stem = bool(stem) and stem.lower() == other_stem.lower()
    return same_stem and {ending.lower(), other_ending.lower()} <= _DIFFERENT


def _slashes(scene: Scene, part: Part, path: str, folder: bool) -> Iterator[str]:
    """``etc/hosts`` from elsewhere; ``/src`` for the one in this folder; ``.../x``."""
    if path.strip(".") == "" and len(path) > 2:
        yield "/".join([".."] * (len(path) - 1))
        return
    other = path[1:] if path.startswith("/") else f"/{path}"
    if path.startswith("~") and not path.startswith("~/"):
        other = f"~/{path[1:]}"
    if "/" in path.strip("/") or path.startswith(("/", "~")):
        kind = scene.place(part, other).kind
        if other and (kind == "folder" or (kind and not folder)):
            yield other


def _endings(scene: Scene, part: Part, path: str, folder: bool) -> Iterator[str]:
    """``notes`` where there is just one ``notes.txt``."""
    base, slash, name = path.rpartition("/")
    if len(name) < 3 or name.startswith("."):
        return
    entries = scene.entries(part, f"{base}{slash}" or ".")
    same = [other for other in entries if other.lower().startswith(f"{name.lower()}.")]
    if not folder and len(same) == 1 and scene.is_file(part, f"{base}{slash}{same[0]}"):
        yield f"{base}{slash}{same[0]}"
