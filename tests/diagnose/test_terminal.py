from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.diagnose.terminal import VSCODE_COMMAND
from tests.diagnose.conftest import look

if TYPE_CHECKING:
    from cmdai_shell.diagnose.surroundings import Surroundings


@pytest.mark.parametrize(
    ("name", "environ", "severity"),
    [
        ("terminal", {"TERM": "xterm-256color"}, "ok"),
        ("terminal", {"TERM": "dumb"}, "warn"),
        ("terminal", {}, "warn"),
        ("locale", {"LANG": "en_US.UTF-8"}, "ok"),
        ("locale", {"LANG": "C.utf8"}, "ok"),
        ("locale", {"LANG": "de_DE.UTF-8@euro"}, "ok"),
        ("locale", {"LC_CTYPE": "UTF-8"}, "ok"),
        ("locale", {"LANG": "C", "LC_ALL": "C.UTF-8"}, "ok"),
        ("locale", {"LANG": "C.UTF-8", "LC_ALL": "C"}, "warn"),
        ("locale", {"LANG": "en_US.ISO-8859-1"}, "warn"),
        ("locale", {}, "warn"),
        ("tmux", {"TERM": "xterm"}, "ok"),
        ("tmux", {"TERM": "tmux-256color", "TMUX": "/tmp/tmux,1,0"}, "ok"),
        ("tmux", {"TERM": "screen", "TMUX": "/tmp/tmux,1,0"}, "ok"),
        ("tmux", {"TERM": "xterm", "TMUX": "/tmp/tmux,1,0"}, "warn"),
        ("vscode", {"TERM_PROGRAM": "iTerm.app"}, "ok"),
        ("vscode", {"TERM_PROGRAM": "vscode"}, "warn"),
        ("vscode", {"TERM_PROGRAM": "vscode", "CMDAI_KEY": "^O"}, "ok"),
        ("warp", {"TERM_PROGRAM": "WarpTerminal"}, "warn"),
        ("warp", {"TERM_PROGRAM": "vscode"}, "ok"),
    ],
)
def test_environment(
    healthy: Surroundings, name: str, environ: dict[str, str], severity: str
) -> None:
    found = look(name, healthy, environ=environ)
    assert found.severity == severity
    assert bool(found.cure) == (severity != "ok")


def test_the_cure_of_a_locale_outranks_what_is_set(healthy: Surroundings) -> None:
    assert look("locale", healthy, environ={"LC_ALL": "C"}).cure == "export LC_ALL=C.UTF-8"
    assert look("locale", healthy, environ={}, system="Darwin").cure == "export LC_CTYPE=UTF-8"


VSCODE = {"TERM_PROGRAM": "vscode"}


class TestVscode:
    def test_the_cure_is_a_setting_to_paste(self, healthy: Surroundings) -> None:
        cure = look("vscode", healthy, environ=VSCODE).cure
        setting = json.loads("{" + cure.partition(": ")[2] + "}")
        assert setting == {"terminal.integrated.commandsToSkipShell": [VSCODE_COMMAND]}

    def test_the_setting_is_made(self, healthy: Surroundings) -> None:
        settings = healthy.home / ".config/Code/User/settings.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'{{"terminal.integrated.commandsToSkipShell": ["{VSCODE_COMMAND}"]}}')
        assert look("vscode", healthy, environ=VSCODE).severity == "ok"
        settings.write_text("{}")
        assert look("vscode", healthy, environ=VSCODE).severity == "warn"

    def test_on_macos_it_is_another_key(self, healthy: Surroundings) -> None:
        assert look("vscode", healthy, environ=VSCODE, system="Darwin").severity == "ok"
