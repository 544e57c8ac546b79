"""The commands as typed; what they write is tested in tests/hooks/test_install.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.hooks.install import hook_file, rc_file

if TYPE_CHECKING:
    from tests.cli.conftest import Call


def test_what_was_written_and_what_comes_next(call: Call) -> None:
    code, out, err = call("install", "--shell", "bash")
    assert (code, err) == (0, "")
    assert "written ~/.bashrc" in out
    assert f". {hook_file('bash')}" in out
    assert not rc_file("zsh").exists()


def test_a_second_time_changes_nothing(call: Call) -> None:
    call("install", "--shell", "bash")
    before = rc_file("bash").read_bytes()
    code, out, _ = call("install", "--shell", "bash")
    assert (code, rc_file("bash").read_bytes()) == (0, before)
    assert "in place already" in out


def test_dry_run_says_it_and_writes_nothing(call: Call) -> None:
    code, out, _ = call("install", "--shell", "fish", "--dry-run")
    assert code == 0
    assert "would have written" in out
    assert not hook_file("fish").exists()
    assert not rc_file("fish").exists()


def test_a_program_that_is_not_on_the_path(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "venv" / "bin" / "cmdai-shell"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    path = os.environ["PATH"]
    with monkeypatch.context() as moved:
        moved.setattr("sys.executable", str(program.parent / "python"))
        moved.setenv("PATH", "/usr/bin:/bin")
        out = call("install", "--shell", "bash")[1]
        assert f'export PATH="{program.parent}:$PATH"' in out
        assert f"fish_add_path {program.parent}" in out
        moved.setenv("PATH", f"{program.parent}:{path}")
        assert "PATH" not in call("install", "--shell", "bash")[1]


def test_uninstall(call: Call) -> None:
    assert call("uninstall")[:2] == (0, "no hook is installed\n")
    call("install", "--shell", "zsh")
    code, out, _ = call("uninstall")
    assert code == 0
    assert "removed" in out
    assert not rc_file("zsh").exists()


def test_an_rc_file_that_is_a_folder(call: Call) -> None:
    (Path.home() / ".bashrc").mkdir()
    code, _, err = call("install", "--shell", "bash")
    assert code == 1
    assert ".bashrc" in err
    assert "Traceback" not in err
    assert not hook_file("bash").exists()


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_an_unknown_shell(call: Call, command: str) -> None:
    code, out, err = call(command, "--shell", "tcsh")
    assert (code, out) == (2, "")
    assert "'bash', 'zsh', 'fish'" in err


def test_no_shell_at_all(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmdai_shell.cli.install.shells_here", tuple)
    code, _, err = call("install")
    assert code == 2
    assert "--shell" in err
