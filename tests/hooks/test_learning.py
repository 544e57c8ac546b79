"""What a shell tells of a suggestion, and what `history list` makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import paths
from cmdai_shell.history.store import Store
from tests.hooks.conftest import SHELLS, eventually
from tests.hooks.test_scenario import UNDO, clear_line, press_on

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from tests.hooks.conftest import Lab
    from tests.hooks.terminal import Terminal

pytestmark = [pytest.mark.hooks, pytest.mark.parametrize("shell", SHELLS)]

Row = tuple[str, str, str, int | None]


def rows() -> list[Row]:
    """(words, outcome, command, status) of each entry."""
    entries = Store(paths.data_dir()).entries()
    return [(e.words, e.outcome, e.command, e.status) for e in entries]


def offer(
    terminal: Terminal, words: str = "print words", command: str = "echo 'print words'"
) -> None:
    press_on(terminal, words)
    terminal.wait_line(command)


def enter(terminal: Terminal) -> None:
    """Run the line; wait for the next prompt."""
    terminal.press("Enter")
    terminal.wait_line("")


def told(terminal: Terminal, *expected: Row) -> None:
    """After one more press, which carries it, and is in the way of nothing."""
    offer(terminal, "tell", "echo 'tell'")
    found = [*expected, ("tell", "offered", "echo 'tell'", None)]
    eventually(lambda: rows() == found, f"{found}, not {rows()}")


@pytest.fixture
def terminal(lab: Lab, shell: Shell) -> Terminal:
    """As people have it: their shells keep a history."""
    keeping = {
        "bash": "HISTCONTROL=ignoreboth",
        "zsh": "HISTFILE=$HOME/history HISTSIZE=1000 SAVEHIST=1000",
        "fish": "",
    }
    return lab.open(shell, before=keeping[shell])


def test_accepted(terminal: Terminal) -> None:
    offer(terminal)
    enter(terminal)
    told(terminal, ("print words", "accepted", "echo 'print words'", 0))


def test_accepted_and_failed(terminal: Terminal) -> None:
    offer(terminal, "talk", "date -u")
    terminal.type(" --no-such-option")
    terminal.wait_line("date -u --no-such-option")
    enter(terminal)
    told(terminal, ("talk", "edited", "date -u --no-such-option", 1))


def test_edited(terminal: Terminal) -> None:
    offer(terminal)
    terminal.type(" twice")
    terminal.wait_line("echo 'print words' twice")
    enter(terminal)
    told(terminal, ("print words", "edited", "echo 'print words' twice", 0))


def test_edited_and_more_run_before_it_is_told(terminal: Terminal) -> None:
    offer(terminal)
    terminal.type(" twice")
    terminal.wait_line("echo 'print words' twice")
    enter(terminal)
    for command in ("true", "test 1 = 2", " echo hidden"):
        terminal.type(command)
        terminal.wait_line(command.rstrip())
        enter(terminal)
    told(terminal, ("print words", "edited", "echo 'print words' twice", 0))


def test_another_command_in_its_place(terminal: Terminal) -> None:
    offer(terminal)
    clear_line(terminal)
    terminal.type("true")
    terminal.wait_line("true")
    enter(terminal)
    told(terminal, ("print words", "rejected", "echo 'print words'", None))


def test_dropped(terminal: Terminal) -> None:
    offer(terminal)
    terminal.press("C-c")
    terminal.wait_line("")
    terminal.type("echo 'print words'")  # by hand, on another line
    terminal.wait_line("echo 'print words'")
    enter(terminal)
    told(terminal, ("print words", "rejected", "echo 'print words'", None))


def test_emptied(terminal: Terminal) -> None:
    offer(terminal)
    clear_line(terminal)
    enter(terminal)
    told(terminal, ("print words", "rejected", "echo 'print words'", None))


def test_other_words_in_its_place(terminal: Terminal) -> None:
    offer(terminal)
    clear_line(terminal)
    told(terminal, ("print words", "rejected", "echo 'print words'", None))


def test_undone(terminal: Terminal, shell: Shell) -> None:
    offer(terminal)
    terminal.press(UNDO[shell])
    terminal.wait_line("print words")
    clear_line(terminal)
    told(terminal, ("print words", "rejected", "echo 'print words'", None))


def test_the_second_alternative(terminal: Terminal) -> None:
    offer(terminal, "list files", "ls -la")
    terminal.press("C-g")
    terminal.wait_line("ls -1A")
    enter(terminal)
    told(
        terminal,
        ("list files", "rejected", "ls -la", None),
        ("list files", "accepted", "ls -1A", 0),
    )


def test_the_own_text_after_the_last(terminal: Terminal) -> None:
    offer(terminal, "list files", "ls -la")
    for line in ("ls -1A", "find . -maxdepth 1", "list files"):
        terminal.press("C-g")
        terminal.wait_line(line)
    clear_line(terminal)
    told(
        terminal,
        ("list files", "rejected", "ls -la", None),
        ("list files", "rejected", "ls -1A", None),
        ("list files", "rejected", "find . -maxdepth 1", None),
    )


def test_several_lines(terminal: Terminal, shell: Shell) -> None:
    press_on(terminal, "show two lines")
    terminal.wait_screen(r"(done|end)$")
    terminal.press("Enter")
    terminal.wait_line("")
    offer(terminal, "tell", "echo 'tell'")
    eventually(lambda: len(rows()) == 2, "both")
    ((_, outcome, command, status), _) = rows()
    assert (outcome, status) == ("accepted", 0)
    assert "\n" in command


def test_what_the_person_hides_is_not_told(terminal: Terminal) -> None:
    offer(terminal)
    terminal.press("Home")
    terminal.type(" ")
    terminal.press("End")
    terminal.type(" hidden")
    terminal.wait_line(" echo 'print words' hidden")
    enter(terminal)
    told(terminal, ("print words", "offered", "echo 'print words'", None))


def test_words_behind_a_blank_are_not_kept(terminal: Terminal) -> None:
    press_on(terminal, " print words")
    terminal.wait_line("echo 'print words'")
    enter(terminal)
    told(terminal)


def test_nothing_is_kept_of_a_shell_that_keeps_no_history(lab: Lab, shell: Shell) -> None:
    off = {"bash": "set +o history", "fish": "set -g fish_private_mode 1"}
    if shell not in off:
        pytest.skip("zsh always has one")
    terminal = lab.open(shell, after=off[shell])
    offer(terminal)
    enter(terminal)
    offer(terminal, "tell", "echo 'tell'")
    terminal.press("C-c")
    terminal.wait_line("")
    assert rows() == []


def test_the_same_words_again_are_answered_by_what_was_made_of_them(terminal: Terminal) -> None:
    offer(terminal)
    terminal.type(" twice")
    terminal.wait_line("echo 'print words' twice")
    enter(terminal)
    offer(terminal, "Print words", "echo 'print words' twice")
    terminal.wait_screen("cmdai: your history")


def test_it_is_told_once(terminal: Terminal) -> None:
    offer(terminal)
    enter(terminal)
    told(terminal, ("print words", "accepted", "echo 'print words'", 0))
    clear_line(terminal)
    offer(terminal, "more", "echo 'more'")
    eventually(lambda: len(rows()) == 3, "the third")
    assert rows()[0] == ("print words", "accepted", "echo 'print words'", 0)
    assert rows()[1][1] == "rejected"
