"""What the person is told, once each, at the prompt: who was found, and what became of whom they
trust."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdai_shell.core import Risk, Suggestion, Verdict
from cmdai_shell.discovery.candidate import short
from cmdai_shell.discovery.trust import trust_hint

if TYPE_CHECKING:
    from cmdai_shell.core import Clock
    from cmdai_shell.discovery.candidate import Candidate

STRANGERS_EVERY_S = 600.0
"""Anybody can announce one more each second: of those that are new, one is told of in so long."""
_WHERE = "the key on an empty line"
_LONGEST = 24
"""Characters of a name: what to do is still in the line, on a terminal of 80 columns."""


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
            return f"{short(_called(found), _LONGEST)} may have moved: {_WHERE} offers it"
        case "changed":
            return f"{short(found.name, _LONGEST)} is not what you trusted: see {_WHERE}"
        case "elsewhere":
            return f"{short(found.name, _LONGEST)} waits, behind a new router: {_WHERE}"
        case _:
            return f"found {short(found.name, _LONGEST)}: {_WHERE} offers it"


def _offer(found: Candidate) -> Suggestion:
    where = urlsplit(found.endpoint.url).netloc
    called = short(_called(found), _LONGEST)
    reasons: tuple[str, ...] = ()
    match found.state:
        case "moved":  # where to, the command says
            reasons = (f"{called} has moved there, or somebody pretends; Enter uses it",)
        case "changed":
            reasons = (f"{called} is renewed, or somebody is in its place; Enter accepts it",)
        case "elsewhere":
            reasons = (f"{called}: another router; if it is yours, Enter uses it here, too",)
    risk = Risk.CAUTION if reasons else Risk.SAFE
    by = found.sources[0].partition(":")[0] if found.sources else ""
    return Suggestion(
        # By its address where another could come to be meant while the person reads.
        command=trust_hint(found.endpoint.url if found.state == "moved" else found.name),
        verdict=Verdict(risk=risk, reasons=reasons),
        explanation="" if reasons else f"{where} says it is a server; Enter uses it",
        backend=by,
    )
