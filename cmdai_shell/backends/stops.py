"""Text of a server as it comes, freed of what is no part of the answer. Pure.

TGI and TensorRT-LLM write out the stop string they stopped at; Triton's models may begin with the
prompt. Both must be taken off before anything is shown, however the text was cut into pieces.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPECIAL = re.compile(r"<\|[^|<>\s]{0,64}\|>|<｜[^｜<>\s]{0,64}｜>|<(?:start|end)_of_turn>|</?s>")  # noqa: RUF001


class Stops:
    """Cuts before the first stop string. ``feed`` gives what can no longer be part of one."""

    def __init__(self, stop: Iterable[str]) -> None:
        self._stop = tuple(filter(None, stop))
        self._held = ""
        self.met = False

    def feed(self, text: str, *, final: bool = False) -> str:
        if self.met:
            return ""
        text = self._held + text
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.met, self._held = True, ""
            return text[: min(found)]
        keep = 0 if final else max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that begins ``stop``."""
    return next((n for n in range(len(stop) - 1, 0, -1) if text.endswith(stop[:n])), 0)


class Echo:
    """Takes the prompt off the beginning, also where the server wrote it without the special
    tokens (TensorRT-LLM's postprocessing does)."""

    def __init__(self, prompt: str) -> None:
        self._echoes = tuple(dict.fromkeys((prompt, _SPECIAL.sub("", prompt))))
        self._held = ""
        self._done = not prompt

    def feed(self, text: str, *, final: bool = False) -> str:
        if self._done:
            return text
        self._held += text
        held = self._held.lstrip()
        wanted = [echo.lstrip() for echo in self._echoes]
        for echo in wanted:
            if held.startswith(echo):
                self._done = True
                return held[len(echo) :]
        if not final and any(echo.startswith(held) for echo in wanted):
            return ""
        self._done = True
        return self._held
