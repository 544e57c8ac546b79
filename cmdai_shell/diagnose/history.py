"""A check of the file that suggestions are kept in."""

from __future__ import annotations

import shlex
import sqlite3
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.check import Check, fail, ok, warn
from cmdai_shell.history.store import Store

if TYPE_CHECKING:
    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings


def history(around: Surroundings) -> Finding:
    """A file that cannot be read is set aside by whoever opens it first: so by this check, too."""
    if not around.settings().history.enabled:
        return ok("suggestions are not kept (history.enabled is false)")
    store = Store(around.data_dir)
    try:
        kept = len(store.entries())
    except (OSError, sqlite3.Error) as error:
        what = f"{store.path} cannot be used ({error}): nothing is learned"
        return fail(what, f"rm -r {shlex.quote(str(store.folder))}")
    if aside := store.aside():
        names = " ".join(shlex.quote(str(path)) for path in aside)
        return warn("a history could not be read and was set aside", f"rm {names}")
    return ok(f"suggestions kept: {kept}, in {store.path}")


CHECKS = (Check("history", history),)
