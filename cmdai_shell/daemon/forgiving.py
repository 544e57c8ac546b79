"""What the person did before, for a suggester: as far as it can be had."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmdai_shell.core import History, Shell

log = logging.getLogger(__name__)


class Forgiving:
    """``core.History`` that fails no press."""

    def __init__(self, history: History) -> None:
        self._history = history

    def own(self, words: str, shell: Shell) -> str:
        try:
            return self._history.own(words, shell)
        except Exception:
            log.exception("history failed")
            return ""

    def near(
        self, words: str, shell: Shell, most: int, fits: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        try:
            return self._history.near(words, shell, most, fits)
        except Exception:
            log.exception("history failed")
            return ()
