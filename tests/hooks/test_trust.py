"""What no shell trusts: the text of a line, the answer of a model, a folder of who knows whom."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.hooks.conftest import SHELLS, Daemon, Lab, eventually

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from tests.hooks.terminal import Terminal

pytestmark = [pytest.mark.hooks, pytest.mark.parametrize("shell", SHELLS)]


def press_on(terminal: Terminal, words: str) -> None:
    terminal.type(words)
    terminal.wait_line(words)
    terminal.press("C-g")


def filled(lab: Lab, shell: Shell, text: str, **options: str) -> Terminal:
    """A shell in which Ctrl-O puts the text on the line, whatever it holds, and Ctrl-T writes the
    line to the file "held"."""
    (lab.folder / "text").write_text(text)
    held = lab.folder / "held"
    fill = {
        "bash": f"""bind -x '"\\C-o": READLINE_LINE=$(<{lab.folder}/text) READLINE_POINT=99999'""",
        "zsh": f"fill() {{ BUFFER=$(<{lab.folder}/text) }}; zle -N fill; bindkey '^O' fill",
        "fish": f"function fill; commandline -r -- (cat {lab.folder}/text | string collect); end; "
        "bind \\co fill",
    }
    keep = {
        "bash": f"""bind -x '"\\C-t": printf %s "$READLINE_LINE" >{held}'""",
        "zsh": f"keep() {{ print -rn -- $BUFFER >{held} }}; zle -N keep; bindkey '^T' keep",
        "fish": f"function keep; commandline -b | string collect >{held}; end; bind \\ct keep",
    }
    return lab.open(shell, after=f"{fill[shell]}\n{keep[shell]}", env=options)


# --- The line ------------------------------------------------------------------------------------

STEERING = {
    "OSC": "fail \x1b]0;PWNED\x07 x",
    "C1 OSC": "fail \x9d0;PWNED\x9c x",
    "CSI": "fail \x1b[2J\x1b[31m\x1b[6n x",
    "C1 CSI": "fail \x9b2J\x85 x",
}


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
@pytest.mark.parametrize("kind", STEERING)
def test_what_stands_on_the_line_steers_no_terminal(
    lab: Lab, shell: Shell, kind: str, locale: str
) -> None:
    if shell == "fish":
        pytest.skip("fish itself writes such a line as it is; ours draws only what was answered")
    terminal = filled(lab, shell, STEERING[kind], LC_ALL=locale)
    title, written = terminal.title(), terminal.record()
    terminal.press("C-o")
    terminal.wait_screen("READY> fail ")
    terminal.press("C-g")
    terminal.wait_screen("^cmdai: .*scripted backend is down")
    assert terminal.title() == title
    drawn = re.findall(r"\x1b\[2m(.*?)\x1b\[0m", written.read_text(errors="replace"), re.S)
    assert shell == "zsh" or len(drawn) > 1  # zle draws for itself there
    assert [text for text in drawn if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)] == []


# --- The answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "command"), [("talk to me", "date -u"), ("escape the terminal", "echo redgreen")]
)
def test_a_hostile_answer_arrives_as_a_plain_command(
    terminal: Terminal, words: str, command: str
) -> None:
    title = terminal.title()
    press_on(terminal, words)
    terminal.wait_line(command)
    terminal.type("X")
    terminal.wait_line(f"{command}X")
    assert terminal.title() == title


def test_strict_refuses_a_critical_command(lab: Lab, shell: Shell) -> None:
    folder = Path(os.environ["CMDAI_CONFIG_DIR"])
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text('safety_level = "strict"\n')
    terminal = lab.open(shell)
    for _ in range(2):
        press_on(terminal, "wipe the root")
        terminal.wait_screen("cmdai: .*refused")
        terminal.wait_line("wipe the root")
        terminal.press("C-e", "C-u", "C-l")
        terminal.wait(lambda: terminal.screen() == "READY>", "an empty screen")


def test_each_shell_has_its_own_safety_level_with_the_same_daemon(
    lab: Lab, shell: Shell, daemon: Daemon
) -> None:
    permissive = lab.open(shell, env={"CMDAI_SAFETY_LEVEL": "permissive"})
    press_on(permissive, "wipe the root")
    permissive.wait_line("rm -rf /")
    first = daemon.pid
    strict = lab.open(shell, env={"CMDAI_SAFETY_LEVEL": "strict"})
    press_on(strict, "wipe the root")
    strict.wait_screen("^cmdai: refused")
    strict.wait_line("wipe the root")
    moderate = lab.open(shell)
    press_on(moderate, "wipe the root")
    moderate.wait_screen("^cmdai: .*press again")
    moderate.wait_line("wipe the root")
    assert daemon.pid == first


# --- The folder ----------------------------------------------------------------------------------


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_not_trusted(terminal: Terminal, daemon: Daemon) -> None:
    os.chown(daemon.folder, 65534, 65534)
    try:
        press_on(terminal, "list files")
        terminal.wait_screen("cmdai: .*belongs to somebody else")
        terminal.wait_line("list files")
    finally:
        os.chown(daemon.folder, os.getuid(), os.getgid())
    assert not daemon.pid


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_link_to_a_folder_of_ours_is_not_followed(
    lab: Lab, shell: Shell, daemon: Daemon, slash: str
) -> None:
    """Whoever made the link can point it elsewhere between the look and the connection."""
    press_on(other := lab.open(shell), "list files")
    other.wait_line("ls -la")
    eventually(lambda: bool(daemon.pid), "a daemon that would answer")
    link = daemon.folder / "link"
    link.symlink_to(daemon.folder)
    terminal = lab.open(shell, env={"CMDAI_RUNTIME_DIR": f"{link}{slash}"})
    press_on(terminal, "list files")
    terminal.wait_screen("cmdai: .* is a link")
    terminal.wait_line("list files")


# --- Its length ----------------------------------------------------------------------------------

WORD = 65536
LONG = {
    "one word": "list files " + "x" * WORD,
    "words": "list files " + "word " * (WORD // 5),
    "dashes": "list files " + "a-" * (WORD // 2),
    "quotes": "list files " + '"it\'s" ' * (WORD // 7),
    "wide": "list files " + "日本 " * (WORD // 7),
}


@pytest.mark.parametrize("kind", LONG)
def test_a_line_of_64_kib_becomes_a_command(lab: Lab, shell: Shell, kind: str) -> None:
    terminal = filled(lab, shell, LONG[kind])
    terminal.press("C-o", "C-g")
    terminal.wait_line("ls -la", 30)


@pytest.mark.parametrize("kind", LONG)
def test_a_line_of_64_kib_comes_back_whole(lab: Lab, shell: Shell, kind: str) -> None:
    """Its length and its end: a shell shows only what fits its screen."""
    text = LONG[kind].replace("list files", "fail") + "END"
    held = lab.folder / "held"
    terminal = filled(lab, shell, text)
    terminal.press("C-o", "C-g")
    eventually(lambda: "no-backend" in lab.daemon.log(), "the failure", 30)
    terminal.press("C-t")
    eventually(lambda: held.exists() and held.read_text().rstrip("\n") == text, "the whole line")
