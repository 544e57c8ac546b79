"""A command line's own text cut into words and operators, for showing: nothing is expanded.

``safety.parse`` says what a line does, and for that gives up how it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST = 4_096
"""Characters that are read."""

_OPERATOR = re.compile(r"&&|\|\||\|&|;;&?|[;|&()\n]")
_REDIRECT = re.compile(r"(?:\d{0,2}|\{\w+\})(?:>>|>\||>&|<<<|<<-?|<&|<>|>|<)|&>>?|>&")
_PLAIN = re.compile(r"[^\s\\'\"$`|&;()<>]+")
_BLANK = re.compile(r"[ \t\r]+|\\\n")
_PAIRS = {"(": ")", "{": "}", "[": "]"}
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Redirection:
    """``operator`` with its file descriptor ("2>"), ``target`` as written."""

    operator: str
    target: str

    @property
    def text(self) -> str:
        gap = "" if self.operator.endswith("&") or self.operator[:1].isdigit() else " "
        return f"{self.operator}{gap}{self.target}"


@dataclass(slots=True)
class Simple:
    """A simple command: ``joint`` is the operator before it, ``after`` the one that ends it."""

    joint: str = ""
    words: list[str] = field(default_factory=list)
    redirections: list[Redirection] = field(default_factory=list)
    after: str = ""


def commands(line: str) -> list[Simple]:
    """The simple commands of a line, left to right; brackets around them are operators. Never
    raises; linear but for nested substitutions, of which ``_DEEPEST`` are followed."""
    line = line[:LONGEST]
    found = [Simple()]
    at = 0
    operator = ""
    while at < len(line):
        if blank := _BLANK.match(line, at):
            at = blank.end()
        elif line[at] == "#" and (not at or line[at - 1].isspace()):
            at = line.find("\n", at) if "\n" in line[at:] else len(line)
        elif _is_redirect(line, at) and (matched := _REDIRECT.match(line, at)):
            operator, at = matched[0], matched.end()
        elif (ended := _OPERATOR.match(line, at)) and line[at] not in "<>":
            found[-1].after = ended[0]
            found.append(Simple(joint=ended[0]))
            operator, at = "", ended.end()
        else:
            end = word_end(line, at)
            text, at = line[at:end], end
            if operator:
                found[-1].redirections.append(Redirection(operator, text))
                operator = ""
            else:
                found[-1].words.append(text)
    return [simple for simple in found if simple.words or simple.redirections]


def substitutions(word: str) -> list[str]:
    """The commands inside ``$(…)``, back quotes and ``<(…)`` of a word, the outermost ones."""
    found = []
    at = 0
    while at < len(word):
        two = word[at : at + 2]
        if word[at] == "\\":
            at += 2
        elif word[at] == "'":
            at = _after_quote(word, at)
        elif two in ("$(", "<(", ">(") and word[at : at + 3] != "$((":
            end = _closing(word, at + 1)
            found.append(word[at + 2 : end - 1])
            at = end
        elif word[at] == "`":
            end = word.find("`", at + 1)
            end = len(word) if end < 0 else end
            found.append(word[at + 1 : end])
            at = end + 1
        else:
            at += 1
    return found


def unquoted(word: str) -> str:
    """The word without its quotes, for looking it up."""
    if not any(mark in word for mark in "'\"\\"):
        return word
    return re.sub(r"\\(.)|'([^']*)'?|\"([^\"]*)\"?", _bare, word, flags=re.DOTALL)


def _bare(found: re.Match[str]) -> str:
    return next((part for part in found.groups() if part is not None), "")


def _is_redirect(line: str, at: int) -> bool:
    """A redirection begins here, and no ``<(…)``; digits only where a word could begin."""
    matched = _REDIRECT.match(line, at)
    if not matched:
        return False
    if line[matched.end() - 1] in "<>" and line[matched.end() : matched.end() + 1] == "(":
        return False
    return not line[at].isdigit() or not at or line[at - 1] in " \t;|&()"


def word_end(line: str, at: int) -> int:
    """The place after the word that begins at ``at``."""
    start = at
    while at < len(line):
        character = line[at]
        if plain := _PLAIN.match(line, at):
            at = plain.end()
        elif character == "\\":
            at += 2
        elif character in "'\"`":
            at = _after_quote(line, at)
        elif character in "$<>" and line[at + 1 : at + 2] in ("(", "{"):
            at = _closing(line, at + 1)
        elif character == "$" or (character in "<>" and at == start):
            at += 1
        else:
            break
    return max(min(at, len(line)), start + 1)


def _after_quote(line: str, at: int, depth: int = 0) -> int:
    quote = line[at]
    if quote == "'":
        end = line.find("'", at + 1)
        return len(line) if end < 0 else end + 1
    at += 1
    while at < len(line) and line[at] != quote:
        if line[at] == "\\":
            at += 2
        elif quote == '"' and line[at : at + 2] in ("$(", "${"):
            at = _closing(line, at + 1, depth + 1)
        else:
            at += 1
    return min(at + 1, len(line))


def _closing(line: str, at: int, depth: int = 0) -> int:
    """The place after the bracket that closes the one at ``at``; quotes and inner ones counted."""
    opener, closer = line[at], _PAIRS[line[at]]
    open_ones = 0
    while at < len(line):
        character = line[at]
        if character == "\\":
            at += 2
            continue
        if character in "'\"`" and depth < _DEEPEST:
            at = _after_quote(line, at, depth + 1)
            continue
        open_ones += (character == opener) - (character == closer)
        at += 1
        if not open_ones:
            break
    return min(at, len(line))
