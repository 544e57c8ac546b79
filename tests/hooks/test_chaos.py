"""``kill -9`` of the daemon at any moment: no line is lost, and no hand is needed afterwards."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.hooks.conftest import SHELLS, Lab

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from tests.hooks.terminal import Terminal

PRESSES = 67
"""Of each shell: 201 in all."""
WORDS, COMMAND = "slowly find python", "find . -name '*.py' -mtime -1"
ENDED = r"^cmdai: .*(scripted ·|line is back|no answer|stopped)"


def clear_screen(terminal: Terminal) -> None:
    terminal.press("C-e", "C-u", "C-l")
    terminal.wait(lambda: terminal.screen() == "READY>", "an empty screen")


@pytest.mark.hooks
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_daemon_killed_at_any_moment(lab: Lab, shell: Shell) -> None:
    chance = random.Random(f"{shell} 1")
    terminal = lab.open(shell)
    ends: dict[str, int] = {}
    for press in range(PRESSES):
        terminal.type(WORDS)
        terminal.wait_line(WORDS)
        terminal.press("C-g")
        time.sleep(chance.uniform(0, 1.4))
        if lab.daemon.pid:
            lab.daemon.kill()
        terminal.wait(lambda: bool(re.search(ENDED, terminal.screen(), re.M)), "the end", 40)
        terminal.wait(lambda: terminal.line() in {WORDS, COMMAND}, f"a whole line at press {press}")
        ends[terminal.line()] = ends.get(terminal.line(), 0) + 1
        clear_screen(terminal)
        terminal.type("list files")
        terminal.press("C-g")
        terminal.wait_line("ls -la", 40)
        terminal.wait_screen("^cmdai: .*scripted ·")  # the answer is whole
        clear_screen(terminal)
    assert set(ends) == {WORDS, COMMAND}, "the moments should meet both ends"
