"""``kill -9`` of the model's worker at any moment, with real weights: no line is lost, and the next
press answers without a hand."""

from __future__ import annotations

import os
import random
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
    killed = restored = 0
    for press in range(PRESSES):
        terminal.type(WORDS)
        terminal.wait_line(WORDS)
        terminal.press("C-g")
        time.sleep(chance.uniform(0, 2))
        killed += kill_worker(real)
        terminal.wait_screen(f"{ANSWERED}|{FAILED}", 120)
        if "on this CPU" not in terminal.screen():
            terminal.wait_line(WORDS)
            restored += 1
        clear_screen(terminal)
        terminal.type(WORDS)
        terminal.wait_line(WORDS)
        terminal.press("C-g")
        terminal.wait_screen(ANSWERED, 120)
        assert terminal.line() not in {"", WORDS}, f"no suggestion after kill {press}"
        clear_screen(terminal)
    assert killed > PRESSES // 2
    assert restored, "no kill met a press"
