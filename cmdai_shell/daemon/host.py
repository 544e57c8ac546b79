"""What the suggester may see of this machine: ``core.Look``, for real."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.core import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ENTRIES = 4000
"""Names that are read of one folder."""
_MOST_PROGRAMS = 50_000
"""Names that are read of one folder on the PATH."""
MOST_BYTES = 65_536
"""Of a text file."""


class HostLook:
    """Programs are looked up afresh (some ten stat calls): one installed a second ago counts. Who
    calls ``programs`` asks a folder only whether it has changed."""

    def __init__(self) -> None:
        self._listed: tuple[tuple[tuple[str, int], ...], frozenset[str]] = ((), frozenset())

    def which(self, program: str, path: str) -> str:
        """Absolute path of ``program`` on ``path`` (the daemon's own PATH if empty), or empty."""
        return shutil.which(program, path=path or None) or ""

    def platform(self) -> Mapping[str, str]:
        system = os.uname().sysname
        if system == "Darwin":
            return {"system": f"macOS {platform.mac_ver()[0]}".strip(), "userland": "BSD"}
        if system.endswith("BSD"):
            return {"system": f"{system} {os.uname().release}", "userland": "BSD"}
        return {
            "system": _distribution() or system,
            "userland": _linux_userland(self.which("ls", "")),
        }

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def programs(self, path: str) -> frozenset[str]:
        """The listing is kept as long as no folder of ``path`` changes (the daemon's own PATH if
        empty). For any thread."""
        named = (path or os.environ.get("PATH", os.defpath)).split(os.pathsep)
        folders = tuple((folder, _changed(folder)) for folder in named if folder[:1] == "/")
        listed, programs = self._listed
        if listed != folders:
            names = (name for folder, _ in folders for name in _names(folder, _MOST_PROGRAMS))
            programs = frozenset(names)
            self._listed = folders, programs
        return programs

    def entries(self, folder: str) -> tuple[str, ...]:
        return tuple(sorted(_names(folder, MOST_ENTRIES)))

    def place(self, path: str) -> Place:
        full = os.path.expanduser(path)  # noqa: PTH111
        try:
            mode = os.stat(full).st_mode  # noqa: PTH116
        except PermissionError:
            return Place(kind="file")
        except (OSError, ValueError):
            return Place()
        return Place(
            kind="folder" if stat.S_ISDIR(mode) else "file",
            is_readable=os.access(full, os.R_OK),
            is_writable=os.access(full, os.W_OK),
            is_executable=os.access(full, os.X_OK),
        )

    def text(self, path: str) -> str:
        full = Path(os.path.expanduser(path))  # noqa: PTH111
        try:
            if not full.is_file():
                return ""
            with full.open("rb") as file:
                return file.read(MOST_BYTES).decode(errors="replace")
        except (OSError, ValueError):
            return ""


def _names(folder: str, most: int) -> list[str]:
    try:
        with os.scandir(os.path.expanduser(folder)) as found:  # noqa: PTH111
            return [entry.name for entry in islice(found, most) if entry.name.isprintable()]
    except (OSError, ValueError):
        return []


def _changed(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116
    except (OSError, ValueError):
        return 0


def _distribution() -> str:
    """os-release(5): "Debian GNU/Linux 12 (bookworm)" -> that, without the nickname."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return release.get("PRETTY_NAME", release.get("NAME", "")).partition(" (")[0]


def _linux_userland(ls: str) -> str:
    target = Path(ls).resolve().name if ls else ""
    return target if target in ("busybox", "toybox") else "GNU"
