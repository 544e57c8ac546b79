"""From a command line to a verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Literal

from cmdai_shell.core import Action, Risk, Shell, Verdict
from cmdai_shell.safety import lexical
from cmdai_shell.safety.rules.rule import Finding, quoted
from cmdai_shell.safety.script import MAYBE, UNKNOWN, Call, Parsed, spoken
from cmdai_shell.safety.wrappers import unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.safety.script import Word
    from cmdai_shell.safety.syntax import Reader

Level = Literal["strict", "moderate", "permissive"]

_LONGEST = 16384
_MOST_REASONS = 5
_MOST_OFFERS = 3
_MOST_CALLS = 400
_MOST_WORDS = 4000
_MOST_SCRIPTS = 24
_DEEPEST = 6
"""``sh -c`` inside ``sh -c`` …"""

_TOO_MUCH = Finding(Risk.CRITICAL, "holds more than can be judged")
"""Beyond any of the limits above: nobody writes that by hand, and it must not hide anything."""

_SAME_SHELL = frozenset({"eval", "alias", "abbr", "trap", "source", "."})


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRule:
    """A person's own rule: ``match`` is a regular expression searched in the whole command."""

    match: str
    risk: Risk
    reason: str


def decide(risk: Risk, level: Level) -> Action:
    """What to do with a suggestion of that risk; see ``core.Action``."""
    if level == "strict":
        return "refuse" if risk >= Risk.DANGEROUS else "insert"
    if level == "moderate":
        return "arm" if risk is Risk.CRITICAL else "insert"
    return "insert"


def parse(command: str, shell: Shell = "bash") -> Parsed:
    """Take a command line apart without running or changing anything. Never raises."""
    found = _analysed(command, shell)
    return Parsed(
        tuple(call for call in found.calls if call.words and not call.guess), found.broken
    )


def assess(
    command: str,
    *,
    shell: Shell = "bash",
    allow: Sequence[str] = (),
    rules: Sequence[CustomRule] = (),
) -> Verdict:
    """How much harm ``command`` can do, and why, in plain words. Pure; never raises.

    ``allow`` are patterns (exact or glob) of simple commands the person has declared safe; the
    rest of the line is judged all the same. ``rules`` can raise the risk, never lower it.
    """
    found = _findings(command, shell, allow, rules)
    worst = sorted(found, key=lambda finding: -finding.risk)
    risk = worst[0].risk if worst else Risk.SAFE
    reasons = dict.fromkeys(f.reason for f in worst if f.risk > Risk.SAFE)
    offers = dict.fromkeys(f.safer for f in worst if f.safer and f.risk is risk)
    tried = islice(offers, _MOST_OFFERS)
    safer = next((offer for offer in tried if _is_better(offer, shell, risk)), "")
    return Verdict(risk=risk, reasons=tuple(reasons)[:_MOST_REASONS], safer=safer)


def _findings(
    command: str, shell: Shell, allow: Sequence[str] = (), rules: Sequence[CustomRule] = ()
) -> list[Finding]:
    from cmdai_shell.safety.rules.table import across, findings, redirects

    found = _analysed(command, shell)
    if found.gave_up():
        return [*found.findings]
    calls = [call for call in found.calls if not _allowed(call, allow)]
    all_findings = [*found.findings, *across(calls)]
    for call in found.calls:
        all_findings += redirects(call)  # what is allowed are words, not where they write
    for call in calls:
        all_findings += findings(call)
    all_findings += lexical.suspicious(command)
    all_findings += _custom(command, rules)
    return all_findings


def _is_better(offer: str, shell: Shell, risk: Risk) -> bool:
    """An offer is judged like any command; asking before each file (``mv -i``) stays a caution."""
    if spoken(MAYBE) in offer or parse(offer, shell).broken:
        return False
    offered = max((finding.risk for finding in _findings(offer, shell)), default=Risk.SAFE)
    return offered < max(risk, Risk.DANGEROUS)


@lru_cache(maxsize=16)
def _analysed(command: str, shell: str) -> _Analysis:
    """One press asks four times about the same command: its extraction, checks and verdict."""
    return _Analysis(command, shell)


