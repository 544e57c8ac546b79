"""The circuit breaker: a server that fails is left alone for a while, then has to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

BreakerState = Literal["closed", "open", "half-open"]

AT_ONCE = frozenset({"refused", "dns", "tls", "wedge"})
"""Causes that need no second look: nobody is there, or somebody who does not compute."""
FIRST_S, LONGEST_S = 1.0, 60.0
"""Seconds it stays open the first time; each further time twice as long, up to the second."""


class Breaker:
    """Closed: requests pass. Open: none does, until ``due``; then one trial may begin (half-open),
    which closes it or opens it for longer. Times are passed in."""

    def __init__(
        self, *, failures: int = 3, successes: int = 1, random: Callable[[], float]
    ) -> None:
        """``failures`` in a row open it, ``successes`` of trials in a row close it."""
        self._most = failures
        self._needed = successes
        self._random = random
        self._failures = 0
        self._successes = 0
        self._openings = 0
        self.state: BreakerState = "closed"
        self.retry_at = 0.0
        """When a trial may begin, while it is open."""

    def is_due(self, now: float) -> bool:
        return self.state == "open" and now >= self.retry_at

    def begin_trial(self, now: float) -> bool:
        """True for one caller only, who then owes ``succeed``, ``fail`` or ``cancel_trial``."""
        if not self.is_due(now):
            return False
        self.state = "half-open"
        return True

    def cancel_trial(self) -> None:
        """It proved nothing: the next one may begin."""
        if self.state == "half-open":
            self.state = "open"

    def succeed(self, now: float) -> bool:
        """True if this closed it."""
        self._failures = 0
        if self.state == "closed":
            return False
        self._successes += 1
        if self._successes < self._needed:
            self.state, self.retry_at = "open", now
            return False
        self.state = "closed"
        self._openings = 0
        return True

    def fail(self, now: float, cause: str) -> None:
        """``cause`` is that of ``BackendUnavailable``, or ``wedge``."""
        if self.state == "open" and now < self.retry_at:
            return  # sent before it opened, and fifty of them are one outage
        self._failures += 1
        if self.state != "closed" or cause in AT_ONCE or self._failures >= self._most:
            self._open(now)

    def _open(self, now: float) -> None:
        whole = min(FIRST_S * 2 ** min(self._openings, 16), LONGEST_S)
        self._openings += 1
        self._failures = self._successes = 0
        self.state = "open"
        # half of it by chance: many daemons that saw the same outage must not come back in step
        self.retry_at = now + whole * (1 - 0.5 * self._random())
