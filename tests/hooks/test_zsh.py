"""What only zsh can do or break: the line editor stays alive while a reply arrives."""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config.paths import resource
from cmdai_shell.hooks.render import Relay
from tests.hooks.zsh import ZshHome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hooks.terminal import Terminal

pytestmark = pytest.mark.hooks

SUGGESTIONS = "/usr/share/zsh-autosuggestions/zsh-autosuggestions.zsh"
HIGHLIGHTING = "/usr/share/zsh-syntax-highlighting/zsh-syntax-highlighting.zsh"


@pytest.fixture
def home(tmp_path: Path, runtime_dir: Path) -> Iterator[ZshHome]:
    made = ZshHome(tmp_path, runtime_dir)
    yield made
    made.close()


def ask(terminal: Terminal, words: str, answer: str) -> None:
    terminal.type(words)
    terminal.press("C-g")
    terminal.wait_line(answer)


def clear(terminal: Terminal) -> None:
    terminal.press("C-u")
    terminal.wait_line("")


def suggest_undo_and_cancel(terminal: Terminal) -> None:
    """The short way through everything that a surrounding can break."""
    ask(terminal, "list files", "ls -la")
    terminal.wait_screen("^cmdai: .*scripted")  # the answer is whole
    terminal.press("C-_")
    terminal.wait_line("list files")
    clear(terminal)
    ask(terminal, "fail", "fail")
    terminal.wait_screen("^cmdai: .*scripted backend is down")
    clear(terminal)
    terminal.type("slowly one  two")
    terminal.press("C-g")
    terminal.wait_screen(r"find \. -name")
    terminal.press("C-c")
    terminal.wait_line("slowly one  two")


def test_the_text_streams_into_the_line_and_one_undo_takes_it_back(home: ZshHome) -> None:
    terminal = home.shell()
    terminal.type("slowly find")
    terminal.press("C-g")
    terminal.wait_screen(r"READY> find \.$")
    terminal.wait_line("find . -name '*.py' -mtime -1")
    terminal.wait_screen("scripted")
    terminal.press("C-_")
    terminal.wait_line("slowly find")


def test_the_first_press_starts_the_daemon_and_says_so(home: ZshHome) -> None:
    home.python.write_text("#!/bin/sh\nsleep 1\n" + home.python.read_text())
    terminal = home.shell()
    terminal.type("list files")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: starting")
    terminal.wait_line("ls -la")


def test_typing_goes_on_while_the_daemon_starts_and_stops_the_request(home: ZshHome) -> None:
    home.python.write_text("#!/bin/sh\nsleep 1\n" + home.python.read_text())
    terminal = home.shell()
    terminal.type("list files")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: starting")
    terminal.type(" here")
    terminal.wait_line("list files here")
    terminal.wait_screen("^cmdai: stopped")
    assert terminal.line() == "list files here"


def test_typing_stops_the_stream_and_keeps_what_was_typed(home: ZshHome) -> None:
    terminal = home.shell()
    terminal.type("slowly find")
    terminal.press("C-g")
    terminal.wait_screen(r"READY> find \.")
    terminal.type("X")
    terminal.wait_screen("^cmdai: stopped")
    assert re.fullmatch(r"find \.( -name '\*\.py')?X", terminal.line())


