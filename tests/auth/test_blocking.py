"""Threads that may be left behind."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from cmdai_shell.auth.blocking import aside, begin, within


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


async def test_who_stops_waiting_does_not_stop_it() -> None:
    release = threading.Event()
    work = begin(lambda: release.wait(20))
    waiting = asyncio.wrap_future(work)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    assert work.result(20) is True
