"""Work beside the event loop that may hang."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cmdai_shell.suggest.aside import Aside


async def test_what_the_work_returns_or_raises():
    aside = Aside(5)
    assert await aside.do(lambda: 42) == 42
    assert await aside.do(threading.current_thread) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        await aside.do(lambda: 1 / 0)


async def test_one_thread_does_one_thing_after_the_other_and_ends_with_its_owner():
    aside = Aside(5)
    threads = {await aside.do(threading.current_thread) for _ in range(5)}
    assert len(threads) == 1
    del aside
    (thread,) = threads
    assert thread
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_who_hangs_is_left_behind_and_not_joined_by_many():
    aside, hangs, begun = Aside(0.05), threading.Event(), []

    def work():
        begun.append(1)
        hangs.wait(30)

    for _ in range(6):
        assert await aside.do(work) is None
    assert len(begun) == 4
    hangs.set()
    calm = Aside(5)
    await calm.do(lambda: None)
    while aside._running:
        await calm.do(lambda: None)
    assert await Aside(5).do(lambda: "again") == "again"
    assert await aside.do(lambda: "again") in ("again", None)
