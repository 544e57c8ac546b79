"""Judging answers: the task's own commands and the answer, each run in the sandbox, compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.quality import judge
from benchmarks.quality.sandbox import looks_at_clock
from cmdai_shell.safety import parse

if TYPE_CHECKING:
    from benchmarks.quality.sandbox import Result, Sandbox
    from benchmarks.quality.tasks import Task
    from cmdai_shell.core import Shell

_TRIES = 3
"""Commands that print the time may straddle a second."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """``invalid``: what keeps the command from running at all. ``harmed``: what it changed though
    nobody asked for that."""

    right: bool
    difference: str = ""
    invalid: tuple[str, ...] = ()
    refused: bool = False
    """A program did not know an option or a subcommand."""
    harmed: tuple[str, ...] = ()


_ELSEWHERE = frozenset(("docker", "podman", "kubectl", "ssh", "chroot"))
"""They run a program that need not be here."""
_REFUSALS = (
    *("invalid option", "unrecognized option", "unknown option", "illegal option"),
    *("unknown predicate", "unknown command", "is not a git command", "unknown flag"),
    *("unknown shorthand flag", "unexpected argument", "no such option", "invalid command"),
    *("unrecognized argument", "unknown argument", "unknown operation", "unknown verb"),
    *("unknown switch", "unknown subcommand"),
)


def rule(sandbox: Sandbox, task: Task, command: str, shell: Shell) -> Ruling:
    """Judge a command for a task that is judged by execution. Raises Unusable."""
    place = sandbox.fixture(task.fixture).place
    ticking = any(map(looks_at_clock, task.references))
    for _ in range(_TRIES if ticking else 1):
        theirs = [sandbox.run(task.fixture, reference) for reference in task.references]
        ours = sandbox.run(task.fixture, command, shell)
        right = judge.right(task, ours, theirs, place)
        if right:
            break
    return Ruling(
        right=right,
        difference="" if right else judge.difference(ours, theirs[0]),
        invalid=invalid(sandbox, command, shell),
        refused=_refused(ours),
        harmed=() if right else tuple(judge.harmed(ours, theirs)),
    )


def invalid(sandbox: Sandbox, command: str, shell: Shell) -> tuple[str, ...]:
    """Reasons why the shell could not even start it."""
    here = [call for call in parse(command, shell).commands if call.words]
    programs = [call.words[0].text for call in here if _ELSEWHERE.isdisjoint(call.wrappers)]
    return tuple(sandbox.check(command, shell, programs))


def _refused(result: Result) -> bool:
    said = result.stderr.lower()
    return bool(result.status) and any(words in said for words in _REFUSALS)