class _Analysis:
    """All calls of a line, those inside wrappers and scripts included."""

    def __init__(self, command: str, shell: str) -> None:
        self.calls: list[Call] = []
        self.findings: list[Finding] = []
        self.broken = False
        self._scripts = 0
        self._words = 0
        self._variables: dict[str, list[Word]] = {}
        text = lexical.cleaned(command[:_LONGEST])
        self._take(text, shell)
        if len(command) > _LONGEST:
            self._give_up()

    def _take(self, text: str, shell: str, outer: Call | None = None, depth: int = 0) -> None:
        """Read ``text`` as ``shell`` would; ``outer`` is the call that starts it."""
        from cmdai_shell.safety import syntax

        self._scripts += 1
        if self.gave_up() or depth > _DEEPEST or self._scripts > _MOST_SCRIPTS:
            self._give_up()
            return
        prepared = lexical.prepared(text, shell) if len(text) <= syntax.LONGEST else None
        reader: Reader | None = None
        if prepared is not None and syntax.parsable(prepared):
            reader = syntax.read(prepared, shell, outer, self._variables)
            for call in reader.calls:
                self._add(_within(call, outer), shell, depth)
                if self.gave_up():
                    return
            if reader.bombs:
                self.findings.append(lexical.BOMB)
        if reader is None or reader.broken:
            self._look_through(text, shell, outer, depth)

    def _add(self, call: Call, shell: str, depth: int) -> None:
        self._words += len(call.words)
        too_many = self._words > _MOST_WORDS or len(self.calls) >= _MOST_CALLS
        if self.gave_up() or too_many or depth > _DEEPEST * 4:
            self._give_up()
            return
        self.calls.append(call)
        if call.words and (call.words[0].glob or call.program in UNKNOWN) and not call.guess:
            self.findings.append(Finding(Risk.CAUTION, "runs a program nobody can know beforehand"))
        for inner in unwrap(call):
            if isinstance(inner, str):
                self._take(inner, _language(call, shell), call, depth + 1)
            else:
                self._add(inner, shell, depth + 1)
            if self.gave_up():
                return

    def _look_through(self, text: str, shell: str, outer: Call | None, depth: int) -> None:
        """A syntax error must not hide anything: look at every piece that could be a command."""
        if not self.broken:
            self.broken = True
            self.findings.append(Finding(Risk.CAUTION, "cannot be understood completely"))
        for call in lexical.calls(text):
            self._add(_within(call, outer), shell, depth)
            if self.gave_up():
                return
        if lexical.is_bomb(text):
            self.findings.append(lexical.BOMB)

    def _give_up(self) -> None:
        self.broken = True
        if not self.gave_up():
            self.findings.append(_TOO_MUCH)

    def gave_up(self) -> bool:
        return _TOO_MUCH in self.findings


def _within(call: Call, outer: Call | None) -> Call:
    if outer is None:
        return call
    return replace(call, wrappers=(*outer.wrappers, outer.program, *call.wrappers))


def _language(call: Call, shell: str) -> str:
    """Whose syntax the script of ``call`` is written in."""
    if call.program in ("fish", "zsh"):
        return call.program
    return shell if call.program in _SAME_SHELL else "bash"


def _allowed(call: Call, allow: Sequence[str]) -> bool:
    line = quoted(call.words)
    return any(line == pattern or _covers(pattern.split(), call.words) for pattern in allow)


def _covers(pattern: Sequence[str], words: Sequence[Word]) -> bool:
    """Word by word: a ``*`` stands for one argument, which may come again, and lets options follow;
    alone at the end it stands for any number of them."""
    if not pattern or len(words) < len(pattern):
        return False
    last = pattern[-1]
    more = words[len(pattern) :]
    return all(map(_fits, words, pattern)) and (
        last == "*"
        or all("*" in last and (_fits(word, last) or word.text.startswith("-")) for word in more)
    )


def _fits(word: Word, pattern: str) -> bool:
    """No ``*`` stands for what nobody knows, or for the way out of a folder."""
    if pattern == "*":
        return True
    climbs = ".." in word.text.split("/") and ".." not in pattern
    return word.known and not climbs and fnmatchcase(quoted([word]), pattern)


def _custom(command: str, rules: Sequence[CustomRule]) -> Iterator[Finding]:
    for rule in rules:
        try:
            matched = re.search(rule.match, command)
        except re.error:
            continue  # config has said so already; a bad rule must not stop the assessment
        if matched:
            yield Finding(rule.risk, rule.reason)
