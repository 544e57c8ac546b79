from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from cmdai_shell.cli.progress import progress

if TYPE_CHECKING:
    import pytest

COPY = """
import time
from cmdai_shell.cli.progress import progress
with progress("weights") as shown:
    shown.at(0, 400_000_000)
    shown.say("going on\\x1b]0;title\\x07")
    shown.at(200_000_000, 400_000_000)
    time.sleep(0.3)  # the bar is drawn ten times a second
    shown.at(400_000_000, 400_000_000)
"""


def on_a_terminal(**environ: str) -> str:
    ours, theirs = os.openpty()
    base = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-c", COPY], stderr=theirs, stdout=theirs, env={**base, **environ}
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while piece := os.read(ours, 4096):
                seen += piece
        except OSError:  # EIO: the other end is closed (pty(7))
            pass
        os.close(ours)
    assert process.returncode == 0, seen
    return seen.decode()


def test_a_bar_on_a_terminal() -> None:
    seen = on_a_terminal()
    assert "weights" in seen
    assert "200.0/400.0 MB" in seen
    assert "going on" in seen


def test_what_is_said_cannot_steer_the_terminal() -> None:
    assert "\x1b]0;" not in on_a_terminal()


def test_no_colour_when_it_is_not_wanted() -> None:
    colours = re.compile(r"\x1b\[[0-9;]*[34][0-9][0-9;]*m")
    assert colours.search(on_a_terminal())
    assert not colours.search(on_a_terminal(NO_COLOR="1"))


def test_lines_on_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("weights") as shown:
        for done in range(0, 401, 3):
            shown.at(done * 1_000_000, 400_000_000)
        shown.at(400_000_000, 400_000_000)
        shown.say("done")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "weights: 10 % of 400 MB"
    assert lines[-2:] == ["weights: 100 % of 400 MB", "done"]
    assert len(lines) == 11
