"""Thoughts of a reasoning model that come inside its answer: alive, but not the answer."""

from __future__ import annotations

import re

_OPEN, _CLOSE = "<think>", "</think>"
_OPENED = re.compile(r"(?<![a-z0-9])(?:r1|qwq|thinking|reasoner|reasoning)(?![a-z0-9])", re.I)


def begins_opened(model: str) -> bool:
    """Models whose chat template writes the ``<think>`` itself, so that the answer begins in the
    thought: DeepSeek-R1, QwQ, Qwen3-...-Thinking (their model cards' chat templates)."""
    return bool(_OPENED.search(model))


class Thinking:
    """Takes an answer's text as it comes and gives what is not thought.

    Only what the answer begins with is a thought; a later ``<think>`` is text. With ``opened`` the
    text is held back until the thought ends; if it never does, there was none: ``end`` gives it.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._held = ""
        self._state = "opened" if opened else "before"

    @property
    def is_thinking(self) -> bool:
        return self._state in ("inside", "opened")

    def feed(self, text: str) -> str:
        if self._state == "answer":
            return text
        self._held += text
        if self._state == "before":
            self._begin()
        if self.is_thinking:
            _, closed, rest = self._held.partition(_CLOSE)
            if not closed:
                self._forget()
                return ""
            self._held, self._state = rest, "after"
        if self._state == "after":
            self._held = self._held.lstrip()
            self._state = "answer" if self._held else "after"
        if self._state == "answer":
            text, self._held = self._held, ""
            return text
        return ""

    def end(self) -> str:
        """What was held back and turned out to be the answer."""
        text, self._held = self._held, ""
        return text if self._state in ("before", "opened") else ""

    def _begin(self) -> None:
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._held, self._state = start[len(_OPEN) :], "inside"
        elif not _OPEN.startswith(start):
            self._state = "answer"

    def _forget(self) -> None:
        """A thought may be long; only its end can be the beginning of the closing tag."""
        if self._state == "inside":
            self._held = self._held[-len(_CLOSE) :]
