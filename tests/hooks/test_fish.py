"""What only fish can get wrong: its pager, its prompt, its vi mode, its event loop."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import paths
from cmdai_shell.config.paths import resource
from tests.hooks.conftest import FOLDERS, Lab, eventually
from tests.hooks.zsh import PlayedDaemon

if TYPE_CHECKING:
    from tests.hooks.terminal import Terminal

pytestmark = pytest.mark.hooks


def suggest(terminal: Terminal, words: str = "list files", command: str = "ls -la") -> None:
    terminal.type(words)
    terminal.wait_line(words)
    terminal.press("C-g")
    terminal.wait_line(command)


SETTINGS = {
    "functions": "function nc; echo NO; end; function math; echo NO; end; function count; end",
    "printf": "function printf; echo fish itself calls this one; end",
    "aliases": "alias nc 'echo NO'; alias cat 'echo NO'; alias echo 'echo NO'",
    "abbreviations": "abbr -a ls echo",
    "no size": "set -e COLUMNS; set -e LINES",
    "C locale": "set -gx LC_ALL C",
    "right prompt": "function fish_right_prompt; echo right; end",
    "IFS": "set -g IFS x",
    "universal names": "set -g line 1; set -g op x; set -g folder y; set -g kind z",
    "autosuggestions": "set -g fish_autosuggestion_enabled 1",
    "greeting": "set -g fish_greeting hello",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_any_setting(lab: Lab, setting: str) -> None:
    terminal = lab.open("fish", after=SETTINGS[setting])
    terminal.type("list files")
    terminal.press("C-g")
    terminal.wait(lambda: terminal.line().startswith("ls -la"), "the command")
    terminal.press("C-g")
    terminal.wait(lambda: terminal.line().startswith("ls -1A"), "the alternative")


@pytest.mark.parametrize("mode", ["default", "insert"])
def test_vi_mode(lab: Lab, mode: str) -> None:
    terminal = lab.open("fish", after="fish_vi_key_bindings; function fish_mode_prompt; end")
    terminal.type("list files")
    terminal.wait_line("list files")
    if mode == "default":
        terminal.press("Escape")
    terminal.press("C-g")
    terminal.wait_line("ls -la")


def test_in_the_pager_the_key_still_cancels(lab: Lab) -> None:
    (lab.folder / "aa1").touch()
    (lab.folder / "aa2").touch()
    terminal = lab.open("fish", after=f"cd {lab.folder}")
    terminal.type("echo a")
    terminal.press("Tab", "Tab")
    terminal.wait_screen("^aa1")
    terminal.press("C-g")
    terminal.wait(lambda: not re.search("^aa1", terminal.screen(), re.M), "the pager to close")
    assert not lab.daemon.pid


def test_the_preview_stands_below_the_line_and_goes(lab: Lab) -> None:
    terminal = lab.open("fish")
    terminal.type("slowly find python")
    terminal.press("C-g")
    terminal.wait_screen(r"^find \.")
    assert terminal.line() == "slowly find python"
    terminal.wait_line("find . -name '*.py' -mtime -1")
    assert len(re.findall("find", terminal.screen())) == 1


def test_the_preview_fits_at_the_bottom_of_the_screen(lab: Lab) -> None:
    terminal = lab.open("fish", rows=6)
    for _ in range(8):
        terminal.press("Enter")
    suggest(terminal, "slowly find python", "find . -name '*.py' -mtime -1")
    assert "slowly" not in terminal.screen()


def test_one_message_row_for_all_alternatives(lab: Lab) -> None:
    terminal = lab.open("fish")
    suggest(terminal)
    terminal.press("C-g")
    terminal.wait_line("ls -1A")
    terminal.press("C-g")
    terminal.wait_line("find . -maxdepth 1")
    assert terminal.screen().count("cmdai: ") == 1


def test_a_line_of_several_rows_comes_back_whole(lab: Lab) -> None:
    terminal = lab.open("fish")
    words = "fail " + "word " * 30 + "end"
    terminal.type(words)
    terminal.wait_line(words)
    terminal.press("C-a", "C-g")
    terminal.wait_screen("cmdai: .*down")
    terminal.wait_line(words)


LONG = "find . -type f -size +100M -printf '%s %p' | sort -rn | head -n 20 | cut -f2"
NOTICE = "qwen2.5-coder-0.5b on this CPU (no server answered), 1.2 s"
WARNING = f"deletes all that is below this folder, and there is no way back: {NOTICE}"


def wrapped(text: str, columns: int) -> list[str]:
    return [text[n : n + columns].rstrip() for n in range(0, len(text), columns)]


@pytest.mark.parametrize("rows", [24, 7])
@pytest.mark.parametrize("columns", [80, 50])
@pytest.mark.parametrize("prompt", ["READY> ", "a row above\\nREADY> "])
@pytest.mark.parametrize("words", ["large files", "the large files of this folder " * 3])
@pytest.mark.parametrize("message", [NOTICE, WARNING])
def test_the_message_is_whole_however_many_rows_all_has(
    lab: Lab, runtime_dir: Path, rows: int, columns: int, prompt: str, words: str, message: str
) -> None:
    """And the person's rows above are as they were, wherever on the screen the prompt is."""
    played = PlayedDaemon(
        runtime_dir, f"T{LONG}\n", f"Wdangerous\x1f{message}\n", f"M{message}\n", "D\n"
    )
    after = f"function fish_prompt; builtin printf '{prompt}'; end"
    terminal = lab.open("fish", after=after, rows=rows, columns=columns)
    terminal.type("printf '%s\\n' 1 2 3 4")
    terminal.press("Enter")
    terminal.wait_screen(r"^4\n(a row above\n)?READY>$")
    terminal.type(words)
    terminal.wait_line(words.rstrip())
    above = ["1", "2", "3", "4", *wrapped(f"cmdai: {message}", columns), *prompt.split("\\n")[:-1]]
    expected = [*above, *wrapped(f"READY> {LONG}", columns)]

    def shown() -> list[str]:
        return terminal.scrollback_rows()[-len(expected) :]

    for number in (1, 2):  # an alternative's message stands in the place of the first
        terminal.press("C-g")
        terminal.wait(lambda count=number: len(played.records) == count, "the request")
        terminal.wait(lambda: shown() == expected, "\n".join(expected))
    played.close()


