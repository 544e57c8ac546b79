"""Counting what was typed at a terminal, and at nothing else."""

from __future__ import annotations

import os
import time
import tty
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.daemon.terminal import waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def pair() -> Iterator[tuple[int, str]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_what_was_typed_is_counted_and_stays(pair: tuple[int, str]) -> None:
    ours, path = pair
    assert waiting(path) == 0
    os.write(ours, b"ls\r")
    until = time.monotonic() + 10
    while waiting(path) == 0 and time.monotonic() < until:  # the kernel hands it on in its own time
        time.sleep(0.005)
    assert waiting(path) == 3
    assert waiting(path) == 3


def test_of_nothing_else_anything_is_said(tmp_path: Path, pair: tuple[int, str]) -> None:
    link = tmp_path / "tty"
    link.symlink_to(pair[1])
    for path in (str(link), "/dev/null", "/dev/zero", "/dev/pts/999999", "/dev/pts/../null", ""):
        assert waiting(path) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a terminal away")
def test_another_users_terminal_is_not_asked(pair: tuple[int, str]) -> None:
    os.chown(pair[1], 12345, -1)
    assert waiting(pair[1]) is None
