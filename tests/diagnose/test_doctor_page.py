"""docs/doctor.md names every check, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from cmdai_shell.diagnose import table

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


def test_the_page_has_every_check() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([a-z][a-z-]*)`", row.split("|")[1])]
    checks = [check.name for check in (*table.CHECKS, *table.ON_REQUEST)]
    assert named == sorted(set(named), key=named.index)
    assert set(named) == set(checks)
