from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.diagnose import table
from cmdai_shell.diagnose.check import examine

if TYPE_CHECKING:
    from cmdai_shell.diagnose.surroundings import Surroundings


def test_on_a_healthy_machine_nothing_is_found(healthy: Surroundings) -> None:
    found = examine(table.CHECKS, healthy)
    assert [finding for _, finding in found if finding.severity != "ok"] == []
    assert [finding for _, finding in found if finding.cure or not finding.what] == []


def test_names_are_words_for_scripts() -> None:
    names = [check.name for check in (*table.CHECKS, *table.ON_REQUEST)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
