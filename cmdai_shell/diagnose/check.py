"""A check, what it finds, and all of them run beside each other."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cmdai_shell.errors import CmdaiError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cmdai_shell.diagnose.surroundings import Surroundings

Severity = Literal["ok", "warn", "fail"]
"""``fail``: something a person asked for does not work. ``warn``: it works, and could be better."""

TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Finding:
    """``cure`` is what to type, or to put into a file; empty when all is well."""

    severity: Severity
    what: str
    cure: str = ""


def ok(what: str) -> Finding:
    return Finding("ok", what)


def warn(what: str, cure: str) -> Finding:
    return Finding("warn", what, cure)


def fail(what: str, cure: str) -> Finding:
    return Finding("fail", what, cure)


@dataclass(frozen=True, slots=True)
class Check:
    """``name`` is stable and kebab-case. ``run`` may raise CmdaiError, which is a failure."""

    name: str
    run: Callable[[Surroundings], Finding]
    timeout_s: float = TIMEOUT_S


def examine(checks: Sequence[Check], around: Surroundings) -> list[tuple[Check, Finding]]:
    """Every check with its finding, in order; as long as the slowest of them.

    A check that hangs (a dead network folder) is left behind in a daemon thread, so that the
    others' findings and the end of the program do not wait for it.
    """
    begun = time.monotonic()
    running = [(check, _begin(check, around)) for check in checks]
    return [(check, _end(check, future, begun)) for check, future in running]


def _begin(check: Check, around: Surroundings) -> Future[Finding]:
    future: Future[Finding] = Future()

    def run() -> None:
        try:
            future.set_result(check.run(around))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=check.name, daemon=True).start()
    return future


def _end(check: Check, future: Future[Finding], begun: float) -> Finding:
    try:
        return future.result(max(0.0, begun + check.timeout_s - time.monotonic()))
    except CmdaiError as error:
        return fail(error.message, error.hint)
    except TimeoutError:
        again = f"cmdai-shell doctor --only {check.name}"
        return warn(f"no result within {check.timeout_s:.0f} s", f"try once more: {again}")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return fail(f"{error.filename or check.name}: {reason}", "look at that file or folder")
