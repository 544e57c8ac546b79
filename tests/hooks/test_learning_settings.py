"""The same among people's settings: none may hide what became of a suggestion, or be harmed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.hooks.conftest import SHELLS, eventually
from tests.hooks.test_learning import enter, offer, rows, told
from tests.hooks.test_scenario import clear_line

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from tests.hooks.conftest import Lab
    from tests.hooks.terminal import Terminal

pytestmark = pytest.mark.hooks

EDITED = ("print words", "edited", "echo 'print words' twice", 0)


def edit_and_run(terminal: Terminal) -> None:
    offer(terminal)
    terminal.type(" twice")
    terminal.wait_line("echo 'print words' twice")
    enter(terminal)


@pytest.mark.parametrize(
    ("shell", "settings"),
    [
        ("bash", "set -euo pipefail"),
        ("bash", "set -o posix"),
        ("bash", "set -o vi"),
        ("bash", "HISTCONTROL=ignorespace:erasedups"),
        ("bash", "HISTSIZE=3"),
        ("bash", "HISTTIMEFORMAT='%F %T '"),
        ("bash", "shopt -s lithist extdebug; trap : DEBUG"),
        ("bash", "PS0='> ran \\#\\n'"),
        ("bash", "PROMPT_COMMAND=$'false\\n'$PROMPT_COMMAND"),
        ("bash", "trap 'false' ERR; IFS=:"),
        ("zsh", "setopt err_return no_unset ksh_arrays sh_word_split"),
        ("zsh", "setopt hist_ignore_space hist_ignore_all_dups"),
        ("zsh", "bindkey -v"),
        ("zsh", "HISTSIZE=0"),
        ("zsh", "precmd() { false }; preexec() { false }"),
        ("fish", "function theirs --on-event fish_preexec; false; end"),
        ("fish", "function theirs --on-event fish_postexec; false; end"),
        ("fish", "fish_vi_key_bindings; function fish_mode_prompt; end"),
    ],
)
def test_edited(lab: Lab, shell: Shell, settings: str) -> None:
    terminal = lab.open(shell, after=settings)
    edit_and_run(terminal)
    told(terminal, EDITED)


@pytest.mark.parametrize(
    ("shell", "settings"),
    [
        ("bash", "HISTIGNORE='*twice'"),
        ("bash", "shopt -u promptvars"),
        ("bash", "readonly PS0=mine"),
    ],
)
def test_where_it_cannot_be_known_nothing_is_told(lab: Lab, shell: Shell, settings: str) -> None:
    terminal = lab.open(shell, before=settings)
    edit_and_run(terminal)
    told(terminal, ("print words", "offered", "echo 'print words'", None))


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_kept_is_seen_and_forgotten(lab: Lab, shell: Shell) -> None:
    run = f"{Path(sys.executable).with_name('cmdai-shell')} history"
    terminal = lab.open(shell, env={"PYTHONPATH": str(Path(__file__).parents[2])})
    edit_and_run(terminal)
    told(terminal, EDITED)
    clear_line(terminal)
    terminal.type(f"{run} list; {run} export ~/kept; {run} forget --yes twice; {run} list")
    terminal.press("Enter")
    terminal.wait_screen(r"edited +print words +-> +echo 'print words' twice$")
    terminal.wait_screen(r"^wrote 2 entries to \S+kept\n+forgot 1 entry$")
    eventually(lambda: [row[0] for row in rows()] == ["tell"], "one entry")
    terminal.wait_line("")
    offer(terminal)  # the daemon has forgotten it, too


@pytest.mark.parametrize("shell", SHELLS)
def test_the_exit_status_stays_the_persons(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell)
    offer(terminal)
    clear_line(terminal)
    terminal.type("sh -c 'exit 7'")
    terminal.wait_line("sh -c 'exit 7'")
    enter(terminal)
    terminal.type("echo status=$status" if shell == "fish" else "echo status=$?")
    terminal.press("Enter")
    terminal.wait_screen("^status=7")
    told(terminal, ("print words", "rejected", "echo 'print words'", None))
    assert len(rows()) == 2
