"""zsh and everything that can go wrong with a request: the line comes back, the shell lives."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.hooks.conftest import eventually
from tests.hooks.zsh import PlayedDaemon, ZshHome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.hooks.terminal import Terminal

pytestmark = pytest.mark.hooks

FRAGILE = "_cmdai_patience=1"


@pytest.fixture
def home(tmp_path: Path, runtime_dir: Path) -> Iterator[ZshHome]:
    made = ZshHome(tmp_path, runtime_dir)
    yield made
    made.close()


@pytest.fixture
def play(runtime_dir: Path) -> Iterator[Callable[..., PlayedDaemon]]:
    played: list[PlayedDaemon] = []

    def begin(*script: str | float, hold: bool = False) -> PlayedDaemon:
        played.append(PlayedDaemon(runtime_dir, *script, hold=hold))
        return played[-1]

    yield begin
    for daemon in played:
        daemon.close()


def press(terminal: Terminal, words: str) -> None:
    terminal.type(words)
    terminal.wait_line(words)
    terminal.press("C-g")


def test_ctrl_c_while_waiting_brings_line_and_cursor_back(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell()
    terminal.type("hang on there")
    terminal.press("C-a", "C-f")
    terminal.wait(lambda: terminal.cursor()[0] == len("READY> h"), "the cursor to move")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: thinking")
    terminal.press("C-c")
    terminal.wait_screen("^cmdai: cancelled")
    terminal.wait_line("hang on there")
    assert terminal.cursor()[0] == len("READY> h")


def test_a_frozen_daemon_gives_the_line_back(home: ZshHome) -> None:
    pid = home.start_daemon()
    terminal = home.shell(after=FRAGILE)
    os.kill(pid, signal.SIGSTOP)
    try:
        press(terminal, "list files")
        terminal.wait_screen("^cmdai: the daemon is silent")
        terminal.wait_line("list files")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_shell_that_gave_up_waiting_is_at_rest(home: ZshHome) -> None:
    """zle polls on what it watched before the timer that closed it, and a closed one is ready."""
    pid = home.start_daemon()
    terminal = home.shell()
    os.kill(pid, signal.SIGSTOP)
    try:
        press(terminal, "list files")
        terminal.wait_screen("^cmdai: the daemon is silent")
        shell = psutil.Process(terminal.shell_pid)
        eventually(lambda: is_at_rest(shell), "zsh to be at rest", seconds=5)
    finally:
        os.kill(pid, signal.SIGCONT)


def is_at_rest(process: psutil.Process) -> bool:
    """It takes no time for a second and a half."""
    before = sum(process.cpu_times()[:2])
    time.sleep(1.5)
    return sum(process.cpu_times()[:2]) - before < 0.5


def test_a_daemon_killed_before_it_answers_is_started_again(home: ZshHome) -> None:
    pid = home.start_daemon()
    terminal = home.shell()
    os.kill(pid, signal.SIGSTOP)
    press(terminal, "list files")
    os.kill(pid, signal.SIGKILL)
    terminal.wait_line("ls -la")
    assert home.daemon_pid() != pid


def test_a_daemon_killed_while_it_answers_gives_the_line_back(home: ZshHome) -> None:
    pid = home.start_daemon()
    terminal = home.shell()
    press(terminal, "slowly find")
    terminal.wait_screen(r"READY> find \.")
    os.kill(pid, signal.SIGKILL)
    terminal.wait_line("slowly find")
    terminal.wait_screen("^cmdai: the answer broke off")
    terminal.press("C-u")
    press(terminal, "list files")
    terminal.wait_line("ls -la")


def test_a_daemon_that_cannot_start_says_why(home: ZshHome) -> None:
    home.python.write_text("#!/bin/sh\necho 'no module, try again' >&2\nexit 1\n")
    terminal = home.shell()
    press(terminal, "list files")
    terminal.wait_screen("^cmdai: no module, try again")
    assert terminal.line() == "list files"


def test_an_interpreter_that_is_gone_is_not_a_riddle(home: ZshHome) -> None:
    home.python.unlink()
    terminal = home.shell()
    press(terminal, "list files")
    terminal.wait_screen("^cmdai: cmdai-shell is gone from its place")
    assert terminal.line() == "list files"


def test_a_daemon_that_hangs_up_at_once_is_tried_twice_then_given_up(
    home: ZshHome, runtime_dir: Path
) -> None:
    home.python.write_text("#!/bin/sh\nexit 0\n")
    daemon = PlayedDaemon(runtime_dir)
    terminal = home.shell()
    press(terminal, "list files")
    terminal.wait_screen("^cmdai: no answer from the daemon")
    assert terminal.line() == "list files"
    assert len(daemon.records) == 2
    daemon.close()


def test_a_stale_socket_does_not_keep_the_daemon_from_starting(
    home: ZshHome, runtime_dir: Path
) -> None:
    PlayedDaemon(runtime_dir).close()
    assert (runtime_dir / "hook.sock").exists()
    terminal = home.shell()
    press(terminal, "list files")
    terminal.wait_line("ls -la")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_not_talked_to(
    home: ZshHome, runtime_dir: Path, play: Callable[..., PlayedDaemon]
) -> None:
    daemon = play("Tevil\n", "D\n")
    os.chown(runtime_dir, 12345, 12345)
    try:
        terminal = home.shell()
        press(terminal, "list files")
        terminal.wait_screen("^cmdai: .*belongs to somebody else")
        assert terminal.line() == "list files"
        assert daemon.records == []
    finally:
        os.chown(runtime_dir, 0, 0)


def test_an_answer_in_single_bytes(home: ZshHome, play: Callable[..., PlayedDaemon]) -> None:
    answer = "Mwörking\nTecho é日本\nWsafe\x1f\nA1/1\nTecho 'é日本'\nMdone ✓\nD\n"
    pieces: list[str | float] = []
    for byte in answer.encode():
        pieces += [bytes([byte]).decode("utf-8", "surrogateescape"), 0.002]
    play(*pieces)
    terminal = home.shell()
    press(terminal, "say")
    terminal.wait_line("echo 'é日本'")
    terminal.wait_screen("^cmdai: done ✓")


def test_an_answer_that_only_says_something_keeps_line_and_cursor(
    home: ZshHome, play: Callable[..., PlayedDaemon]
) -> None:
    play("Mlooking\n", 0.2, "Mnothing to do\n", "D\n")
    terminal = home.shell()
    terminal.type("words here")
    terminal.press("C-a")
    terminal.wait(lambda: terminal.cursor()[0] == len("READY> "), "the cursor to move")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: nothing to do")
    terminal.wait_line("words here")
    assert terminal.cursor()[0] == len("READY> ")


def test_escape_sequences_from_a_broken_daemon_do_not_reach_the_terminal(
    home: ZshHome, play: Callable[..., PlayedDaemon]
) -> None:
    play("M\x1b[31mred\x1b]0;title\x07\n", "Techo \x1b[2J\x07gone\n", "D\n")
    terminal = home.shell()
    press(terminal, "words")
    terminal.wait_line("echo ^[[2J^Ggone")
    terminal.wait_screen(r"cmdai: \^\[\[31mred")


def test_an_answer_is_never_run_nor_expanded(
    home: ZshHome, play: Callable[..., PlayedDaemon], runtime_dir: Path
) -> None:
    here = runtime_dir  # a short name: the message must fit the row
    play(f"Mtouch $(touch {here}/m) %F{{red}} `touch {here}/n`\n"
         f"Ttouch {here}/a\x1ftouch {here}/b $(touch {here}/c)\n", "D\n")  # fmt: skip
    terminal = home.shell(before="setopt prompt_subst glob_subst")
    press(terminal, "words")
    terminal.wait_screen(r"cmdai: touch \$\(touch .*%F\{red\}")
    terminal.press("C-c")
    terminal.wait_line("")
    assert [path.name for path in here.iterdir() if len(path.name) == 1] == []


def test_what_the_daemon_is_sent(home: ZshHome, play: Callable[..., PlayedDaemon]) -> None:
    daemon = play("Mseen\n", "D\n")
    terminal = home.shell(CMDAI_ENVIRONMENT="work")
    terminal.type("false")
    terminal.press("Enter")
    press(terminal, 'find  \'é "q" $HOME')
    terminal.wait_screen("cmdai: seen")
    record = daemon.records[0]
    assert list(record)[-1] == "line"
    assert record["line"] == 'find  \'é "q" $HOME'.encode()
    assert record["cursor"] == b"18"
    assert (record["v"], record["op"], record["shell"]) == (b"1", b"suggest", b"zsh")
    assert record["last_status"] == b"1"
    assert record["last_command"] == b""
    assert record["environment"] == b"work"
    assert record["cwd"] == os.fsencode(Path.cwd())
    terminal.press("C-u")
    terminal.wait_line("")
    terminal.press("C-g")
    terminal.wait(lambda: len(daemon.records) == 2, "a second record")
    assert daemon.records[1]["last_command"] == b"false"


def test_a_command_with_a_leading_space_is_not_sent(
    home: ZshHome, play: Callable[..., PlayedDaemon]
) -> None:
    daemon = play("Mseen\n", "D\n")
    terminal = home.shell()
    terminal.type(" false secret")
    terminal.press("Enter")
    terminal.wait_line("")
    terminal.press("C-g")
    terminal.wait_screen("cmdai: seen")
    assert daemon.records[0]["last_command"] == b""
    assert daemon.records[0]["last_status"] == b"1"


def test_bytes_that_are_no_text_come_back_as_they_were(
    home: ZshHome, play: Callable[..., PlayedDaemon]
) -> None:
    daemon = play("Tpartial\n", 0.2, "Erefused\x1fno\n")
    terminal = home.shell(
        before=r"fill() { BUFFER=$'a \x9f\xff\x1e\x1f\x00 b' }; zle -N fill; bindkey ^X fill"
    )
    terminal.press("C-x")
    terminal.wait_screen("READY> a ")
    before = terminal.line()
    terminal.press("C-g")
    terminal.wait_screen("cmdai: no")
    assert terminal.line() == before
    assert daemon.records[0]["line"] == b"a \x9f\xff  \x00 b"


def test_a_line_of_64_kib_may_be_pressed_on_before_it_is_drawn(home: ZshHome) -> None:
    """Both keys are in the terminal's buffer at once; the daemon is the real one."""
    (home.path / "long").write_text("list files " + "x" * 65536)
    home.start_daemon()
    terminal = home.shell(before="fill() { BUFFER=$(<~/long) }; zle -N fill; bindkey ^X fill")
    terminal.press("C-x", "C-g")
    terminal.wait_line("ls -la")


