"""A check of the man pages that options are looked up in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.diagnose.check import Check, ok, warn
from cmdai_shell.errors import DaemonUnavailable
from cmdai_shell.manual import store

if TYPE_CHECKING:
    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings

FEW = 100
"""Pages of the smallest system that was not stripped of them."""


def manual(around: Surroundings) -> Finding:
    """Without pages everything works; only nobody notices an invented option."""
    if not around.settings().manual.enabled:
        return ok("the manual is not used (manual.enabled is false)")
    noted = store.meta(around.cache_dir / store.NAME)
    if not noted:
        return ok(_not_yet(around))
    pages = int(noted.get("pages", 0))
    if pages < FEW:
        return warn(
            f"{pages} man pages here: options of other programs are not checked",
            "install the system's man pages (Debian: unminimize, or apt-get install man-db "
            "manpages)",
        )
    return ok(f"{pages} man pages and {noted.get('options', 0)} options are known")


def _not_yet(around: Surroundings) -> str:
    try:
        around.daemon()
    except DaemonUnavailable:
        return "man pages are read when the daemon runs"
    return "man pages are read soon after the daemon's start"


CHECKS = (Check("manual", manual),)
