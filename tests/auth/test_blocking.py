"""Threads that may be left behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.auth.blocking import aside, begin, finish, within

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_it_returns_and_raises() -> None:
    assert within(20, lambda: 3) == 3
    assert await aside(20, lambda: 3) == 3
    for wait in (lambda: within(20, lambda: {}["x"]), lambda: begin(lambda: {}["x"]).result(20)):
        with pytest.raises(KeyError):
            wait()
    with pytest.raises(KeyError):
        await aside(20, lambda: {}["x"])


async def test_one_that_hangs_is_left_and_the_loop_goes_on() -> None:
    release = threading.Event()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.05, release.wait)
    with pytest.raises(TimeoutError):
        await aside(0.05, release.wait)
    assert time.monotonic() - start < 10
    release.set()


_ENDS = """
import sys, time
from cmdai_shell.auth.blocking import begin
def work():
    time.sleep(0.3)
    open(sys.argv[1], "w").close()
begin(work, is_precious=sys.argv[2] == "precious")
"""


@pytest.mark.parametrize("kind", ["precious", "plain"])
def test_the_program_ends_after_what_is_precious(tmp_path: Path, kind: str) -> None:
    done = tmp_path / "done"
    subprocess.run([sys.executable, "-c", _ENDS, str(done), kind], check=True, timeout=30)
    assert done.exists() == (kind == "precious")


def test_but_not_for_ever() -> None:
    release = threading.Event()
    began = time.monotonic()
    work = begin(lambda: release.wait(20), is_precious=True)
    finish(0.05)
    assert not work.done()
    assert time.monotonic() - began < 10
    release.set()
    finish(20)
    assert work.done()


async def test_who_stops_waiting_does_not_stop_it() -> None:
    release = threading.Event()
    work = begin(lambda: release.wait(20))
    waiting = asyncio.wrap_future(work)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    assert work.result(20) is True