PROMPTS = {
    "colours": "set_color green; echo -n here; set_color normal; echo -n ' READY> '",
    "too wide": "string repeat -N -n 90 w; echo -n ' READY> '",
    "wide": "echo -n '日本 READY> '",
    "a right one": "echo -n 'READY> '; end; function fish_right_prompt; echo -n right",
}


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("place", ["C-e", "C-a", "Left"])
def test_the_message_stays_above_any_prompt(
    lab: Lab, runtime_dir: Path, prompt: str, place: str
) -> None:
    """The words end in the last column, and with the blank after them the cursor is in the next
    row."""
    played = PlayedDaemon(runtime_dir, f"T{LONG}\n", f"M{NOTICE}\n", "D\n")
    after = f"function fish_prompt; {PROMPTS[prompt]}; end"
    terminal = lab.open("fish", after=after, columns=60, wait=False)
    terminal.wait_screen("READY")
    words = "x" * (60 - terminal.cursor()[0] % 60)
    terminal.type(f"{words} y")
    terminal.wait_screen(r"x y$|^ y$")
    terminal.press(place)
    terminal.press("C-g")
    terminal.wait(lambda: LONG in terminal.scrollback(), LONG)
    terminal.wait(lambda: bool(played.records), "the request")
    first, second, *_ = terminal.screen().split("\n")
    assert first.rstrip() == f"cmdai: {NOTICE}"[:60].rstrip()
    assert second.rstrip() == f"cmdai: {NOTICE}"[60:].rstrip()
    assert terminal.screen().count("READY") == 1
    played.close()


@pytest.mark.parametrize("words", ['fail to say "hello wor', "fail it's", "fail (date"])
def test_half_a_command_stays_as_it_is(lab: Lab, words: str) -> None:
    terminal = lab.open("fish")
    terminal.type(words)
    terminal.wait_line(words)
    terminal.press("Left", "Left", "C-g")
    terminal.wait_screen("cmdai: .*down")
    terminal.wait_line(words)
    assert terminal.screen().count("cmdai: ") == 1
    terminal.type("X")
    terminal.wait_line(f"{words[:-2]}X{words[-2:]}")


def test_a_person_who_cancels_nothing_sees_nothing(lab: Lab) -> None:
    terminal = lab.open("fish")
    terminal.type("echo a")
    terminal.press("C-c")
    terminal.wait_line("")
    suggest(terminal)


