"""``kill -9`` of the model's worker at any moment, with real weights: no line is lost, and the next
press answers without a hand."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.hooks.conftest import SHELLS, Lab
from tests.hooks.test_chaos import clear_screen
from tests.hooks.test_real_model import WORDS, real

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from tests.hooks.terminal import Terminal

__all__ = ["real"]

PRESSES = 12
"""Of each shell, besides those after each kill."""
ANSWERED = r"^cmdai: .*on this CPU · "
FAILED = r"^cmdai: .*\b(worker|model|memory)\b(?!.* on this CPU)"


def kill_worker(lab: Lab) -> bool:
    """Whether there was one to kill."""
    children = psutil.Process(lab.daemon.pid).children() if lab.daemon.pid else []
    for child in children:
        os.kill(child.pid, signal.SIGKILL)
    return bool(children)


def answer(terminal: Terminal) -> float:
    """Seconds of a press that must end in a suggestion; the screen is empty again."""
    terminal.type(WORDS)
    terminal.wait_line(WORDS)
    terminal.press("C-g")
    pressed = time.monotonic()
    terminal.wait_screen(ANSWERED, 120)
    seconds = time.monotonic() - pressed
    assert terminal.line() not in {"", WORDS}
    clear_screen(terminal)
    return seconds


@pytest.mark.hooks
@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_worker_killed_at_any_moment(real: Lab, shell: Shell) -> None:
    chance = random.Random(f"{shell} worker")
    settings = Path(os.environ["CMDAI_CONFIG_DIR"]) / "config.toml"
    settings.write_text(settings.read_text() + "[caching]\nenabled = false\n")
    terminal = real.open(shell)
    answer(terminal)  # loads
    usual = answer(terminal)
    killed = restored = 0
    for _ in range(PRESSES):
        terminal.type(WORDS)
        terminal.wait_line(WORDS)
        terminal.press("C-g")
        time.sleep(chance.uniform(0, usual))
        killed += kill_worker(real)
        terminal.wait_screen(f"{ANSWERED}|{FAILED}", 120)
        if not re.search(ANSWERED, terminal.screen(), re.MULTILINE):
            terminal.wait_line(WORDS)
            restored += 1
        clear_screen(terminal)
        answer(terminal)  # raises where it does not recover by itself
    assert killed > PRESSES // 2
    assert restored, "no kill met a press"
