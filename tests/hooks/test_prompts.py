"""From one prompt to the next: what was remembered ends with its line, and "fix" means what failed.

A daemon that is played writes down what it is asked; the screen alone could not tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hooks.conftest import SHELLS, Lab, last_command
from tests.hooks.zsh import PlayedDaemon

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.core import Shell
    from tests.hooks.terminal import Terminal

pytestmark = [pytest.mark.hooks, pytest.mark.parametrize("shell", SHELLS)]


def asked(daemon: PlayedDaemon, number: int) -> tuple[str, str]:
    """Operation and line of that request."""
    record = daemon.records[number]
    return record["op"].decode(), record["line"].decode()


def press_on(terminal: Terminal, words: str, daemon: PlayedDaemon) -> None:
    before = len(daemon.records)
    terminal.type(words)
    terminal.wait_line(words)
    terminal.press("C-g")
    terminal.wait(
        lambda: terminal.line() == "ls -la" and len(daemon.records) > before, "the request"
    )


def new_prompt(terminal: Terminal, *keys: str) -> None:
    terminal.press(*keys)
    terminal.wait_line("")


@pytest.mark.parametrize("key", ["Enter", "C-c"])
def test_the_words_of_an_older_prompt_are_never_sent_again(
    lab: Lab, shell: Shell, answering: PlayedDaemon, key: str
) -> None:
    terminal = lab.open(shell)
    press_on(terminal, "list files", answering)
    new_prompt(terminal, key)
    press_on(terminal, "ls -la", answering)
    assert asked(answering, 1) == ("suggest", "ls -la")


def test_the_own_text_of_an_older_prompt_never_comes_back(terminal: Terminal) -> None:
    """With the real daemon: three presses, and still the line that was typed here."""
    terminal.type("list files")
    terminal.press("C-g")
    terminal.wait_line("ls -la")
    new_prompt(terminal, "Enter")
    terminal.type("ls -la")
    terminal.wait_line("ls -la")
    terminal.press("C-g")
    terminal.wait_line("echo 'ls -la'")
    terminal.press("C-g")
    terminal.wait_line("ls -la")
    terminal.type(" X")
    terminal.wait_line("ls -la X")


@pytest.mark.parametrize("end", ["C-c", "C-u Enter", "Home # Enter"])
def test_a_dropped_an_empty_and_a_comment_line_end_a_prompt_too(
    lab: Lab, shell: Shell, answering: PlayedDaemon, end: str
) -> None:
    terminal = lab.open(shell, before="setopt interactive_comments" if shell == "zsh" else "")
    terminal.type("x")
    terminal.wait_line("x")
    new_prompt(terminal, "C-c")  # the status is that of a dropped line already
    press_on(terminal, "list files", answering)
    new_prompt(terminal, *end.split())
    press_on(terminal, "ls -la", answering)
    assert asked(answering, 1) == ("suggest", "ls -la")


def test_a_cancelled_press_for_another_alternative_forgets_nothing(
    lab: Lab, shell: Shell, runtime_dir: Path
) -> None:
    terminal = lab.open(shell)
    daemon = PlayedDaemon(runtime_dir, "Tls -la\n", "A1/2\n", "Mone of two\n", "D\n")
    press_on(terminal, "list files", daemon)
    daemon.close()
    (runtime_dir / "hook.sock").unlink()
    daemon = PlayedDaemon(runtime_dir, "Mthinking\n", hold=True)
    for number in (1, 2):
        terminal.press("C-g")
        terminal.wait_screen("thinking")
        assert len(daemon.records) == number
        terminal.press("C-c")
        terminal.wait(lambda: "thinking" not in terminal.screen(), "the message to go")
        terminal.wait_line("ls -la")
    daemon.close()
    assert [asked(daemon, n) for n in (0, 1)] == [("next", "list files")] * 2


@pytest.mark.parametrize("key", ["Enter", "C-c"])
def test_an_armed_command_does_not_wait_at_another_prompt(lab: Lab, shell: Shell, key: str) -> None:
    """The words begin with a blank: a history that ignores them does not move."""
    hiding = {"bash": "HISTCONTROL=ignoreboth", "zsh": "setopt hist_ignore_space", "fish": ""}
    terminal = lab.open(shell, before=hiding[shell])
    for _ in range(2):
        terminal.press("C-l")
        terminal.wait(lambda: terminal.screen() == "READY>", "an empty screen")
        terminal.type(" : wipe the root")
        terminal.press("C-g")
        terminal.wait_screen(r"^cmdai: .*press again.*rm -rf /")
        terminal.wait_line(" : wipe the root")
        new_prompt(terminal, key)


# --- What "fix" is about -------------------------------------------------------------------------


def test_a_command_the_history_ignores_is_not_mistaken_for_the_one_before(
    lab: Lab, shell: Shell, answering: PlayedDaemon
) -> None:
    terminal = lab.open(shell, before="HISTCONTROL=ignoreboth" if shell == "bash" else "")
    assert last_command(terminal, answering, "cd /", " false secret") == ""
    assert answering.records[0]["last_status"] == b"1"


def test_with_nothing_to_name_the_daemon_gives_its_hint(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell, before="HISTCONTROL=ignoreboth" if shell == "bash" else "")
    terminal.type("cd /")
    terminal.press("Enter")
    terminal.wait_line("")
    terminal.type(" false secret")
    terminal.press("Enter")
    terminal.wait_line("")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: .+")
    terminal.wait_line("")
    assert "cd /" not in terminal.screen().partition("cmdai: ")[2]


def test_a_command_run_twice_is_still_the_one_to_fix(
    lab: Lab, shell: Shell, answering: PlayedDaemon
) -> None:
    terminal = lab.open(shell, before="HISTCONTROL=ignoreboth" if shell == "bash" else "")
    assert last_command(terminal, answering, "cd /", "false it", "false it") == "false it"
