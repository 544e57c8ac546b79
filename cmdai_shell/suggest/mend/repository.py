"""What a git repository's own files say, without running git."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmdai_shell.core import Look

_HIGHEST = 20
"""Folders that are tried, from here up."""
_DEEPEST = 3
"""Slashes in a branch's name."""
_MOST_FOLDERS = 200
_SECTION = re.compile(r'^\s*\[(remote|branch) "([^"]+)"\]', re.MULTILINE)
_PACKED = re.compile(r"^[0-9a-f]{40,64} refs/(heads|remotes)/(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Repository:
    look: Look
    folder: str
    """``.git``, or what it points at."""
    common: str
    """The same, but for a worktree: its repository's."""

    @cached_property
    def branch(self) -> str:
        """The one that is checked out, or empty."""
        head = self.look.text(f"{self.folder}/HEAD").strip()
        return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else ""

    @cached_property
    def branches(self) -> frozenset[str]:
        return self._refs("heads")

    @cached_property
    def remote_branches(self) -> frozenset[str]:
        """With the remote's name: ``origin/main``."""
        return self._refs("remotes")

    @cached_property
    def remotes(self) -> tuple[str, ...]:
        return tuple(name for kind, name in _SECTION.findall(self._config) if kind == "remote")

    @cached_property
    def has_upstream(self) -> bool:
        """The branch that is checked out has one."""
        start = self._config.find(f'[branch "{self.branch}"]')
        section = self._config[start + 1 :].partition("\n[")[0] if start >= 0 else ""
        return "merge" in section

    @cached_property
    def _config(self) -> str:
        return self.look.text(f"{self.common}/config")

    def _refs(self, kind: str) -> frozenset[str]:
        packed = _PACKED.findall(self.look.text(f"{self.common}/packed-refs"))
        found = {name for family, name in packed if family == kind}
        folders, seen = [""], 0
        while folders and seen < _MOST_FOLDERS:
            base, seen = folders.pop(), seen + 1
            for entry in self.look.entries(f"{self.common}/refs/{kind}/{base}".rstrip("/")):
                name = f"{base}{entry}"
                place = self.look.place(f"{self.common}/refs/{kind}/{name}")
                if place.kind == "folder" and name.count("/") < _DEEPEST:
                    folders.append(f"{name}/")
                elif place.kind == "file":
                    found.add(name)
        return frozenset(name for name in found if not name.endswith("/HEAD"))


def repository(look: Look, cwd: str) -> Repository | None:
    """The one that ``cwd`` is in."""
    folder = cwd
    for _ in range(_HIGHEST):
        if not folder.startswith("/"):
            return None
        git = f"{folder.rstrip('/')}/.git"
        kind = look.place(git).kind
        if kind == "folder":
            return Repository(look, git, git)
        if kind == "file":
            return _linked(look, folder, look.text(git))
        if folder == "/":
            return None
        folder = folder.rstrip("/").rpartition("/")[0] or "/"
    return None


def _linked(look: Look, folder: str, text: str) -> Repository | None:
    """A worktree or a submodule: ``.git`` is a file that says where."""
    target = text.partition("gitdir: ")[2].strip()
    if not target:
        return None
    own = target if target.startswith("/") else f"{folder}/{target}"
    common = look.text(f"{own}/commondir").strip()
    if common and not common.startswith("/"):
        common = f"{own}/{common}"
    return Repository(look, own, common or own)
