"""What only fish can get wrong: its pager, its prompt, its vi mode, its event loop."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import paths
from cmdai_shell.config.paths import resource
from tests.hooks.conftest import FOLDERS, Lab

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
