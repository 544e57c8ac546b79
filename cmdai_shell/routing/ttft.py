"""What is known of a member's time to first token (TTFT)."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TAU_S = 120.0
"""After so long without news an old figure weighs a third: one person presses every 20 s, not a
thousand times a second."""
UNKNOWN_S = 0.5
"""Expected of a server that has shown nothing yet."""
KEPT = 200

HEDGE_FIRST_S = 0.8
"""In place of each figure that is missing to 20: of fewer nobody knows what one in twenty is."""
HEDGE_SHORTEST_S, HEDGE_LONGEST_S = 0.25, 1.5


class Ttft:
    """A peak-sensitive moving average (bad news counts at once, good news by and by), and the last
    200 figures of requests."""

    def __init__(self) -> None:
        self.expected = UNKNOWN_S
        self.kept: deque[float] = deque(maxlen=KEPT)
        self._at: float | None = None

    def observe(self, seconds: float, now: float, *, is_handshake: bool = False) -> None:
        """A handshake goes to a server whether or not one would choose it just then: what is usual
        for requests is not learned from it."""
        if not is_handshake:
            self.kept.append(seconds)
        if self._at is None or seconds > self.expected:
            self.expected = seconds
        else:
            weight = math.exp(-max(now - self._at, 0.0) / TAU_S)
            self.expected = self.expected * weight + seconds * (1 - weight)
        self._at = now

    def observe_at_least(self, seconds: float, now: float) -> None:
        """Nobody waited for its first token any longer. To forget such figures would flatter just
        the slow; but what is below the expected says nothing."""
        self.kept.append(seconds)
        self.expect_at_least(seconds, now)

    def expect_at_least(self, seconds: float, now: float) -> None:
        """It made us wait for so long, though its first token may have come before."""
        if seconds > self.expected:
            self.expected, self._at = seconds, now


def hedge_after(figures: Iterable[float]) -> float:
    """Seconds without a first token after which a second server is asked."""
    known = list(figures)
    known += [HEDGE_FIRST_S] * (20 - len(known))
    late = percentile(sorted(known), 0.95)
    return min(max(late, HEDGE_SHORTEST_S), HEDGE_LONGEST_S)


def percentile(ordered: list[float], share: float) -> float:
    """Of figures in order; the higher neighbour, as few figures make few steps."""
    return ordered[min(math.ceil(share * len(ordered)), len(ordered)) - 1]
