"""What the suggester may see of this machine: ``core.Look``, for real."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class HostLook:
    """Programs are looked up afresh (some ten stat calls): one installed a second ago counts."""

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
