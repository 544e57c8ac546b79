"""What a person does at the prompt, the same in every shell."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from cmdai_shell.config.paths import resource
from cmdai_shell.hooks.render import Relay
from tests.hooks.conftest import SHELLS, Daemon, Lab, eventually
from tests.hooks.terminal import require

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from cmdai_shell.hooks.render import RelayKind
    from tests.hooks.terminal import Terminal

pytestmark = [pytest.mark.hooks, pytest.mark.parametrize("shell", SHELLS)]

UNDO = {"bash": "C-_", "zsh": "C-_", "fish": "C-z"}


def press_on(terminal: Terminal, words: str, *, left: int = 0) -> None:
    """Type the words, move the cursor left, press the key."""
    terminal.type(words)
    terminal.wait_line(words.rstrip())
    terminal.press(*["Left"] * left, "C-g")


def clear_line(terminal: Terminal) -> None:
    terminal.press("C-e", "C-u")
    terminal.wait_line("")


def children(pid: int) -> list[str]:
    """Names of the process's children."""
    return [child.name() for child in psutil.Process(pid).children()]


def test_words_become_a_command_and_the_first_press_starts_the_daemon(
    terminal: Terminal, daemon: Daemon
) -> None:
    assert not daemon.pid
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    assert daemon.pid


def test_the_cursor_stands_at_the_end_of_the_command(terminal: Terminal) -> None:
    press_on(terminal, "list files", left=4)
    terminal.wait_line("ls -la")
    terminal.type(" X")
    terminal.wait_line("ls -la X")


def test_nothing_runs_before_enter(terminal: Terminal) -> None:
    press_on(terminal, "print the answer")
    terminal.wait_line("echo 'print the answer'")
    assert "\nprint the answer" not in terminal.screen()
    terminal.press("Enter")
    terminal.wait_screen("^print the answer")


def test_pressing_again_gives_alternatives_and_last_the_own_text(terminal: Terminal) -> None:
    press_on(terminal, "list files", left=3)
    for expected in ("ls -la", "ls -1A", "find . -maxdepth 1", "list files"):
        terminal.wait_line(expected)
        terminal.press("C-g") if expected != "list files" else terminal.type("X")
    terminal.wait_line("list fiXles")


def test_undo_brings_the_original_back_in_one_step(terminal: Terminal, shell: Shell) -> None:
    press_on(terminal, "slowly find python")
    terminal.wait_line("find . -name '*.py' -mtime -1")
    terminal.press(UNDO[shell])
    terminal.wait_line("slowly find python")


def test_explain_changes_nothing(terminal: Terminal) -> None:
    terminal.type("rm -rf ./build")
    terminal.wait_line("rm -rf ./build")
    terminal.press("Left", "Left", "M-g")
    terminal.wait_screen(r"cmdai: ")
    terminal.wait_line("rm -rf ./build")
    terminal.type("X")
    terminal.wait_line("rm -rf ./buiXld")


