"""Once for every shell with a real model: the command on the line does what the words say."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess
from tests.hooks.conftest import SHELLS, Lab, eventually
from tests.models import model_file, model_store

if TYPE_CHECKING:
    from cmdai_shell.core import Shell

MODEL = "qwen2.5-coder-0.5b"
WORDS = "list the files here with their sizes"
FILES = {"apple.txt": 8, "pear.txt": 20}
"""KiB of each: whole blocks, so that no way to round differs."""


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


def orchard(lab: Lab) -> Path:
    """A folder with known files in it, and nothing else."""
    folder = lab.folder / "orchard"
    folder.mkdir()
    for name, size in FILES.items():
        (folder / name).write_bytes(b"x" * size * 1024)
    return folder


def run_confined(program: str, command: str, folder: Path) -> str:
    """What the command prints in that folder; it is judged safe first, and confined where bwrap is
    installed: everything read-only, no network."""
    shell: Shell = "fish" if program.endswith("fish") else "bash"
    assert assess(command, shell=shell).risk is Risk.SAFE, command
    confined: list[str] = []
    if bwrap := shutil.which("bwrap"):
        confined = [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--chdir", str(folder)]
        confined += ["--unshare-net", "--die-with-parent"]
    done = subprocess.run(
        [*confined, program, "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(folder.parent), "LC_ALL": "C.UTF-8"},
    )
    assert not done.returncode, (command, done)
    return done.stdout


def sizes(kib: int) -> set[str]:
    """The size as ls, du and stat write it: bytes, blocks, or for people."""
    return {str(kib * 1024), str(kib), f"{kib}K", f"{kib}.0K", f"{kib}KiB"}


@pytest.mark.hooks
@pytest.mark.model
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_model_answers_at_the_prompt(real: Lab, shell: Shell) -> None:
    folder = orchard(real)
    terminal = real.open(shell, after=f"cd {folder}")
    terminal.type(WORDS)
    terminal.wait_line(WORDS)
    terminal.press("C-g")
    terminal.wait_screen(r"^cmdai: .* on this CPU · ", seconds=120)
    terminal.wait(lambda: terminal.line() not in {"", WORDS}, "a command", seconds=60)
    printed = run_confined(real.program(shell), terminal.line(), folder)
    for name, size in FILES.items():
        rows = [row.split() for row in printed.splitlines() if name in row]
        assert rows, (terminal.line(), printed)
        assert sizes(size) & set(rows[0]), (terminal.line(), printed)
    real.daemon.kill(signal.SIGTERM)
    eventually(lambda: not real.daemon.pid, "the daemon to end")