def test_a_frozen_daemon_takes_no_long_line_and_gives_it_back(home: ZshHome) -> None:
    """300 KiB are more than a socket holds, so somebody would have to read. (zle shows no message
    below a line that is longer than the screen.)"""
    length = 300 * 1024
    (home.path / "long").write_text("#" * length)
    pid = home.start_daemon()
    terminal = home.shell(
        before="fill() { BUFFER=$(<~/long) }; zle -N fill; bindkey ^X fill\n"
        "state() { print $#BUFFER $_cmdai_asking > ~/state }; zle -N state; bindkey ^O state"
    )
    state = home.path / "state"
    os.kill(pid, signal.SIGSTOP)
    try:
        terminal.press("C-x", "C-g", "C-o")
        terminal.wait(state.exists, "the key to return", 10)
        terminal.wait(lambda: state.read_text() == f"{length} 0\n", "the line, and no request")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_ctrl_c_gives_a_line_back_that_could_not_even_be_sent(
    home: ZshHome, runtime_dir: Path
) -> None:
    """Nobody accepts and the queue is full: connecting waits for ever."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(runtime_dir / "hook.sock"))
        listener.listen(0)
        first.connect(str(runtime_dir / "hook.sock"))
        terminal = home.shell()
        terminal.type("words here")
        terminal.press("C-b", "C-b")
        terminal.wait(lambda: terminal.cursor()[0] == len("READY> words he"), "the cursor to move")
        terminal.press("C-g")
        connecting = Path(f"/proc/{terminal.shell_pid}/wchan")
        terminal.wait(lambda: "unix" in connecting.read_text(), "zsh to hang in connect()")
        terminal.press("C-c")
        terminal.wait_screen("^cmdai: cancelled")
        terminal.wait_line("words here")
        assert terminal.cursor()[0] == len("READY> words he")


@pytest.mark.parametrize("place", ["before", "after"])
def test_ctrl_c_works_whatever_the_persons_line_widgets_return(home: ZshHome, place: str) -> None:
    home.start_daemon()
    theirs = "zle-line-init() { return 1 }; zle -N zle-line-init; autoload add-zle-hook-widget\n"
    theirs += (
        "fails() { return 1 }; for h in init finish; do add-zle-hook-widget line-$h fails; done"
    )
    terminal = home.shell(**{place: theirs})
    press(terminal, "hang on")
    terminal.wait_screen("^cmdai: thinking")
    terminal.press("C-c")
    terminal.wait_screen("^cmdai: cancelled")
    assert terminal.line() == "hang on"


def test_what_is_typed_right_after_ctrl_c_goes_where_the_cursor_was(home: ZshHome) -> None:
    home.start_daemon()
    slow = "slow() { [[ ! -e ~/slow ]] || { print SLOW; sleep 1 } }; precmd_functions+=(slow)"
    terminal = home.shell(after=slow)
    terminal.type("hang on there")
    terminal.press("C-a", "C-f", "C-g")
    terminal.wait_screen("^cmdai: thinking")
    (home.path / "slow").touch()
    terminal.press("C-c")
    terminal.wait_screen("^SLOW")
    terminal.type("X")
    terminal.wait_line("hXang on there")


def test_new_words_are_a_new_request(home: ZshHome) -> None:
    """Cleared, typed and pressed in one go: the editor was never idle in between."""
    home.start_daemon()
    terminal = home.shell()
    press(terminal, "hang on")
    terminal.wait_screen("^cmdai: thinking")
    terminal.press("C-u", *"list", "Space", *"files", "C-g")
    terminal.wait_line("ls -la")


def test_explaining_new_words_does_not_bring_the_old_ones_back(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell()
    press(terminal, "hang on")
    terminal.wait_screen("^cmdai: thinking")
    terminal.press("C-u", "l", "s", "M-g")
    terminal.wait_screen("^cmdai: .*ls")
    assert terminal.line() == "ls"


def test_a_line_of_64_kib_goes_and_comes_back(
    home: ZshHome, play: Callable[..., PlayedDaemon]
) -> None:
    long = "x" * 65536
    daemon = play(f"Techo {long}\n", f"Techo {long} done\n", "D\n")
    terminal = home.shell(before="fill() { BUFFER=${(l:65536::x:)} }; zle -N fill; bindkey ^X fill")
    terminal.press("C-x")
    terminal.press("C-g")
    terminal.wait_screen("x done$")
    assert daemon.records[0]["line"] == long.encode()


def test_the_window_may_change_while_it_waits(home: ZshHome) -> None:
    home.start_daemon()
    terminal = home.shell()
    press(terminal, "slowly find")
    terminal.wait_screen(r"READY> find \.")
    terminal.resize(60, 12)
    terminal.wait_line("find . -name '*.py' -mtime -1")
    terminal.wait_screen("scripted")


def test_it_works_with_the_runtime_folder_found_by_xdg(home: ZshHome, runtime_dir: Path) -> None:
    terminal = home.shell(CMDAI_RUNTIME_DIR="", XDG_RUNTIME_DIR=str(runtime_dir))
    press(terminal, "list files")
    terminal.wait_line("ls -la")
    assert (runtime_dir / "cmdai-shell" / "hook.sock").is_socket()
    home.runtime_dir = runtime_dir / "cmdai-shell"
    os.kill(home.daemon_pid(), signal.SIGTERM)


def test_a_path_too_long_for_a_socket_becomes_a_short_one(home: ZshHome, tmp_path: Path) -> None:
    """The limit is in bytes: 60 times two of them are too many."""
    show = "f() { local folder; _cmdai_folder; print -r -- $folder }; f"
    ask = f". {home.hook}; _cmdai_first_press 0 true; {show}"
    long = f"XDG_RUNTIME_DIR={tmp_path}/{'é' * 60}"
    done = home.run(f"{long}; {ask}", "-f", "-i")
    assert done.stdout.strip() == str(home.runtime_dir)
    done = home.run(f"unset CMDAI_RUNTIME_DIR; {long}; {ask}", "-f", "-i")
    assert done.stdout.strip() == f"/tmp/cmdai-shell-{os.getuid()}"
