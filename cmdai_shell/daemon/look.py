"""What the suggester may see of this host: ``core.Look``."""

from __future__ import annotations

import platform
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class HostLook:
    """The real host."""

    def which(self, program: str, path: str) -> str:
        return shutil.which(program, path=path or None) or ""

    def platform(self) -> Mapping[str, str]:
        return _facts()


@cache
def _facts() -> dict[str, str]:
    return {"system": _system(), "userland": _userland()}


def _system() -> str:
    """ "Debian GNU/Linux 12", "macOS 15.1", else what uname says."""
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return f"{release.get('NAME', 'Linux')} {release.get('VERSION_ID', '')}".strip()


def _userland() -> str:
    if sys.platform != "linux":
        return "BSD"
    tool = Path(shutil.which("ls") or "/bin/ls").resolve().name
    return "busybox" if tool == "busybox" else "GNU"
