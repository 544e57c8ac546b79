"""Presses after a shell's first go by pipes: they start no process, and whatever happens to the
daemon that holds them the line is back."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.hooks.render import Relay
from tests.hooks.conftest import SHELLS, Lab, eventually
from tests.hooks.terminal import require
from tests.hooks.test_scenario import clear_line, press_on

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.core import Shell

pytestmark = [pytest.mark.hooks, pytest.mark.parametrize("shell", SHELLS)]


def counting_relay(lab: Lab) -> Path:
    """A relay that leaves a line each time it is started; returns where."""
    started = lab.folder / "started"
    program = lab.folder / "relay"
    program.write_text(f'#!/bin/sh\necho x >> {started}\nexec {require("nc")} "$@"\n')
    program.chmod(0o755)
    started.touch()
    lab.relay = Relay("nc", str(program))
    return started


def test_a_press_after_the_first_starts_no_process(lab: Lab, shell: Shell) -> None:
    started = counting_relay(lab)
    terminal = lab.open(shell)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    once = started.read_text()
    for expected in ("ls -1A", "find . -maxdepth 1"):
        terminal.press("C-g")
        terminal.wait_line(expected)
    terminal.press("M-g")
    terminal.wait_screen("cmdai: ")
    assert started.read_text() == once


@pytest.mark.parametrize("what", ["killed", "stopped", "pipes gone", "pipes replaced by files"])
def test_pipes_that_nobody_holds_are_no_obstacle(lab: Lab, shell: Shell, what: str) -> None:
    terminal = lab.open(shell)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    pipes = [*lab.daemon.folder.glob("*.ask"), *lab.daemon.folder.glob("*.answer")]
    if what == "killed":
        lab.daemon.kill()
    elif what == "stopped":
        lab.daemon.kill(signal.SIGTERM)
        eventually(lambda: not lab.daemon.pid, "the end of the daemon")
    for pipe in pipes if what.startswith("pipes") else []:
        pipe.unlink()
        if what == "pipes replaced by files":
            pipe.write_text("Trm -rf /\nD\n")
    for expected in ("ls -1A", "find . -maxdepth 1"):
        terminal.press("C-g")
        terminal.wait_line(expected)


def test_a_daemon_that_dies_in_mid_press_gives_the_line_back(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    clear_line(terminal)
    press_on(terminal, "hang on please")
    terminal.wait_screen("thinking")
    lab.daemon.kill()
    terminal.wait_screen("cmdai: .*(line is back|went away|broke off)")
    terminal.wait_line("hang on please")
    terminal.press("C-g")
    terminal.wait_screen("thinking")
    terminal.press("C-c")
    terminal.wait_line("hang on please")


def test_a_daemon_that_freezes_in_mid_press_gives_the_line_back(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    clear_line(terminal)
    press_on(terminal, "hang on please")
    terminal.wait_screen("thinking")
    lab.daemon.kill(signal.SIGSTOP)
    terminal.wait_screen("cmdai: .*(line is back|went away|broke off)", seconds=12)
    terminal.wait_line("hang on please")
