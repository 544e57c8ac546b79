"""Commands that came of answers, what the checks say of them, and the alternatives of one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast, get_args

from cmdai_shell.core import Risk, Suggestion, Verdict
from cmdai_shell.safety import CustomRule, Level, assess, decide
from cmdai_shell.suggest import borrowed
from cmdai_shell.suggest.extract import without_exit
from cmdai_shell.suggest.verify import findings, lost_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.config import Config
    from cmdai_shell.core import Completion, Manual, Shell, SuggestRequest
    from cmdai_shell.suggest.borrowed import Example
    from cmdai_shell.suggest.context import Here
    from cmdai_shell.suggest.verify import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A command that came of an answer, and what the checks say of it."""

    command: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    answer: Completion
    explanation: str = ""
    """What the model says it does."""


@dataclass(slots=True)
class Series:
    """The alternatives of one line, in the order they were offered."""

    offers: list[Offer] = field(default_factory=list)
    seed: int = 0
    exhausted: bool = False

    def knows(self, command: str) -> bool:
        return any(same(offer.command, command) for offer in self.offers)


class Judge:
    """Checks commands by one configuration and this machine."""

    def __init__(self, *, config: Config, manual: Manual | None) -> None:
        self._manual = manual
        self._allow = config.safety.allow
        self._level = config.safety_level
        self._rules = [
            CustomRule(match=rule.match, risk=Risk[rule.risk.upper()], reason=rule.reason)
            for rule in config.safety.rules
        ]

    def offer(
        self,
        command: str,
        request: SuggestRequest,
        here: Here,
        near: Sequence[Example],
        answer: Completion,
        explanation: str = "",
    ) -> Offer:
        """``command`` put in order and checked, as one that ``answer`` has for ``request``;
        ``near`` are the recipes that the model was shown."""
        line = request.line
        command = staying(command, request)
        command = borrowed.returned(command, near, line, lost_names(command, line))
        verdict = self.assess(command, request.shell)
        return Offer(
            command=command,
            verdict=verdict,
            findings=findings(command, request, verdict, here, self._manual),
            answer=answer,
            explanation=explanation,
        )

    def suggestion(
        self, request: SuggestRequest, series: Series, place: int, elapsed: float
    ) -> Suggestion:
        """The offer at ``place`` of the series, as the person is told of it."""
        offer = series.offers[place]
        others = (known.command for known in series.offers if known is not offer)
        return Suggestion(
            command=offer.command,
            verdict=offer.verdict,
            action=decide(offer.verdict.risk, self._level_of(request)),
            explanation="; ".join(finding.text for finding in offer.findings) or offer.explanation,
            alternatives=tuple(others),
            index=place + 1,
            count=len(series.offers),
            backend=offer.answer.backend,
            is_fallback=offer.answer.is_fallback,
            elapsed=elapsed,
            attempts=offer.answer.attempts,
            remedy=offer.answer.remedy,
        )

    def is_harmless(self, command: str, shell: Shell) -> bool:
        return bool(command) and self.assess(command, shell).risk is Risk.SAFE

    def assess(self, command: str, shell: Shell) -> Verdict:
        return assess(command, shell=shell, allow=self._allow, rules=self._rules)

    def _level_of(self, request: SuggestRequest) -> Level:
        asked = request.safety_level
        return cast("Level", asked) if asked in get_args(Level) else self._level


def own_text(request: SuggestRequest, series: Series, elapsed: float) -> Suggestion:
    """The person's own line, after the last alternative."""
    return Suggestion(
        command=request.line,
        verdict=Verdict(risk=Risk.SAFE),
        action="restore",
        alternatives=tuple(offer.command for offer in series.offers),
        index=0,
        count=len(series.offers),
        elapsed=elapsed,
    )


def staying(command: str, request: SuggestRequest) -> str:
    """The command, in a shell that stays open unless the person spoke of ``exit``."""
    if "exit" in (request.line or request.last_command):
        return command
    return without_exit(command, request.shell)


def same(one: str, other: str) -> bool:
    """Whether two commands differ in white space at most."""
    return one.split() == other.split()
