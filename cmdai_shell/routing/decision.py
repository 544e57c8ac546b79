"""An account of what the router did for one request: for ``status`` and ``trace``. No words of a
person are in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Why = Literal["first", "hedge", "failed", "late", "slow", "beside", "alone"]
"""Why somebody was asked: first in the order; the first one was later than usual; the one before
failed; it was so late that it looks dead; it had begun, and came to no end; the embedded model, in
case; and as there is no other."""

Outcome = Literal["answered", "failed", "lost", "cancelled"]

Hedge = Literal["", "won", "lost", "suppressed"]
"""A second server was asked, and was first, or was not; or there was no budget for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One member that was asked. ``began`` and ``elapsed`` are seconds, from the press and from
    when it was asked; ``ttft`` is 0 if no token came."""

    id: str
    why: Why
    began: float
    elapsed: float
    outcome: Outcome
    ttft: float = 0.0
    tokens: int = 0
    cause: str = ""
    """Why it failed, in a word of ours;"""
    detail: str = ""
    """the same in a sentence, which may be the server's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    at: float
    """On the router's clock."""
    strategy: str
    order: tuple[tuple[str, float], ...]
    """Members, best first, with their scores."""
    passed_over: tuple[tuple[str, str], ...] = ()
    """Members that were not asked, and why not."""
    is_panic: bool = False
    """No member was well: all were asked, the embedded model beside them."""
    hedge: Hedge = ""
    hedge_after: float = 0.0
    tried: tuple[Tried, ...] = ()
    answered_by: str = ""
    elapsed: float = 0.0
