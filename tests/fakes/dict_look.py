"""core.Look from a dictionary: a host that is what a test says."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from cmdai_shell.core import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EVERYDAY = frozenset(
    ("awk", "cat", "cut", "date", "du", "find", "git", "grep", "head", "ls", "mkdir", "mv", "rm")
) | {"sed", "sort", "tail", "wc"}

HOME = "/home/ada"


class DictLook:
    """``programs`` are on every PATH, except those of ``only`` which are on that one alone.

    ``files`` maps absolute paths to texts; their folders exist, and so does one whose path ends in
    a slash. ``runnable`` files may be executed; in ``locked`` folders nothing may be written, nor
    may locked files be read.
    """

    def __init__(
        self,
        programs: Iterable[str] = EVERYDAY,
        *,
        userland: str = "GNU",
        only: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        runnable: Iterable[str] = (),
        locked: Iterable[str] = (),
        root: bool = False,
    ) -> None:
        self._programs = set(programs)
        self._userland = userland
        self._only = only or {}
        self._files = {k: v for k, v in (files or {}).items() if not k.endswith("/")}
        self._folders = {"/", HOME}
        for path in files or {}:
            self._folders.update(map(str, PurePosixPath(path).parents))
            if path.endswith("/"):
                self._folders.add(path.rstrip("/"))
        self._runnable = set(runnable)
        self._locked = set(locked)
        self._root = root

    def which(self, program: str, path: str) -> str:
        there = program in self._programs or (path != "" and self._only.get(program) == path)
        return f"/usr/bin/{program}" if there else ""

    def platform(self) -> Mapping[str, str]:
        return {"system": "Debian GNU/Linux 12", "userland": self._userland}

    def is_root(self) -> bool:
        return self._root

    def programs(self, path: str) -> frozenset[str]:
        return frozenset(self._programs | {k for k, v in self._only.items() if v == path})

    def entries(self, folder: str) -> tuple[str, ...]:
        start = _full(folder).rstrip("/") + "/"
        paths = (path for path in (*self._files, *self._folders) if path.startswith(start))
        return tuple(sorted({path[len(start) :].partition("/")[0] for path in paths} - {""}))

    def place(self, path: str) -> Place:
        full = _full(path)
        free = full not in self._locked or self._root
        if full in self._folders:
            return Place(kind="folder", is_readable=True, is_writable=free, is_executable=True)
        if full not in self._files or path.endswith("/"):
            return Place()
        return Place(
            kind="file",
            is_readable=free,
            is_writable=free,
            is_executable=full in self._runnable,
        )

    def text(self, path: str) -> str:
        return self._files.get(_full(path), "")


def _full(path: str) -> str:
    """Without ``~``, ``.`` and ``..``."""
    if path == "~" or path.startswith("~/"):
        path = HOME + path[1:]
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
