"""Each fault of a server, a few times: real sockets, real adapters, the real router."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.faults.__main__ import ANSWER_S, FAULTS

TRIES = 2


@pytest.fixture(scope="module")
def matrix() -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.faults", "--json", "--alone"]
    done = subprocess.run(
        [*command, "--tries", str(TRIES)], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.stdout.startswith("{"), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_press_is_answered_in_time(fault: Any, matrix: dict[str, Any]) -> None:
    if fault.name not in matrix:
        pytest.skip("needs unshare, and a network of its own")
    figures = matrix[fault.name]
    assert figures["answered"] == figures["tries"] == TRIES
    assert figures["max"] < ANSWER_S
    if fault.by:
        assert figures["by"] == {fault.by: TRIES}
