"""A file of lines that its owner alone reads, of bounded size."""

from __future__ import annotations

import logging.handlers
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import TextIOWrapper


class PrivateFile(logging.handlers.RotatingFileHandler):
    """0600, the new one after each rotation too. What is a link is not followed, and a pipe that
    nobody reads is not waited for: OSError."""

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return open(path, "a", encoding="utf-8", opener=_opener)


def _opener(name: str, flags: int) -> int:
    made = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        os.fchmod(made, 0o600)
    except OSError:
        os.close(made)
        raise
    return made
