from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.check import Check, Finding, examine, ok
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from cmdai_shell.diagnose.surroundings import Surroundings


def test_checks_run_beside_each_other_and_keep_their_order(healthy: Surroundings) -> None:
    both = threading.Barrier(2)

    def meet(_: Surroundings) -> Finding:
        both.wait(5)  # passes only while the other check runs, too
        return ok("met")

    found = examine([Check("one", meet), Check("two", meet)], healthy)
    assert [(check.name, finding) for check, finding in found] == [
        ("one", ok("met")),
        ("two", ok("met")),
    ]


def test_one_that_hangs_holds_nobody_up(healthy: Surroundings) -> None:
    never = threading.Event()

    def hang(_: Surroundings) -> Finding:
        never.wait(30)
        return ok("late")

    begun = time.monotonic()
    slow, quick = examine([Check("slow", hang, 0.2), Check("quick", lambda _: ok("well"))], healthy)
    never.set()
    assert time.monotonic() - begun < 5
    assert slow[1].severity == "warn"
    assert "no result within" in slow[1].what
    assert "doctor --only slow" in slow[1].cure
    assert quick[1] == ok("well")


def test_an_error_with_a_hint_is_a_failure_with_a_cure(healthy: Surroundings) -> None:
    def refuse(_: Surroundings) -> Finding:
        raise ConfigError("the key is wrong", "write another")

    [(_, finding)] = examine([Check("key", refuse)], healthy)
    assert finding == Finding("fail", "the key is wrong", "write another")


def test_a_file_that_cannot_be_read_is_a_failure_and_no_crash(healthy: Surroundings) -> None:
    def read(_: Surroundings) -> Finding:
        raise PermissionError(13, "Permission denied", "/etc/secret")

    [(_, finding)] = examine([Check("secret", read)], healthy)
    assert finding.severity == "fail"
    assert finding.what == "/etc/secret: permission denied"
