"""One suggestion, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cmdai_shell.core import Shell

Outcome = Literal["offered", "accepted", "edited", "rejected"]
"""``offered``: nobody knows yet, or ever, what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Texts without credentials and without control characters. There is one for each pair of words
    and suggestion in a shell: offered again, it is the same one."""

    time: float
    """Seconds since 1970, when it was last offered."""
    shell: Shell
    words: str
    suggested: str
    outcome: Outcome = "offered"
    ran: str = ""
    """The command that was run instead, if edited."""
    status: int | None = None
    """With which exit status it ended; None while not known."""
    backend: str = ""
    cwd: str = ""
    id: int = 0
    """Its number in the file; 0 while it has none."""

    @property
    def command(self) -> str:
        """What the person made of it."""
        return self.ran or self.suggested
