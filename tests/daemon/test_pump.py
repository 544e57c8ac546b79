"""Between updates: never a second of silence, and what is said then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Hint, Notice, Partial, Update
from cmdai_shell.daemon import pump
from cmdai_shell.text import timeless
from tests.daemon.conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cmdai_shell.errors import CmdaiError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_what_was_being_done_is_said_again_with_the_time_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pump, "BEAT", 0.0)
    clock = Clock()
    said: list[object] = []

    async def updates() -> AsyncGenerator[Update | CmdaiError, None]:
        await until(lambda: len(said) >= 1)
        clock.now += 2
        yield Notice(text="loading qwen, 0.7 s")
        clock.now += 3
        await until(lambda: len(said) >= 5)
        yield Partial(text="ls")
        yield Hint(text="done")

    async def send(update: object) -> None:
        said.append(update)

    await pump.pump(updates(), send, clock)
    assert said[0] == Notice(text="thinking, 0.0 s")
    assert Notice(text="loading qwen, 0.7 s") in said
    assert Notice(text="loading qwen, 5.0 s") in said
    assert said[-2:] == [Partial(text="ls"), Hint(text="done")]


@pytest.mark.parametrize(
    ("notice", "doing"),
    [
        ("loading x, 0.7 s", "loading x"),
        ("reading the instructions, 16 %, 5.8 s", "reading the instructions, 16 %"),
        ("the line is long", "the line is long"),
    ],
)
def test_timeless(notice: str, doing: str) -> None:
    assert timeless(notice) == doing