def fish(lab: Lab, script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [lab.program("fish"), "--no-config", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        env={"PATH": os.environ["PATH"], "HOME": str(lab.folder), **env},
    )


def test_a_shell_without_a_line_gets_nothing(lab: Lab) -> None:
    done = fish(lab, f"source {lab.hook('fish')}; functions -q _cmdai_key; echo $status", {})
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize("case", FOLDERS)
def test_hook_and_daemon_agree_on_the_folder(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    for name in ("CMDAI_RUNTIME_DIR", "XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in FOLDERS[case].items():
        monkeypatch.setenv(name, value)
    script = f"source {resource('shell-hooks/press.fish')}; _cmdai_find_folder; "
    script += "echo $_cmdai_folder"
    done = fish(lab, script, {"LC_ALL": "C.UTF-8", **FOLDERS[case]})
    assert done.stdout.strip() == str(paths.runtime_dir())


@pytest.mark.parametrize(
    ("written", "sent"), [("^G", "07"), ("^X^G", "1807"), ("^[g", "1b67"), (r"\C-xe", "1865")]
)
def test_keys_as_a_person_writes_them(lab: Lab, written: str, sent: str) -> None:
    hook = lab.hook("fish")
    hook.write_text(hook.read_text().replace("status is-interactive", "true"))
    done = fish(lab, f"source {hook}; printf %s (_cmdai_sequence '{written}') | od -An -tx1", {})
    assert done.stdout.replace(" ", "").strip() == sent


def test_a_hook_whose_other_half_is_gone_says_so(lab: Lab) -> None:
    terminal = lab.open("fish", after="set _cmdai_press /nowhere")
    terminal.type("list files")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: cmdai-shell is gone from its place")
    terminal.wait_line("list files")


# --- Pipes ---------------------------------------------------------------------------------------


class PlayedPipes:
    """A daemon whose socket answers "ls -la" and names ``holder`` as the one who holds the pipes.

    In a pipe it says ``lines``, where {turn} is the number of the press; None: nobody is there.
    """

    def __init__(self, folder: Path, lines: str | None, holder: int | None = None) -> None:
        self.socket = PlayedDaemon(
            folder, f"K{holder or os.getpid()}\n", "Tls -la\n", "A1/2\n", "I0\n", "D\n"
        )
        self.records: list[dict[str, str]] = []
        self._folder, self._lines = folder, lines

    def make(self) -> None:
        """What the daemon does at the first press."""
        base = self._folder / self.socket.records[0]["pipes"].decode()
        for end in (".ask", ".answer"):
            os.mkfifo(f"{base}{end}", 0o600)
        if self._lines is not None:
            self._ask, self._answer = (
                os.open(f"{base}{e}", os.O_RDWR) for e in (".ask", ".answer")
            )
            threading.Thread(target=self._serve, daemon=True).start()

    def say(self, lines: str) -> None:
        os.write(self._answer, lines.encode())

    def _serve(self) -> None:
        unread = b""
        while data := os.read(self._ask, 1 << 16):
            unread += data
            *records, unread = unread.split(b"\x1e")
            for record in records:
                fields = (field.partition("=") for field in record.decode().split("\x1f"))
                self.records.append({name: value for name, _, value in fields})
                self.say(str(self._lines).format(turn=self.records[-1]["turn"]))


def test_a_later_press_runs_no_program_whatever(lab: Lab) -> None:
    programs, started = lab.folder / "programs", lab.folder / "started"
    programs.mkdir()
    for name in ("dd", "sh", "stty", "tty", "cat", "nc", "uname"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >> {started}\n")
        (programs / name).chmod(0o755)
    terminal = lab.open("fish", after=f"set -gx PATH {programs} $PATH")
    suggest(terminal)
    started.unlink(missing_ok=True)
    for command in ("ls -1A", "find . -maxdepth 1"):
        terminal.press("C-g")
        terminal.wait_line(command)
    assert not started.exists()


def test_what_an_earlier_press_left_in_the_pipe_is_no_answer(lab: Lab, runtime_dir: Path) -> None:
    stale = "Trm -rf stale\nWsafe\x1f\nMstale\nD\n@{turn}0\n@{turn}\n"
    played = PlayedPipes(runtime_dir, stale + "Wsafe\x1f\nA2/2\nTls -1A\nMfresh\nI0\nD\n")
    terminal = lab.open("fish")
    suggest(terminal)
    played.make()
    for turn in ("1", "2"):
        terminal.press("C-g")
        eventually(lambda: len(played.records) == int(turn), "the press")  # noqa: B023  at once
        terminal.wait_line("ls -1A")
        terminal.wait_screen("^cmdai: fresh")
        assert played.records[-1]["turn"] == turn
    assert "stale" not in terminal.scrollback()
    assert len(played.socket.records) == 1


@pytest.mark.parametrize("holder", ["a zombie", "nobody"])
def test_pipes_of_a_process_that_is_no_more_are_not_opened(
    lab: Lab, runtime_dir: Path, holder: str
) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        played = PlayedPipes(runtime_dir, None, process.pid)
        terminal = lab.open("fish")
        suggest(terminal)
        played.make()
        process.kill()
        if holder == "nobody":
            process.wait()
        else:
            state = Path(f"/proc/{process.pid}/stat")
            eventually(lambda: ") Z " in state.read_text(), "the end of the process")
        terminal.press("C-g")
        eventually(lambda: len(played.socket.records) == 2, "a press by the socket")
        terminal.wait_line("ls -la")


def test_another_process_under_the_daemons_number_is_not_the_daemon(lab: Lab) -> None:
    terminal = lab.open("fish")
    suggest(terminal)
    terminal.press("C-u")
    terminal.type("set _cmdai_daemon $fish_pid")
    terminal.press("Enter")
    terminal.wait_line("")
    lab.daemon.kill()
    suggest(terminal, "delete build", "rm -rf ./build")


def test_ctrl_c_in_a_piped_press_gives_line_and_cursor_back(lab: Lab) -> None:
    terminal = lab.open("fish")
    suggest(terminal)
    for press in (1, 2):
        terminal.press("C-u")
        terminal.wait_line("")
        terminal.type("hang on a moment")
        terminal.wait_line("hang on a moment")
        terminal.press("Left", "C-g")
        terminal.wait_screen("thinking")
        terminal.press("C-c")
        terminal.wait(lambda: "thinking" not in terminal.screen(), "the preview to go", 3)
        eventually(lambda: lab.daemon.log().count("cancelled") == press, "the end")  # noqa: B023
        terminal.type("X")
        terminal.wait_line("hang on a momenXt")
        terminal.press("C-e")
    terminal.press("C-u")
    suggest(terminal)


def test_ctrl_c_before_a_word_of_an_answer_sends_nothing_by_the_socket(
    lab: Lab, runtime_dir: Path
) -> None:
    played = PlayedPipes(runtime_dir, "")
    terminal = lab.open("fish")
    suggest(terminal)
    played.make()
    terminal.press("Left", "C-g")
    eventually(lambda: len(played.records) == 1, "the press")
    terminal.press("C-c")
    terminal.type("X")
    played.say("\n")
    terminal.wait_line("ls -lXa")
    assert len(played.socket.records) == 1


def test_a_key_that_the_daemon_has_seen_ends_the_press_at_once(lab: Lab, runtime_dir: Path) -> None:
    played = PlayedPipes(runtime_dir, "@{turn}\n")
    terminal = lab.open("fish")
    suggest(terminal)
    played.make()
    terminal.press("C-g")
    eventually(lambda: len(played.records) == 1, "the press")
    terminal.type(" X")
    terminal.press("Enter")
    played.say("I3\n")
    terminal.wait_screen("stopped by Enter: nothing was run")
    terminal.wait_line("ls -la X")
    assert len(played.socket.records) == 1


@pytest.mark.parametrize("words", ["x" * 4000, "日本" * 600], ids=["bytes", "characters"])
def test_what_a_pipe_may_not_hold_goes_by_the_socket(
    lab: Lab, runtime_dir: Path, words: str
) -> None:
    played = PlayedPipes(runtime_dir, "")
    terminal = lab.open("fish", after=f"bind \\co 'commandline -r {words}'")
    suggest(terminal)
    played.make()
    terminal.press("C-o", "C-g")
    eventually(lambda: len(played.socket.records) == 2, "a press by the socket")
    assert played.records == []
    assert played.socket.records[1]["line"].decode() == words
