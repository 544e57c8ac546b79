"""What only bash can get wrong: options, traps, PROMPT_COMMAND, its own variables."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import paths
from tests.hooks.conftest import FOLDERS, Daemon, Lab, last_command
from tests.hooks.zsh import PlayedDaemon

if TYPE_CHECKING:
    from tests.hooks.terminal import Terminal

pytestmark = pytest.mark.hooks


def suggest(terminal: Terminal, words: str = "list files", command: str = "ls -la") -> None:
    terminal.type(words)
    terminal.wait_line(words)
    terminal.press("C-g")
    terminal.wait_line(command)


def run(terminal: Terminal, command: str) -> None:
    terminal.press("C-e", "C-u")
    terminal.type(command)
    terminal.press("Enter")


HOSTILE = {
    "set -eu": "set -eu",
    "pipefail": "set -o pipefail",
    "xtrace": "exec 2>/dev/null; set -x; exec 2>/dev/tty",
    "allexport": "set -a",
    "noclobber": "set -o noclobber",
    "noglob": "set -f",
    "IFS": "IFS=x:ls",
    "aliases": "alias printf='echo ALIAS' nc='echo ALIAS' read='echo ALIAS' local='echo ALIAS'",
    "functions": "printf() { echo NO; }; read() { echo NO; }; nc() { echo NO; }; command() { :; }; "
    "exec() { echo NO; }; trap() { echo NO; }; kill() { echo NO; }; history() { echo NO; }",
    "DEBUG trap": "set -T; trap 'x=$BASH_COMMAND' DEBUG",
    "DEBUG trap that forbids": "shopt -s extdebug; trap '[[ $BASH_COMMAND != *printf* ]]' DEBUG",
    "ERR and RETURN traps": 'set -ET; after=\'trap "echo ERR" ERR; trap "r=1" RETURN\'',
    "extdebug": "shopt -s extdebug",
    "nocasematch": "shopt -s nocasematch nullglob failglob lastpipe inherit_errexit extglob",
    "C locale": "export LC_ALL=C",
    "no size": "unset LINES COLUMNS; shopt -u checkwinsize; unset COLUMNS",
    "odd size": "COLUMNS=none",
    "HISTCONTROL": "HISTCONTROL=ignoreboth:erasedups HISTTIMEFORMAT='%F '",
    "colours": r"PS1='\[\e[1;32m\]READY> \[\e[0m\]'",
    "array": "PROMPT_COMMAND=(true 'x=1')",
    "string": "PROMPT_COMMAND='true;'",
    "readonly": "declare -r PROMPT_COMMAND=true",
    "TMOUT": "TMOUT=100",
    "vi": "set -o vi",
    "POSIXLY_CORRECT": "unset TMPDIR; set +m",
}


@pytest.mark.parametrize("setting", HOSTILE)
def test_any_setting(lab: Lab, setting: str) -> None:
    terminal = lab.open("bash", before=HOSTILE[setting], after='eval "${after-}"')
    suggest(terminal)
    terminal.press("C-g")
    terminal.wait_line("ls -1A")
    terminal.type(" X")
    terminal.wait_line("ls -1A X")
    assert not re.search(r"\b(NO|ALIAS|ERR)\b", terminal.screen())


@pytest.mark.parametrize("setting", ["set -eu", "functions", "ERR and RETURN traps", "vi"])
def test_cancel_and_failure_in_any_setting(lab: Lab, setting: str) -> None:
    terminal = lab.open("bash", before=HOSTILE[setting])
    suggest(terminal, "fail please", "fail please")
    terminal.wait_screen("cmdai: .*down")
    terminal.press("C-u")
    terminal.wait_line("")
    terminal.type("hang on")
    terminal.press("C-g")
    terminal.wait_screen("thinking")
    terminal.press("C-c")
    terminal.wait_line("hang on")


def test_vi_command_mode(lab: Lab) -> None:
    terminal = lab.open("bash", after="set -o vi")
    terminal.type("list files")
    terminal.press("Escape")
    terminal.wait_line("list files")
    terminal.press("C-g")
    terminal.wait_line("ls -la")


def test_the_options_traps_and_variables_are_as_before(lab: Lab) -> None:
    state = "{ set +o; shopt -p; trap -p; ulimit -a; jobs -l; } >"
    terminal = lab.open(
        "bash", after="trap 'echo trapped' INT; trap 'x=1' DEBUG; sleep 100 & pid=$!"
    )
    run(terminal, f"{state} {lab.folder}/before")
    terminal.wait_line("")
    suggest(terminal)
    run(terminal, f"{state} {lab.folder}/after; [[ $! == $pid ]] && echo same job; kill $!")
    terminal.wait_screen("^same job")
    before, after = ((lab.folder / name).read_text() for name in ("before", "after"))
    assert after == before


def test_the_persons_trap_is_back_after_a_cancelled_press(lab: Lab) -> None:
    terminal = lab.open("bash", after="trap 'echo trapped \"it'\\''s\"' INT")
    terminal.type("hang on")
    terminal.press("C-g")
    terminal.wait_screen("thinking")
    terminal.press("C-c")
    terminal.wait_line("hang on")
    terminal.press("C-u")
    run(terminal, "kill -INT $$")
    terminal.wait_screen("^trapped it's")


def test_the_preview_grows_in_one_row_and_goes(lab: Lab) -> None:
    terminal = lab.open("bash")
    terminal.type("slowly find python")
    terminal.press("C-g")
    terminal.wait_screen(r"^find \.")
    terminal.wait_line("find . -name '*.py' -mtime -1")
    assert len(re.findall("find", terminal.screen())) == 1


def test_one_message_row_for_all_alternatives(lab: Lab) -> None:
    terminal = lab.open("bash")
    suggest(terminal)
    terminal.press("C-g")
    terminal.wait_line("ls -1A")
    terminal.press("C-g")
    terminal.wait_line("find . -maxdepth 1")
    assert terminal.screen().count("cmdai: ") == 1


def test_the_daemon_does_not_carry_the_line(lab: Lab, daemon: Daemon) -> None:
    terminal = lab.open("bash")
    suggest(terminal, "print the secret", "echo 'print the secret'")
    environment = Path(f"/proc/{daemon.pid}/environ").read_text()
    assert "READLINE" not in environment
    assert "secret" not in environment


def test_the_first_prompt_leaves_prompt_command_as_it_was(lab: Lab) -> None:
    terminal = lab.open("bash", before="PROMPT_COMMAND='true'")
    run(terminal, "declare -p PROMPT_COMMAND")
    terminal.wait_screen('^declare -- PROMPT_COMMAND="true"')


def test_a_tool_that_takes_its_key_again_does_not_break_ours(lab: Lab) -> None:
    """In bash 5.1 replacing a ``bind -x`` key by a macro kills the keys bound before."""
    terminal = lab.open(
        "bash",
        before="""bind -x '"\\C-r": "echo fzf"'""",
        after="""bind '"\\C-r": "\\C-x1"'; bind -x '"\\C-x1": "echo atuin"'""",
    )
    suggest(terminal)


def test_an_exported_function_of_ours_does_not_confuse_a_child(lab: Lab) -> None:
    terminal = lab.open("bash", before="set -a")
    suggest(terminal)
    run(terminal, "bash -c 'declare -p | grep -c _cmdai_own; echo end of child'")
    terminal.wait_screen("^end of child")


@pytest.mark.parametrize("arguments", [["-c"], ["--noediting", "-ic"]])
def test_a_shell_without_a_line_gets_nothing(lab: Lab, arguments: list[str]) -> None:
    script = f"set -eu; . {lab.hook('bash')}; declare -F _cmdai_key || echo none"
    done = subprocess.run(
        [lab.program("bash"), "--norc", *arguments, script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
        timeout=20,
    )
    assert done.stdout == "none\n"
    assert "_cmdai" not in done.stderr


def test_sourcing_prints_nothing_and_starts_nothing(lab: Lab) -> None:
    """A process started in between would have taken a process id."""
    after = f"""
    exec 3>&1 >{lab.folder}/said 2>&1
    . {lab.hook("bash")}
    exec >&3 2>&3
    LC_ALL=C PATH= type -t _cmdai_key"""
    terminal = lab.open("bash", after=after)
    terminal.wait_screen("^function")
    assert (lab.folder / "said").read_text() == ""


@pytest.mark.parametrize("case", FOLDERS)
def test_hook_and_daemon_agree_on_the_folder(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    for name in ("CMDAI_RUNTIME_DIR", "XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in FOLDERS[case].items():
        monkeypatch.setenv(name, value)
    script = f'. {lab.hook("bash")}; _cmdai_ready; _cmdai_find_folder; echo "$_cmdai_folder"'
    done = subprocess.run(
        [lab.program("bash"), "--norc", "-i", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **FOLDERS[case]},
    )
    assert done.stdout.strip() == str(paths.runtime_dir())


@pytest.mark.parametrize(
    ("written", "readline"),
    [
        ("^G", r"\C-g"),
        ("^X^G", r"\C-x\C-g"),
        ("^[g", r"\eg"),
        (r"\C-x\C-a", r"\C-x\C-a"),
        ("^Xe", r"\C-xe"),
    ],
)
def test_keys_as_a_person_writes_them(lab: Lab, written: str, readline: str) -> None:
    script = f". {lab.hook('bash')}; _cmdai_sequence key '{written}'; printf %s \"$key\""
    done = subprocess.run(
        [lab.program("bash"), "--norc", "-i", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
        timeout=20,
    )
    assert done.stdout == readline


HIDING = {
    "ignorespace": "HISTCONTROL=ignorespace",
    "ignoreboth": "HISTCONTROL=ignoreboth:erasedups",
    "HISTIGNORE": "HISTIGNORE='*secret*'",
    "no history": "set +o history",
}


@pytest.mark.parametrize("setting", HIDING)
def test_a_hidden_command_is_not_mistaken_for_the_newest_of_the_history(
    lab: Lab, answering: PlayedDaemon, setting: str
) -> None:
    terminal = lab.open("bash", after=HIDING[setting])
    assert last_command(terminal, answering, "cd /", " false secret") == ""


@pytest.mark.parametrize("setting", ["ignorespace", "ignoreboth", "HISTIGNORE"])
def test_a_failing_command_run_again_is_the_one_to_fix(
    lab: Lab, answering: PlayedDaemon, setting: str
) -> None:
    terminal = lab.open("bash", after=HIDING[setting])
    assert last_command(terminal, answering, "cd /", "false it", "false it") == "false it"


def test_the_first_command_of_a_shell_may_be_hidden_too(lab: Lab, answering: PlayedDaemon) -> None:
    history = lab.folder / "history"
    history.write_text("what another shell ran\n")
    terminal = lab.open("bash", after=f"HISTFILE={history} HISTCONTROL=ignoreboth")
    assert last_command(terminal, answering, " false secret") == ""


def test_a_shell_in_which_nothing_was_run_has_nothing_to_fix(
    lab: Lab, answering: PlayedDaemon
) -> None:
    history = lab.folder / "history"
    history.write_text("what another shell ran\n")
    terminal = lab.open("bash", after=f"HISTFILE={history} HISTCONTROL=ignoreboth; false")
    assert last_command(terminal, answering) == ""


def test_the_persons_ps0_is_still_shown_and_may_be_replaced(
    lab: Lab, answering: PlayedDaemon
) -> None:
    terminal = lab.open("bash", before="PS0='run \\#\\n'", after="HISTCONTROL=ignoreboth")
    run(terminal, "echo one")
    terminal.wait_screen("^run 1\\none$")
    run(terminal, "PS0=")
    terminal.wait_line("")
    run(terminal, "false it")
    terminal.wait_line("")
    terminal.press("C-g")
    terminal.wait_line("ls -la")
    assert answering.records[0]["last_command"] == b"false it"


def test_another_process_under_the_daemons_number_is_no_obstacle(lab: Lab) -> None:
    terminal = lab.open("bash")
    suggest(terminal)
    terminal.press("C-u")
    run(terminal, "_cmdai_daemon=$$")
    lab.daemon.kill()
    terminal.wait_line("")
    suggest(terminal, "delete build", "rm -rf ./build")


def test_without_a_place_for_files_a_press_is_answered(lab: Lab) -> None:
    terminal = lab.open("bash", after="TMPDIR=/nowhere; trap 'echo trapped' INT")
    suggest(terminal)
    terminal.press("C-u")
    run(terminal, "kill -INT $$")
    terminal.wait_screen("^trapped")


def test_a_trap_and_a_command_of_any_length_are_kept(lab: Lab, answering: PlayedDaemon) -> None:
    history = lab.folder / "long"
    history.write_text("false " + "x" * 200_000 + "\n")
    terminal = lab.open(
        "bash",
        after=f"history -r {history}; printf -v long '%0100000d'; trap \": $long; echo kept\" INT",
    )
    suggest(terminal)
    terminal.press("C-u")
    run(terminal, "kill -INT $$")
    terminal.wait_screen("^kept")


def test_a_package_that_is_gone_is_said_and_the_line_stays(lab: Lab) -> None:
    gone = lab.hook("bash").read_text().replace("press.bash", "nowhere.bash")
    (lab.folder / "gone.bash").write_text(gone)
    terminal = lab.open("bash")
    run(terminal, f"source {lab.folder}/gone.bash")
    terminal.wait_line("")
    terminal.type("list files")
    terminal.wait_line("list files")
    terminal.press("C-g")
    terminal.wait_screen("cmdai-shell is gone from its place")
    terminal.wait_line("list files")


def test_a_row_that_comes_in_pieces(lab: Lab, runtime_dir: Path) -> None:
    daemon = PlayedDaemon(
        runtime_dir, "T", 0.1, "ls", 0.7, " -l", 0.1, "a", 0.1, "\n", "Mdone\n", "D\n"
    )
    terminal = lab.open("bash")
    terminal.type("list files")
    terminal.press("C-g")
    terminal.wait_line("ls -la")
    daemon.close()


def test_rows_that_come_just_as_a_wait_ends(lab: Lab, runtime_dir: Path) -> None:
    """A read whose time is up with the newline keeps quiet about it: rows must not run together."""
    rows = [each for n in range(60) for each in (f"Tls {n}\n", 0.0501)]
    daemon = PlayedDaemon(runtime_dir, *rows, "Tls -la\n", "Mdone\n", "D\n")
    terminal = lab.open("bash")
    written = terminal.record()
    terminal.type("list files")
    terminal.press("C-g")
    terminal.wait_line("ls -la")
    assert not re.search(rb"ls \d+T", written.read_bytes())
    daemon.close()
