"""Once for every shell with a real model: words in, a command of its own on the line."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.hooks.conftest import SHELLS, Lab, eventually
from tests.models import model_file, model_store

if TYPE_CHECKING:
    from cmdai_shell.core import Shell

MODEL = "qwen2.5-coder-0.5b"
WORDS = "list the ten largest files under this folder"


@pytest.fixture
def real(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The hooks start the daemon that a person has, with the model in its store."""
    model_file(MODEL)
    monkeypatch.setenv("CMDAI_DATA_DIR", str(model_store().folder.parent))
    lab.python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    folder = Path(os.environ["CMDAI_CONFIG_DIR"])
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(f'[embedded]\nmodel = "{MODEL}"\n')
    return lab


@pytest.mark.hooks
@pytest.mark.model
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_model_answers_at_the_prompt(real: Lab, shell: Shell) -> None:
    terminal = real.open(shell)
    terminal.type(WORDS)
    terminal.wait_line(WORDS)
    terminal.press("C-g")
    terminal.wait_screen(r"^cmdai: .*\d m?s\b(?!.*thinking)", seconds=120)
    terminal.wait(lambda: terminal.line() not in {"", WORDS}, "a command", seconds=60)
    assert terminal.line().split()[0] in {"find", "du", "ls"}
    real.daemon.kill(signal.SIGTERM)
    eventually(lambda: not real.daemon.pid, "the daemon to end")