def test_a_second_press_cancels_and_gives_the_line_and_the_cursor_back(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell()
    terminal.type("hang on there")
    terminal.press("C-b", "C-b", "C-b")
    terminal.wait(lambda: terminal.cursor()[0] == len("READY> hang on th"), "the cursor to move")
    before = terminal.cursor()
    terminal.press("C-g")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: cancelled")
    assert terminal.line() == "hang on there"
    assert terminal.cursor() == before


def test_enter_while_streaming_runs_what_stands_there_and_leaves_no_handler(home: ZshHome) -> None:
    terminal = home.shell(after='find() { print -r -- RAN "$@" }')
    terminal.type("slowly find")
    terminal.press("C-g")
    terminal.wait_screen(r"READY> find \.")
    terminal.press("Enter")
    terminal.wait_screen(r"^RAN \.")
    terminal.wait_line("")
    terminal.type("print fds: /proc/$$/fd/*(@Ne:'[[ $(readlink $REPLY) == socket* ]]':)")
    terminal.press("Enter")
    terminal.wait_screen("^fds:$")
    assert terminal.line() == ""


def test_an_armed_command_waits_for_a_second_press_on_the_same_line(home: ZshHome) -> None:
    terminal = home.shell()
    ask(terminal, "wipe the root", "wipe the root")
    terminal.wait_screen("^cmdai: .*press again")
    terminal.press("C-g")
    terminal.wait_line("rm -rf /")


def test_an_armed_command_is_forgotten_with_its_line(home: ZshHome) -> None:
    terminal = home.shell()
    ask(terminal, "wipe the root", "wipe the root")
    terminal.wait_screen("^cmdai: .*press again")
    terminal.press("C-c")
    terminal.wait_line("")
    ask(terminal, "wipe the root", "wipe the root")
    terminal.wait_screen("^cmdai: .*press again")
    assert terminal.line() == "wipe the root"


def test_a_command_of_several_lines_stands_on_several_lines(home: ZshHome) -> None:
    terminal = home.shell()
    terminal.type("show two lines")
    terminal.press("C-g")
    terminal.wait_screen(r'READY> for f in \*; do\n +echo "\$f"\n *done')


@pytest.mark.parametrize(
    "rc",
    [
        "setopt ksh_arrays",
        "setopt sh_word_split glob_subst",
        "setopt no_unset",
        "setopt err_exit",
        "setopt err_return",
        "setopt noclobber",
        "setopt extended_glob null_glob",
        "setopt warn_create_global",
        "setopt rc_quotes ignore_braces sh_glob ksh_glob posix_builtins",
        "setopt no_multibyte",
        "IFS=:e",
        "REPLY=theirs; fd=theirs; line=theirs; chunk=theirs",
        "alias -g T='| tail' L='| less' return=no; alias print=no zle=no local=no if=no case=no "
        "typeset=no setopt=no builtin=no emulate=no zmodload=no exec=no",
        "print() { return 1 }; printf() { return 1 }; read() { return 1 }",
        f". {SUGGESTIONS}; . {HIGHLIGHTING}",
        "zle-line-init() { : }; zle -N zle-line-init",
    ],
    ids=lambda rc: rc[:24],
)
def test_it_works_under_the_persons_settings(home: ZshHome, rc: str) -> None:
    home.start_daemon()
    suggest_undo_and_cancel(home.shell(before=rc))


def test_the_clock_does_not_end_a_shell_that_ends_at_errors(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell(before="setopt err_exit")
    terminal.type("slowly find python")
    terminal.press("C-g")
    terminal.wait_screen("thinking|find")
    terminal.press("C-c")  # $? is 130 while the clock still ticks
    terminal.wait_screen("your line is back|cancelled|slowly")
    time.sleep(1.5)  # the tick of the second after
    terminal.press("C-u")
    terminal.type("print still here")
    terminal.press("Enter")
    terminal.wait_screen("^still here")


@pytest.mark.parametrize(
    "rc",
    [
        f". {SUGGESTIONS}; . {HIGHLIGHTING}",
        f". {HIGHLIGHTING}; . {SUGGESTIONS}",
        "zle-line-{init,finish}() { : }; zle -N zle-line-init; zle -N zle-line-finish",
        "alias print=no zle=no exec=no",
        "bindkey -d; bindkey -e",
    ],
    ids=["plugins", "plugins, other order", "widgets", "aliases", "keymaps reset"],
)
def test_what_is_read_after_it_does_not_break_it(home: ZshHome, rc: str) -> None:
    home.start_daemon()
    suggest_undo_and_cancel(home.shell(after=rc))


def test_tracing_shows_nothing_of_ours(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell(after="TRAPEXIT() { : }")
    terminal.type("set -x; clear")
    terminal.press("Enter")
    ask(terminal, "hang", "hang")
    terminal.wait_screen("^cmdai: thinking")  # about a second in: the clock has ticked
    assert not re.search(r"^\+|\+zsh", terminal.screen(), re.M)


def test_the_persons_line_widgets_still_run(home: ZshHome) -> None:
    rc = "zle-line-init() { print init >> ~/log }; zle -N zle-line-init"
    terminal = home.shell(
        after=f"{rc}; zle-line-finish() {{ print finish >> ~/log }}; zle -N zle-line-finish"
    )
    terminal.press("Enter")
    log = home.path / "log"
    terminal.wait(
        lambda: log.exists() and log.read_text().split() == ["init", "finish", "init"],
        "both widgets",
    )


def test_vi_keymaps(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell(before="bindkey -v; KEYTIMEOUT=1")
    ask(terminal, "list files", "ls -la")
    clear(terminal)
    terminal.type("list files")
    terminal.press("Escape")
    terminal.wait(lambda: terminal.cursor()[0] == len("READY> list file"), "command mode")
    terminal.press("C-g")
    terminal.wait_line("ls -la")
    terminal.wait_screen("scripted")
    terminal.press("u")
    terminal.wait_line("list files")


def test_ctrl_g_still_cancels_a_history_search(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell()
    terminal.type("echo one")
    terminal.press("Enter")
    terminal.wait_screen("^one")
    terminal.type("my own line")
    terminal.press("C-r")
    terminal.type("one")
    terminal.wait_screen("bck-i-search")
    terminal.press("C-g")
    terminal.wait_line("my own line")
    assert "cmdai" not in terminal.screen()


def test_ctrl_g_still_cancels_a_completion_menu(home: ZshHome) -> None:
    menu = "autoload -Uz compinit; compinit -D; zstyle ':completion:*' menu select=1"
    terminal = home.shell(before=menu)
    terminal.type("ls --al")
    terminal.press("Tab")
    terminal.wait_screen("list all except")
    terminal.press("Tab")
    terminal.wait_line("ls --all")
    terminal.press("C-g")
    terminal.wait_line("ls --al")
    assert "cmdai" not in terminal.screen()


def test_a_chosen_key_cancels_a_history_search_and_a_completion_menu_too(home: ZshHome) -> None:
    menu = "autoload -Uz compinit; compinit -D; zstyle ':completion:*' menu select=1"
    terminal = home.shell(before=menu, CMDAI_KEY="^O")
    terminal.type("echo one")
    terminal.press("Enter")
    terminal.wait_screen("^one")
    terminal.type("my own line")
    terminal.press("C-r")
    terminal.type("one")
    terminal.wait_screen("bck-i-search")
    terminal.press("C-o")
    terminal.wait_line("my own line")
    clear(terminal)
    terminal.type("ls --al")
    terminal.press("Tab")
    terminal.wait_screen("list all except")
    terminal.press("Tab")
    terminal.wait_line("ls --all")
    terminal.press("C-o")
    terminal.wait_line("ls --al")
    assert "cmdai" not in terminal.screen()


@pytest.mark.parametrize("key", ["^G", "^G^F"])
def test_a_key_that_somebody_holds_is_left_to_them(home: ZshHome, key: str) -> None:
    terminal = home.shell(
        before=f"theirs() {{ BUFFER=theirs }}; zle -N theirs; bindkey '{key}' theirs"
    )
    terminal.press("C-g") if key == "^G" else terminal.press("C-g", "C-f")
    terminal.wait_line("theirs")
    clear(terminal)
    terminal.type("list files")
    terminal.press("C-x", "C-g")
    terminal.wait_line("ls -la")
    clear(terminal)
    terminal.type("print -r -- $_cmdai_conflict")
    terminal.press("Enter")
    terminal.wait_screen(rf'^"{re.escape(key)}" theirs \(keymap emacs\)')


def test_the_keys_are_the_persons_choice(home: ZshHome) -> None:
    terminal = home.shell(CMDAI_KEY=r"\M-j", CMDAI_EXPLAIN_KEY="^X^E")
    terminal.type("list files")
    terminal.press("M-j")
    terminal.wait_line("ls -la")
    terminal.press("C-x", "C-e")
    terminal.wait_screen("^cmdai: .*ls -la")
    assert terminal.line() == "ls -la"


def test_no_key_is_bound_when_told_so(home: ZshHome) -> None:
    terminal = home.shell(CMDAI_NOBIND="1")
    terminal.type("bindkey -M emacs | grep -c _cmdai; bindkey ^G")
    terminal.press("Enter")
    terminal.wait_screen("^0$")
    terminal.wait_screen('^"." send-break|^"\\^G" send-break')


@pytest.mark.parametrize(
    "relay",
    [
        Relay("nc", shutil.which("nc") or ""),
        Relay("socat", shutil.which("socat") or ""),
        Relay("curl", shutil.which("curl") or ""),
        Relay("python", str(resource("shell-hooks/relay.py"))),
    ],
    ids=lambda relay: relay.kind,
)
def test_without_the_socket_module_a_relay_carries_the_record(home: ZshHome, relay: Relay) -> None:
    if not relay.path:
        pytest.skip(f"{relay.kind} is not installed")
    home.start_daemon()
    home.render(relay, zsocket=False)
    suggest_undo_and_cancel(home.shell())


def test_a_removed_package_is_no_riddle(home: ZshHome) -> None:
    press = str(resource("shell-hooks/press.zsh"))
    home.hook.write_text(home.hook.read_text().replace(press, f"{press}.gone"))
    terminal = home.shell()
    terminal.type("list files")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: cmdai-shell is gone from its place")
    assert terminal.line() == "list files"


def test_the_first_press_knows_the_last_status(home: ZshHome) -> None:
    terminal = home.shell(after="gti() { return 3 }")
    terminal.type("gti status")
    terminal.press("Enter")
    terminal.wait_line("")
    terminal.press("C-g")
    terminal.wait_line("git status")


def test_the_clock_that_ticks_while_it_waits_keeps_the_last_status(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell()
    terminal.type("sh -c 'exit 7'")
    terminal.press("Enter")
    terminal.wait_line("")
    terminal.type("hang on")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: thinking")  # about a second in
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: cancelled")
    clear(terminal)
    terminal.type('print "status=$?"')
    terminal.press("Enter")
    terminal.wait_screen("^status=7")


def test_nothing_but_our_names_is_left_in_the_shell(home: ZshHome) -> None:
    names = "bindkey > /dev/null; print -rl -- ${(k)parameters} | sort"
    plain = set(home.run(names, "-f", "-i").stdout.split())
    hooked = set(home.run(f". {home.hook}; . {home.hook}; {names}", "-f", "-i").stdout.split())
    zsh_own = {"precmd_functions", "preexec_functions"}
    assert {name for name in hooked - plain - zsh_own if not name.startswith("_cmdai_")} == set()


OPTIONS = [
    "ksh_arrays",
    "sh_word_split",
    "no_unset",
    "err_exit",
    "err_return",
    "noclobber",
    "glob_subst",
    "extended_glob",
    "warn_create_global",
    "posix_builtins",
    "rc_quotes",
    "ignore_braces",
    "no_aliases",
    "no_case_glob",
    "no_short_loops",
    "interactive_comments",
]


@pytest.mark.parametrize("mode", [["-i"], []], ids=["interactive", "not interactive"])
@pytest.mark.parametrize("option", OPTIONS)
def test_it_is_read_in_silence(home: ZshHome, option: str, mode: list[str]) -> None:
    done = home.run(f"setopt {option}; . {home.hook}; . {home.hook} && printf done", "-f", *mode)
    assert (done.stdout, done.stderr) == ("done", "")


def test_its_syntax(home: ZshHome) -> None:
    files = [resource(f"shell-hooks/{name}.zsh") for name in ("cmdai", "press")]
    for file in (home.hook, *files):
        done = home.run(f"zsh -n {file}", "-f")
        assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_shell_that_reads_no_keys_gets_nothing(home: ZshHome) -> None:
    done = home.run(f". {home.hook}; print ${{+functions[_cmdai_key]}}", "-f")
    assert done.stdout == "0\n"
