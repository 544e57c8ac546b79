"""Rule after rule, until one knows what was wrong; then again, for a line can have two slips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from cmdai_shell.safety import parse
from cmdai_shell.suggest.mend import (
    archives,
    characters,
    containers,
    folders,
    git,
    habits,
    network,
    options,
    paths,
    programs,
    roots,
    scripts,
    syntax,
    targets,
    tools,
    unquoted,
)
from cmdai_shell.suggest.mend.failure import failure
from cmdai_shell.suggest.mend.glance import Glance, TimeUp
from cmdai_shell.suggest.mend.scene import Mend, Scene, edited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.core import Look, SuggestRequest

LONGEST = 2000
"""Characters of a line that is looked at."""
MOST = 3
"""Candidates."""
_Rule = Callable[[Scene], Iterator[Mend]]
_ROUNDS = 4
"""Slips that are put right in one line, one after the other."""

_RULES: tuple[_Rule, ...] = (
    characters.pasted,
    scripts.script,
    syntax.syntax,
    programs.misspelled,
    tools.subcommand,
    unquoted.names,
    characters.unclosed,
    characters.sed_script,
    habits.habit,
    archives.archive,
    containers.container,
    network.network,
    targets.target,
    git.git,
    options.misspelled,
    paths.misspelled,
    roots.root,
    folders.missing,
    folders.unexpected,
)
"""In this order: how it is written, what is called, how, with what. The first that knows
anything decides; the others have their turn with what it made."""

_HARDER = (roots.root, folders.unexpected)
"""What makes a command do more: not of a program that is our guess."""


_ADDS = (*_HARDER, folders.missing)
"""What leaves every word as it is: no cure where one of them names what is not there."""


def mend(
    request: SuggestRequest, look: Look, is_over: Callable[[], bool] = lambda: False
) -> tuple[str, ...]:
    """The last command put right, the likeliest first; empty where nothing is sure, or when it
    ``is_over``. Never the same command; outside of what is mended every character stays. It reads
    folders: not on the event loop."""
    with suppress(TimeUp):
        return _mend(request, Glance(look, is_over))
    return ()


def _mend(request: SuggestRequest, look: Look) -> tuple[str, ...]:
    line = request.last_command
    if not line or len(line) > LONGEST or "\n" in line:
        return ()
    found: dict[str, None] = {}
    rule, lines = _once(line, request, look, _RULES)
    for first in lines:
        whole = _settled(first, request, look, guessed=rule is programs.misspelled)
        if _words(whole) in ([], _words(line)) or parse(whole, request.shell).broken:
            continue
        if rule in _ADDS and failure(replace(request, last_command=whole), look).absent:
            continue
        found[whole] = None
    return tuple(found)[:MOST]


def _settled(line: str, request: SuggestRequest, look: Look, *, guessed: bool) -> str:
    for _ in range(_ROUNDS):
        rules = [rule for rule in _RULES if not (guessed and rule in _HARDER)]
        rule, lines = _once(line, request, look, rules)
        if not lines:
            break
        line = lines[0]
        guessed = guessed or rule is programs.misspelled
    return line


def _words(line: str) -> list[str]:
    return [word for word in line.split(" ") if word]


def _once(
    line: str, request: SuggestRequest, look: Look, rules: Sequence[_Rule]
) -> tuple[_Rule | None, list[str]]:
    """The first rule that knows anything, and what it makes of the line."""
    scene = Scene(
        line=line,
        status=request.last_status,
        mended=line != request.last_command,
        shell=request.shell,
        cwd=request.cwd,
        path=request.path,
        look=look,
    )
    for rule in rules:
        mends = islice(rule(scene), MOST)
        if lines := [new for found in mends if (new := edited(line, found)) != line]:
            return rule, lines
    return None, []
