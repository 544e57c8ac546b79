"""One member asked once, for one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cmdai_shell.core import Notice
from cmdai_shell.routing.decision import Outcome, Tried, Why

if TYPE_CHECKING:
    from cmdai_shell.core import Abilities, Backend
    from cmdai_shell.routing.member import Member


@dataclass(slots=True, eq=False)
class Attempt:
    """What it has said so far. A delta is counted as a token, which is near enough."""

    backend: Backend
    member: Member | None
    """None for the embedded model."""
    why: Why
    started: float
    abilities: Abilities = field(init=False)
    text: str = ""
    deltas: int = 0
    first_at: float = 0.0
    heard_at: float = field(init=False)
    """The last sign of life."""
    doing: str = ""
    """Its last notice, while it has not begun to answer."""
    outcome: Outcome | None = None
    ended: float = 0.0
    detail: str = ""

    def __post_init__(self) -> None:
        self.abilities = self.backend.abilities
        self.heard_at = self.started

    @property
    def is_running(self) -> bool:
        return self.outcome is None

    @property
    def is_silent(self) -> bool:
        return not self.deltas

    def hear(self, piece: str | Notice, now: float) -> None:
        self.heard_at = now
        if isinstance(piece, Notice):
            self.doing = piece.text
        elif piece:  # an empty one only says that it lives
            if not self.deltas:
                self.first_at = now
                self.doing = ""
            self.deltas += 1
            self.text += piece

    def end(self, outcome: Outcome, now: float, detail: str = "") -> None:
        self.outcome, self.ended, self.detail = outcome, now, detail

    def account(self, start: float, now: float) -> Tried:
        return Tried(
            id=self.member.id if self.member else self.backend.name,
            why=self.why,
            began=self.started - start,
            elapsed=(now if self.is_running else self.ended) - self.started,
            outcome=self.outcome or "cancelled",
            ttft=self.first_at - self.started if self.deltas else 0.0,
            detail=self.detail,
        )
