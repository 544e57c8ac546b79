"""No descriptor is free: whoever brings that about would fill the log with it, and so lose what it
held."""

from __future__ import annotations

import errno
import logging
import resource
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmdai_shell.core import Clock

SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
EVERY_S = 60.0
WANTED = 4096
"""Descriptors. Many a system gives 1024 to start with, and more to who asks."""

log = logging.getLogger(__name__)


class Shortage:
    """Tells the log once in EVERY_S."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._again = float("-inf")

    def notes(self, error: BaseException | None) -> bool:
        """Whether this error is one."""
        if not isinstance(error, OSError) or error.errno not in SHORT:
            return False
        if self._clock() >= self._again:
            self._again = self._clock() + EVERY_S
            log.warning("out of descriptors", extra={"fields": {"errno": error.errno}})
        return True


def ask_for_more() -> None:
    """Up to WANTED, as far as the hard limit lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
