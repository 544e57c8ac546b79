"""The kernel keeps the promise, whatever state the process is in."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from cmdai_shell.daemon import deadman

pytestmark = pytest.mark.skipif(not deadman.is_available(), reason="Linux only")

PROGRAM = """
import os, signal, time
from cmdai_shell.daemon.deadman import Deadman
timer = Deadman(0.3)
timer.promise()
{}
print("lives", flush=True)
"""


def ended(body: str) -> tuple[int, str]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body)], stdout=subprocess.PIPE, text=True
    ) as process:
        said, _ = process.communicate(timeout=20)
    return process.returncode, said


@pytest.mark.parametrize("body", ["time.sleep(30)", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_a_process_that_is_silent_or_stopped_dies(body: str) -> None:
    started = time.monotonic()
    assert ended(body) == (-signal.SIGKILL, "")
    assert time.monotonic() - started < 15


def test_one_that_speaks_lives() -> None:
    body = "for _ in range(6): time.sleep(0.1); timer.promise()\ntimer.kept(); time.sleep(0.6)"
    assert ended(body) == (0, "lives\n")


def test_a_closed_one_kills_nobody() -> None:
    assert ended("timer.close(); time.sleep(0.6)") == (0, "lives\n")
