"""What the person is told, once each, at the prompt: who was found, and what became of whom they
trust."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdai_shell.core import Risk, Suggestion, Verdict
from cmdai_shell.discovery.trust import trust_hint

if TYPE_CHECKING:
    from cmdai_shell.core import Clock
    from cmdai_shell.discovery.candidate import Candidate

STRANGERS_EVERY_S = 600.0
"""Anybody can announce one more each second: of those that are new, one is told of in so long."""


class Notices:
    """``waiting``: those that wait for the person's word, those that are trusted first; as of the
    last news: no press waits for hundreds to be judged."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, None] = {}
        """Keys, the last one told of at the end."""
        self._strangers_at = -math.inf
        self.waiting: tuple[Candidate, ...] = ()

    def next(self) -> str:
        """A line on one that waits and has not been told of; empty where there is none."""
        now = self._clock()
        for each in self.waiting:
            if _key(each) in self._told:
                continue
            if each.state == "candidate":
                if now - self._strangers_at < STRANGERS_EVERY_S:
                    continue
                self._strangers_at = now
            self._told[_key(each)] = None
            return _news(each)
        return ""

    def offer(self) -> Suggestion | None:
        """The command for the one that the person was told of last, if it still waits."""
        waiting = {_key(each): each for each in self.waiting}
        told = next((key for key in reversed(self._told) if key in waiting), "")
        found = waiting.get(told) or next(iter(waiting.values()), None)
        return _offer(found) if found else None

    def decided(self, name: str) -> None:
        """On that server: what happens to it later is news again, and that it is there is none."""
        for key in [key for key in self._told if key.partition(" ")[2] == name]:
            del self._told[key]
        self._told[f"candidate {name}"] = None


def _key(found: Candidate) -> str:
    return f"{found.state} {_called(found)}"


def _called(found: Candidate) -> str:
    return found.approval.name if found.approval else found.name


def _news(found: Candidate) -> str:
    match found.state:
        case "moved":
            there = urlsplit(found.endpoint.url).hostname
            return f"{_called(found)} may be at {there} now: the key on an empty line offers it"
        case "changed":
            return f"{found.name} is not what you trusted: see the key on an empty line"
        case _:
            return f"found {found.name}: the key on an empty line offers it"


def _offer(found: Candidate) -> Suggestion:
    where = urlsplit(found.endpoint.url).netloc
    reasons: tuple[str, ...] = ()
    match found.state:
        case "moved":
            reasons = (f"{_called(found)} has moved to {where}, or somebody pretends; to use it",)
        case "changed":
            reasons = (f"{found.name} was renewed, or somebody is in its place; to accept it",)
    risk = Risk.CAUTION if reasons else Risk.SAFE
    by = found.sources[0].partition(":")[0] if found.sources else ""
    return Suggestion(
        # By its address where another could come to be meant while the person reads.
        command=trust_hint(found.endpoint.url if found.state == "moved" else found.name),
        verdict=Verdict(risk=risk, reasons=reasons),
        explanation="" if reasons else f"{where} says it is a server; to use it, run this",
        backend=by,
    )
