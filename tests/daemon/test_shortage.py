from __future__ import annotations

import errno
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

from cmdai_shell.daemon.shortage import EVERY_S, Shortage

if TYPE_CHECKING:
    import pytest


def test_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    shortage = Shortage(lambda: now)
    for _ in range(1000):
        assert shortage.notes(OSError(errno.EMFILE, "too many"))
    assert len(caplog.messages) == 1
    now = EVERY_S
    assert shortage.notes(OSError(errno.ENFILE, "too many"))
    assert len(caplog.messages) == 2


def test_other_errors_are_not_its_business(caplog: pytest.LogCaptureFixture) -> None:
    shortage = Shortage(lambda: 0.0)
    assert not any(map(shortage.notes, (None, OSError(errno.EPERM, ""), ValueError("no"))))
    assert caplog.messages == []


def test_more_are_asked_for() -> None:
    program = (
        "import resource as r; from cmdai_shell.daemon.shortage import ask_for_more; "
        "hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, (256, hard)); "
        "ask_for_more(); print(r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, check=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert int(done.stdout) == min(4096, hard if hard > 0 else 4096)
