"""One member asked once, for one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cmdai_shell.core import Cold, Cut, Notice
from cmdai_shell.routing.decision import Outcome, Tried, Why
from cmdai_shell.routing.member import nameless

if TYPE_CHECKING:
    from cmdai_shell.core import Abilities, Backend
    from cmdai_shell.errors import CmdaiError
    from cmdai_shell.routing.member import Member


MORE_TIMES = 4
"""The time that is proposed for one that took too long."""


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
    is_cut: bool = False
    """Its answer is not whole."""
    cold: float = 0.0
    """Seconds that it will not need the next time."""
    doing: str = ""
    """Its last notice, while it has not begun to answer."""
    outcome: Outcome | None = None
    ended: float = 0.0
    detail: str = ""
    cause: str = ""
    """Why it failed, in a word."""

    def __post_init__(self) -> None:
        self.abilities = self.backend.abilities
        self.heard_at = self.started

    @property
    def is_running(self) -> bool:
        return self.outcome is None

    @property
    def is_silent(self) -> bool:
        return not self.deltas

    @property
    def ends_at(self) -> float:
        """Servers have a time of their own for an answer."""
        seconds = self.member.server.endpoint.timeout if self.member else 0.0
        return self.started + (seconds or float("inf"))

    def more_time(self) -> str:
        """What to type for a server that is slow and well."""
        endpoint = self.member.server.endpoint if self.member else None
        if not endpoint or not endpoint.environment:
            return "cmdai-shell doctor --dgx"
        more = round(endpoint.timeout * MORE_TIMES * 1000)
        return f"cmdai-shell config set environments.{endpoint.environment}.timeout_ms {more}"

    def hear(self, piece: str | Notice, now: float) -> None:
        self.heard_at = now
        if isinstance(piece, Cut):
            self.is_cut = True
        elif isinstance(piece, Cold):
            self.cold = piece.seconds
        elif isinstance(piece, Notice):
            self.doing = piece.text
        elif piece:  # an empty one only says that it lives
            if not self.deltas:
                self.first_at = now
                self.doing = ""
            self.deltas += 1
            self.text += piece

    def end(self, outcome: Outcome, now: float, error: CmdaiError | None = None) -> None:
        self.outcome, self.ended = outcome, now
        if error:
            self.detail = nameless(error.message, self.backend.title)
            self.cause = getattr(error, "cause", "") or error.code

    def fields(self, now: float) -> dict[str, object]:
        """For the log: names and numbers; what servers say may quote words."""
        return {
            "backend": self.backend.name,
            "model": self.backend.model,
            "why": self.why,
            "outcome": self.outcome or "cancelled",
            "cause": self.cause,
            "seconds": round((now if self.is_running else self.ended) - self.started, 3),
            "ttft": round(self.first_at - self.started, 3) if self.deltas else 0.0,
            "tokens": self.deltas,
        }

    def account(self, start: float, now: float) -> Tried:
        return Tried(
            id=self.member.id if self.member else self.backend.name,
            why=self.why,
            began=self.started - start,
            elapsed=(now if self.is_running else self.ended) - self.started,
            outcome=self.outcome or "cancelled",
            ttft=self.first_at - self.started if self.deltas else 0.0,
            tokens=self.deltas,
            cause=self.cause,
            detail=self.detail,
        )
