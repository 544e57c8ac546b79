"""From the model's bytes to text that may be shown, and when to stop asking for more."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from cmdai_shell.backends.stops import Stops

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOP_TOKENS = 24
LOOP_ROUNDS = 4
LOOP_PERIOD = 24
"""A model that repeats the same (up to 24) tokens four times over, and for at least 24 tokens,
will go on so until ``max_tokens``: small models do. Real commands repeat less."""


class Output:
    """Token bytes in, text out: whole characters only, and nothing of a stop string."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = Stops(stop)

    @property
    def stopped(self) -> bool:
        return self._stops.met

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """Text that can no longer become part of a stop string; after one was met, nothing."""
        if self.stopped:
            return ""
        return self._stops.feed(self._decoder.decode(data, final), final=final)


def looping(tokens: Sequence[int]) -> bool:
    """Whether the end of ``tokens`` is one short piece over and over."""
    for period in range(1, LOOP_PERIOD + 1):
        span = max(LOOP_TOKENS, period * LOOP_ROUNDS)
        if len(tokens) < span:
            break
        tail = tokens[-span:]
        if all(tail[i] == tail[i - period] for i in range(period, span)):
            return True
    return False
