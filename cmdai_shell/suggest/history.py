"""What the person made of earlier suggestions, for the words at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.suggest.recall import programs
from cmdai_shell.suggest.verify import runs

if TYPE_CHECKING:
    from cmdai_shell.core import History, SuggestRequest
    from cmdai_shell.suggest.context import Here

YOUR_HISTORY = "your history"
"""Who made such a command, where a backend's name stands."""

_MOST = 2
"""Of the examples that a model is shown: they have to be alike, so more say nothing new."""


class Recollection:
    """``history`` as one press sees it; None where nothing is kept."""

    def __init__(self, history: History | None) -> None:
        self._history = history

    def own(self, request: SuggestRequest) -> str:
        """The command that the person last ran for just these words, or empty."""
        if self._history is None or not request.line:
            return ""
        return self._history.own(request.line, request.shell)

    def near(self, request: SuggestRequest, here: Here) -> tuple[tuple[str, str], ...]:
        """Pairs of words alike and their command, the nearest last."""
        if self._history is None or not request.line:
            return ()
        return self._history.near(
            request.line,
            request.shell,
            _MOST,
            lambda command: all(runs(name, request, here) for name in programs(command)),
        )
