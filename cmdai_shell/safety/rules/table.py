"""Every rule in one table: program name to checks, and the checks that every call goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.safety.rules import devices, files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.safety.rules.rule import Check, Finding
    from cmdai_shell.safety.script import Call

_TOPICS = (files, devices)

CHECKS: dict[str, tuple[Check, ...]] = {}
for _topic in _TOPICS:
    for _program, _check in _topic.CHECKS.items():
        CHECKS[_program] = (*CHECKS.get(_program, ()), _check)

_GENERAL: tuple[Check, ...] = (files.redirects,)


def findings(call: Call) -> Iterator[Finding]:
    for check in (*CHECKS.get(call.program, ()), *_GENERAL):
        yield from check(call)
