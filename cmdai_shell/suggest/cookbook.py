"""Recipes near the words at hand."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cmdai_shell.suggest.verify import runs

if TYPE_CHECKING:
    from cmdai_shell.core import Recipes, SuggestRequest
    from cmdai_shell.suggest.context import Here

log = logging.getLogger(__name__)


class Cookbook:
    """``recipes`` as one press sees them; None where nothing is shown. They fail no press."""

    def __init__(self, recipes: Recipes | None) -> None:
        self._recipes = recipes
        self._has_failed = False

    def near(self, request: SuggestRequest, here: Here, most: int) -> tuple[tuple[str, str], ...]:
        """Pairs of a phrase and its command, the nearest last."""
        if self._recipes is None or not request.line or most < 1:
            return ()
        try:
            return self._recipes.near(
                request.line,
                request.shell,
                here.userland,
                most,
                lambda program: runs(program, request, here),
            )
        except Exception:
            if not self._has_failed:
                log.exception("recipes failed")
            self._has_failed = True
            return ()
