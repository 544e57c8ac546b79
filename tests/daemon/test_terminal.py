"""Counting what was typed at a terminal, and at nothing else."""

from __future__ import annotations

import os
import subprocess
import time
import tty
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.daemon.terminal import waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def pair() -> Iterator[tuple[int, str, int]]:
    """(the other end of a terminal, its name, a process at it)."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    with subprocess.Popen(["sleep", "100"], stdin=theirs) as shell:
        yield ours, os.ttyname(theirs), shell.pid
        shell.kill()
    os.close(ours)
    os.close(theirs)


def test_what_was_typed_is_counted_and_stays(pair: tuple[int, str, int]) -> None:
    ours, path, shell = pair
    assert waiting(path, shell) == 0
    os.write(ours, b"ls\r")
    until = time.monotonic() + 10
    while waiting(path, shell) == 0 and time.monotonic() < until:  # the kernel takes its time
        time.sleep(0.005)
    assert waiting(path, shell) == 3
    assert waiting(path, shell) == 3


def test_of_nothing_else_anything_is_said(tmp_path: Path, pair: tuple[int, str, int]) -> None:
    link = tmp_path / "tty"
    link.symlink_to(pair[1])
    for path in (str(link), "/dev/null", "/dev/zero", "/dev/pts/999999", "/dev/pts/../null", ""):
        assert waiting(path, pair[2]) is None
    assert waiting("/dev/tty", pair[2]) is None
    for other in (os.getpid(), 999_999_999):
        assert waiting(pair[1], other) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a terminal away")
def test_another_users_terminal_is_not_asked(pair: tuple[int, str, int]) -> None:
    os.chown(pair[1], 12345, -1)
    assert waiting(pair[1], pair[2]) is None
