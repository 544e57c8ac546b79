"""A check of the file in which approved servers are kept."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.check import Check, ok, warn

if TYPE_CHECKING:
    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings


def trust_store(around: Surroundings) -> Finding:
    """Whoever can write there could have prompts sent to himself. Raises ConfigError, which is a
    failure. A file that cannot be understood is set aside by whoever opens it first: so by this
    check, too."""
    from cmdai_shell.discovery.trust import TrustStore

    store = TrustStore(around.data_dir)
    approved = len(store.approvals())
    if aside := store.aside():
        names = " ".join(shlex.quote(str(path)) for path in aside)
        what = "approved servers could not be read and were set aside: approve them again"
        return warn(what, f"cmdai-shell backends list; then, to forget the old one: rm {names}")
    if not approved:
        return ok("no server that was found has been approved")
    return ok(f"servers approved: {approved}, in {store.path}, which is yours alone to write")


CHECKS = (Check("trust-store", trust_store),)
