"""Every rule in one table: program name to checks, and the checks that every call goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.safety.rules import (
    accounts,
    cloud,
    code,
    containers,
    databases,
    devices,
    files,
    git,
    network,
    packages,
    processes,
    secrets,
    writes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cmdai_shell.safety.rules.rule import Check, Finding
    from cmdai_shell.safety.script import Call

_TOPICS = (
    files,
    devices,
    processes,
    network,
    secrets,
    code,
    git,
    containers,
    cloud,
    databases,
    accounts,
    packages,
)

CHECKS: dict[str, tuple[Check, ...]] = {}
for _topic in _TOPICS:
    for _program, _check in _topic.CHECKS.items():
        CHECKS[_program] = (*CHECKS.get(_program, ()), _check)

_GENERAL: tuple[Check, ...] = (*network.GENERAL, secrets.sent)


def findings(call: Call) -> Iterator[Finding]:
    """What one call does by its words: the rules for its program and those for every program."""
    asks = len(call.args) == 1 and call.args[0].text in ("--help", "--version")
    for check in (*(() if asks else CHECKS.get(call.program, ())), *_GENERAL):
        yield from check(call)


def redirects(call: Call) -> Iterator[Finding]:
    """What one call does by the files it is redirected to."""
    yield from writes.redirects(call)


def across(calls: Iterable[Call]) -> Iterator[Finding]:
    """What only the whole line shows, not one call of it."""
    yield from network.across(calls)
