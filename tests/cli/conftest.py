"""The command line against the real daemon with the scripted model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import TypeAlias

import pytest

from cmdai_shell.cli.main import main
from tests.integration.conftest import Process, daemon

__all__ = ["CLI", "Call", "Process", "daemon"]

CLI = (sys.executable, "-c", "from cmdai_shell.cli.main import main; main()")
Call: TypeAlias = Callable[..., tuple[int, str, str]]
"""Words to (exit code, stdout, stderr)."""


@pytest.fixture
def scripted(daemon: Process) -> Process:
    """The daemon, running."""
    daemon.start()
    return daemon


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line in this process: quick, and a coverage report sees it."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def shell_out() -> Call:
    """The command line in a process of its own, for what a process alone has."""

    def run(*words: str | bytes, stdin: bytes = b"", **environ: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [*CLI, *words],
            input=stdin,
            env={**os.environ, **environ},
            capture_output=True,
            timeout=50,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run
