"""Keys typed while an answer is on its way: no Enter among them runs what nobody has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.core import Shell
    from tests.hooks.conftest import Lab

pytestmark = pytest.mark.hooks


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_enter_during_the_wait_runs_nothing(lab: Lab, shell: Shell, tmp_path: Path) -> None:
    terminal = lab.open(shell, after=f"cd {tmp_path}")
    terminal.type("list files")  # the daemon runs from now on
    terminal.press("C-g")
    terminal.wait_line("ls -la")
    terminal.press("C-u")
    terminal.wait_line("")
    terminal.type("slowly find python")
    terminal.wait_line("slowly find python")
    terminal.press("C-g")
    terminal.wait_screen("thinking|find")
    terminal.press("Enter")
    terminal.wait_screen("stopped by Enter: nothing was run")
    terminal.wait_line("slowly find python")
    assert terminal.scrollback().count("READY>") <= 2, "a command was run"
    terminal.press("C-g")
    terminal.wait_line("find . -name '*.py' -mtime -1")


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_letters_during_the_wait_stop_it_and_stay(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell)
    terminal.type("slowly find python")
    terminal.wait_line("slowly find python")
    terminal.press("C-g")
    terminal.wait_screen("thinking|find")
    terminal.type(" files")
    terminal.wait_screen("stopped: you typed")
    terminal.wait_line("slowly find python files")


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_paste_during_the_wait_is_kept_whole_and_runs_nothing(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell)
    terminal.type("slowly find python")
    terminal.wait_line("slowly find python")
    terminal.press("C-g")
    terminal.wait_screen("thinking|find")
    terminal.type("\x1b[200~ files\necho RAN | tr A-Z a-z\n\x1b[201~")
    terminal.wait_screen("stopped: you typed")
    terminal.wait_screen("slowly find python files")
    terminal.wait_screen("echo RAN")
    assert "\nran" not in terminal.screen()