def test_an_empty_line_after_a_failure_is_fixed_and_never_run_again(
    lab: Lab, shell: Shell, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    define = {
        "bash": f"gti() {{ echo x >> {runs}; return 1; }}",
        "zsh": f"gti() {{ echo x >> {runs}; return 1; }}",
        "fish": f"function gti; echo x >> {runs}; return 1; end",
    }
    terminal = lab.open(shell, after=define[shell])
    terminal.type("gti status")
    terminal.press("Enter")
    eventually(runs.exists, "the command's run")
    terminal.wait_line("")
    terminal.press("C-g")
    terminal.wait_line("git status")
    assert runs.read_text() == "x\n"


def test_a_slip_of_the_finger_needs_no_model(terminal: Terminal) -> None:
    terminal.type("ehco  'a  b'")
    terminal.press("Enter")
    terminal.wait_line("")
    terminal.press("C-g")
    terminal.wait_line("echo  'a  b'")
    terminal.wait_screen("cmdai: own rules")


def test_an_empty_line_gets_a_hint(terminal: Terminal) -> None:
    terminal.press("C-g")
    terminal.wait_screen("cmdai: .+")
    terminal.wait_line("")


def test_ctrl_c_gives_line_and_cursor_back(
    terminal: Terminal, daemon: Daemon, shell: Shell
) -> None:
    press_on(terminal, "hang on a moment", left=6)
    terminal.wait_screen("thinking")
    terminal.press("C-c")
    terminal.wait(lambda: "thinking" not in terminal.screen(), "the preview to go")
    terminal.wait_line("hang on a moment")
    terminal.type("X")
    terminal.wait_line("hang on a Xmoment")
    eventually(lambda: "cancelled" in daemon.log(), "the daemon to see it")
    eventually(lambda: children(terminal.shell_pid) == [], "the client to end")
    clear_line(terminal)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")


def test_a_failure_keeps_line_and_cursor_and_says_why(terminal: Terminal) -> None:
    press_on(terminal, "fail please", left=3)
    terminal.wait_screen("cmdai: .*scripted backend is down")
    terminal.wait_line("fail please")
    terminal.type("X")
    terminal.wait_line("fail pleXase")


def test_a_daemon_killed_while_it_works_gives_the_line_back(
    terminal: Terminal, daemon: Daemon
) -> None:
    press_on(terminal, "hang there", left=2)
    terminal.wait_screen("thinking")
    daemon.kill()
    terminal.wait_screen("cmdai: .*line is back")
    terminal.type("X")
    terminal.wait_line("hang theXre")
    clear_line(terminal)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")


def test_a_stale_socket_is_no_obstacle(terminal: Terminal, daemon: Daemon) -> None:
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    daemon.kill()
    assert (daemon.folder / "hook.sock").exists()
    clear_line(terminal)
    press_on(terminal, "delete build")
    terminal.wait_line("rm -rf ./build")


def test_a_frozen_daemon_gives_the_line_back(terminal: Terminal, daemon: Daemon) -> None:
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    clear_line(terminal)
    daemon.kill(signal.SIGSTOP)
    press_on(terminal, "show two lines", left=1)
    terminal.wait_screen("cmdai: .*line is back", seconds=12)
    terminal.type("X")
    terminal.wait_line("show two lineXs")
    eventually(lambda: children(terminal.shell_pid) == [], "the client to end")
    daemon.kill(signal.SIGCONT)


def test_a_daemon_that_crashes_at_every_request_gives_the_line_back(terminal: Terminal) -> None:
    press_on(terminal, "crash now")
    terminal.wait_screen("cmdai: .+", seconds=30)
    terminal.wait_line("crash now")


def test_a_critical_command_needs_a_second_press(terminal: Terminal) -> None:
    press_on(terminal, "wipe the root")
    terminal.wait_screen(r"rm -rf /")
    terminal.wait_line("wipe the root")
    terminal.press("C-g")
    terminal.wait_line("rm -rf /")


def test_an_armed_command_is_forgotten_when_the_line_changes(terminal: Terminal) -> None:
    """Even when the words come back: the second press is a first one again."""
    press_on(terminal, "wipe the root")
    terminal.wait_screen(r"rm -rf /")
    clear_line(terminal)
    press_on(terminal, "fail please")
    terminal.wait_screen("cmdai: .*scripted backend is down")
    clear_line(terminal)
    terminal.press("C-l")
    press_on(terminal, "wipe the root")
    terminal.wait_screen(r"^cmdai: .*press again")
    terminal.wait_line("wipe the root")


def test_several_lines_arrive_as_text_and_run_at_enter(terminal: Terminal) -> None:
    terminal.type("cd /usr")
    terminal.press("Enter")
    terminal.wait_line("")
    press_on(terminal, "show two lines")
    terminal.wait_screen(r'^\s*echo "\$f"')
    terminal.wait_screen(r"^(\s|\.)*(done|end)")


def test_wide_characters_keep_the_cursor(terminal: Terminal) -> None:
    press_on(terminal, "hang été 日本 ok", left=4)
    terminal.wait_screen("thinking")
    terminal.press("C-c")
    terminal.wait_line("hang été 日本 ok")
    terminal.type("X")
    terminal.wait_line("hang été 日X本 ok")


def test_the_daemon_gets_the_line_as_it_was_typed(terminal: Terminal) -> None:
    press_on(terminal, 'say "a  b" $HOME \\ | é日 %s =1')
    terminal.wait_line("echo 'say \"a  b\" $HOME \\ | é日 %s =1'")


def test_resizing_while_waiting(terminal: Terminal) -> None:
    press_on(terminal, "slowly find python")
    terminal.wait_screen("find|…")
    terminal.resize(60, 20)
    terminal.wait_line("find . -name '*.py' -mtime -1")
    terminal.press("C-e")
    terminal.type("X")
    terminal.wait_line("find . -name '*.py' -mtime -1X")


def test_a_prompt_of_two_coloured_lines_stays_whole(lab: Lab, shell: Shell) -> None:
    prompt = {
        "bash": r"PS1='\[\e[32m\]~ first row\[\e[0m\]\nREADY> '",
        "zsh": r"PROMPT=$'%F{green}~ first row%f\nREADY> '",
        "fish": "function fish_prompt; set_color green; echo '~ first row'; set_color normal; "
        "printf 'READY> '; end",
    }
    terminal = lab.open(shell, before=prompt[shell])
    terminal.press("Enter", "Enter")
    terminal.wait(lambda: terminal.screen().count("~ first row") == 3, "three prompts")
    press_on(terminal, "fail please")
    terminal.wait_screen("cmdai: .*scripted backend is down")
    terminal.wait_line("fail please")
    clear_line(terminal)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    assert terminal.screen().count("~ first row") >= 3


def test_two_shells_at_once(lab: Lab, shell: Shell) -> None:
    first, second = lab.open(shell), lab.open(shell)
    first.type("slowly find python")
    second.type("slowly find python")
    first.press("C-g")
    second.press("C-g")
    for terminal in (first, second):
        terminal.wait_line("find . -name '*.py' -mtime -1")


def test_the_exit_status_survives_the_press(terminal: Terminal, shell: Shell) -> None:
    terminal.type("sh -c 'exit 7'")
    terminal.press("Enter")
    terminal.wait_line("")
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    clear_line(terminal)
    terminal.type('echo "status=$status"' if shell == "fish" else 'echo "status=$?"')
    terminal.press("Enter")
    terminal.wait_screen("^status=7")


def test_a_press_leaves_no_job_no_process_and_no_descriptor(terminal: Terminal) -> None:
    descriptors = Path(f"/proc/{terminal.shell_pid}/fd")
    press_on(terminal, "list files")  # the first press loads what the shell loads lazily
    terminal.wait_line("ls -la")
    before = {p.name for p in descriptors.iterdir()}
    terminal.press("C-g")
    terminal.wait_line("ls -1A")
    clear_line(terminal)
    eventually(lambda: children(terminal.shell_pid) == [], "no child")
    eventually(lambda: {p.name for p in descriptors.iterdir()} == before, "the same descriptors")
    terminal.type("jobs; echo end of jobs")
    terminal.press("Enter")
    terminal.wait_screen("^end of jobs")
    assert "Done" not in terminal.screen()
    assert "[1]" not in terminal.screen()


def test_history_holds_only_what_was_run(terminal: Terminal) -> None:
    terminal.type("echo one")
    terminal.press("Enter")
    terminal.wait_screen("^one")
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    clear_line(terminal)
    terminal.press("Up")
    terminal.wait_line("echo one")


def test_a_stopping_key_while_waiting_does_not_lock_the_shell_up(terminal: Terminal) -> None:
    press_on(terminal, "slowly find python")
    terminal.wait_screen("find|…")
    terminal.press("C-z")
    terminal.wait_screen("^cmdai: .*(scripted|you typed|the line is yours)")
    clear_line(terminal)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")


def test_sourcing_twice_is_harmless(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell, after=f"source {lab.hook(shell)}")
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    terminal.type("; echo b")
    terminal.press("C-u")
    terminal.type(f"source {lab.hook(shell)}")
    terminal.press("Enter")
    terminal.wait_line("")
    press_on(terminal, "delete build")
    terminal.wait_line("rm -rf ./build")


def test_a_shell_within_the_shell_has_the_key_too(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell)
    rc = f"--rcfile {lab.folder}/bash-0/bashrc -i" if shell == "bash" else ""
    terminal.type(
        f"exec 9<&-; {lab.program(shell)} {rc}" if shell != "fish" else lab.program(shell)
    )
    terminal.press("Enter")
    eventually(lambda: children(terminal.shell_pid) != [], "the inner shell")
    terminal.wait_line("")
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")


def test_the_keys_can_be_chosen(lab: Lab, shell: Shell) -> None:
    chosen = {"CMDAI_KEY": "^O", "CMDAI_EXPLAIN_KEY": "^Xe"}
    terminal = lab.open(shell, env=chosen)
    terminal.type("list files")
    terminal.press("C-o")
    terminal.wait_line("ls -la")
    terminal.press("C-x", "e")
    terminal.wait_screen("cmdai: .+")
    terminal.wait_line("ls -la")


def test_the_keys_can_be_left_alone(lab: Lab, shell: Shell) -> None:
    terminal = lab.open(shell, env={"CMDAI_NOBIND": "1"})
    terminal.type("list files")
    terminal.press("C-g", "M-g")
    terminal.type("X")
    terminal.wait(lambda: terminal.line().endswith("X"), "the line")
    assert not lab.daemon.pid


def test_a_key_somebody_else_holds_stays_theirs(lab: Lab, shell: Shell) -> None:
    theirs = {
        "bash": """bind -x '"\\C-g": echo THEIRS'""",
        "zsh": "theirs() { zle -M THEIRS }; zle -N theirs; bindkey '^G' theirs",
        "fish": "function theirs; echo THEIRS; commandline -f repaint; end; bind \\cg theirs",
    }
    terminal = lab.open(shell, before=theirs[shell])
    terminal.press("C-g")
    terminal.wait_screen("THEIRS")
    terminal.type("list files")
    terminal.press("C-x", "C-g")
    terminal.wait_line("ls -la")
    clear_line(terminal)
    terminal.type('echo "held by: $_cmdai_conflict"')
    terminal.press("Enter")
    terminal.wait_screen("(?i)^held by: .*theirs")


@pytest.mark.parametrize("kind", ["nc", "socat", "curl", "python"])
def test_every_relay_carries_a_press_and_notices_a_frozen_daemon(
    lab: Lab, shell: Shell, kind: RelayKind
) -> None:
    path = str(resource("shell-hooks/relay.py")) if kind == "python" else require(kind)
    lab.relay = Relay(kind, path)
    terminal = lab.open(shell)
    press_on(terminal, "list files")
    terminal.wait_line("ls -la")
    clear_line(terminal)
    press_on(terminal, "fail please")
    terminal.wait_screen("cmdai: .*scripted backend is down")
    clear_line(terminal)
    lab.daemon.kill(signal.SIGSTOP)
    press_on(terminal, "delete build")
    # or it was fish that had pipes: then the kernel has ended the daemon, and another one answers
    terminal.wait(
        lambda: "line is back" in terminal.screen() or terminal.line() == "rm -rf ./build",
        "the line, or an answer",
        seconds=20,
    )
    assert terminal.line() in {"delete build", "rm -rf ./build"}
