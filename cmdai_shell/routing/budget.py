"""What extra requests may cost others: a share of all requests, and a few in advance."""

from __future__ import annotations


class Budget:
    """Each request earns ``share`` of an extra one; ``burst`` are there from the start and can be
    saved; ``per_second`` are earned by waiting."""

    def __init__(self, share: float, burst: float, per_second: float = 0.0) -> None:
        self._share = share
        self._burst = burst
        self._per_second = per_second
        self._left = burst
        self._at: float | None = None

    def earn(self) -> None:
        self._left = min(self._left + self._share, self._burst)

    def spend(self, now: float) -> bool:
        """Whether one may be sent; then it is paid for."""
        waited = now - self._at if self._at is not None else 0.0
        self._at = now
        self._left = min(self._left + waited * self._per_second, self._burst)
        if self._left < 1 - 1e-9:  # twenty times 5 % are one
            return False
        self._left -= 1
        return True


def hedges(percent: float) -> Budget:
    """For second requests while the first is late: a burst of 3, none at 0 %."""
    return Budget(percent / 100, 3 if percent else 0)


def retries() -> Budget:
    """For members asked after one that had begun to work: 20 %, and 10 a second. It only ever ends
    where many shells lose many answers at once."""
    return Budget(0.2, 100, per_second=10)
