"""What became of a suggestion, from what was run in its place."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmdai_shell.history.entry import Outcome

_TOKEN = re.compile(r"[^\s'\"|;&()<>{}=,`]+")
_BEFORE = frozenset(("sudo", "doas", "time", "env", "command", "builtin", "nice", "nohup"))
_BY_VERB = frozenset(
    (
        *("git", "gh", "docker", "podman", "kubectl", "helm", "systemctl", "tmux", "ip"),
        *("apt", "apt-get", "dnf", "pacman", "brew", "npm", "yarn", "pip", "cargo", "go"),
    )
)
"""Programs that do something else with each first word."""
_ALIKE = 0.5
"""Of all tokens: so many in common make another program's command an edited one."""


def judged(suggested: str, ran: str) -> Outcome:
    """``ran`` is what the line was when it was run, empty if it was not."""
    if _is_same(suggested, ran):
        return "accepted"
    one, other = _TOKEN.findall(suggested), _TOKEN.findall(ran)
    if not one or not other:
        return "rejected"
    alike = _program(one) == _program(other) or _overlap(one, other) >= _ALIKE
    return "edited" if alike and _is_one_thing(one, other) else "rejected"


def _is_same(suggested: str, ran: str) -> bool:
    """White space does not count. Of several lines bash's history makes one, with semicolons, or
    knows just the first, where that is a command by itself."""
    if suggested.split() == ran.split():
        return True
    lines = suggested.strip().split("\n")
    known = ran.replace(";", " ").split()
    return len(lines) > 1 and known in (
        suggested.replace(";", " ").split(),
        lines[0].replace(";", " ").split(),
    )


def _is_one_thing(one: list[str], other: list[str]) -> bool:
    """Not ``git status`` after ``git push``: but the same verb, or the same things."""
    program, verb, rest = _parts(one)
    also, another, others = _parts(other)
    if program != also or program not in _BY_VERB or verb == another:
        return True
    return not rest.isdisjoint(others)


def _overlap(one: list[str], other: list[str]) -> float:
    """Dice's coefficient: 1 for the same tokens, 0 for none in common."""
    common = (Counter(one) & Counter(other)).total()
    return 2 * common / (len(one) + len(other))


def _program(tokens: list[str]) -> str:
    return _parts(tokens)[0]


def _parts(tokens: list[str]) -> tuple[str, str, set[str]]:
    """The program, the first word after it that is no option, and the rest."""
    left = [token for token in tokens if token not in _BEFORE] or tokens
    words = [token for token in left[1:] if not token.startswith("-")]
    return left[0], words[0] if words else "", set(words[1:])
