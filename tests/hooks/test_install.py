"""The hooks put into a home folder and taken out of it."""

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from cmdai_shell.cli.install import init, install, uninstall
from cmdai_shell.config.paths import data_dir
from cmdai_shell.errors import CmdaiError
from cmdai_shell.hooks import install as installation
from cmdai_shell.hooks.render import SHELLS
from tests.hooks.terminal import require

ODD_RC = b"# latin-1: caf\xe9\nexport A=1"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_install_and_uninstall_leave_every_file_as_it_was(home: Path) -> None:
    (home / ".bashrc").write_bytes(ODD_RC)
    (home / ".bashrc").chmod(0o640)
    (home / ".zshrc").write_bytes(b"")
    before = tree(home)
    installation.install(SHELLS)
    assert (home / ".config/fish/conf.d/cmdai-shell.fish").exists()
    assert installation.install(SHELLS) == []
    assert (home / ".bashrc").stat().st_mode & 0o777 == 0o640
    hooks = list((data_dir() / "hooks").iterdir())
    assert {hook.stat().st_mode & 0o777 for hook in hooks} == {0o600}
    installation.uninstall()
    assert tree(home) == before
    assert list((data_dir() / "hooks").iterdir()) == []


def test_a_linked_dotfile_stays_a_link(home: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "zshrc"
    kept.parent.mkdir()
    kept.write_text("alias l=ls\n")
    (home / ".zshrc").symlink_to(kept)
    installation.install(["zsh"])
    assert (home / ".zshrc").is_symlink()
    assert "cmdai.zsh" in kept.read_text()
    installation.uninstall()
    assert kept.read_text() == "alias l=ls\n"


def test_zdotdir_is_where_zsh_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDOTDIR", str(tmp_path / "z"))
    installation.install(["zsh"])
    assert (tmp_path / "z" / ".zshrc").exists()


def test_one_file_that_cannot_be_written_and_none_is(home: Path) -> None:
    (home / ".bashrc").write_bytes(ODD_RC)
    (home / ".zshrc").write_bytes(b"")
    (home / ".config").write_text("not a folder")
    before = tree(home)
    with pytest.raises(CmdaiError, match=r"cmdai-shell\.fish"):
        installation.install(SHELLS)
    assert tree(home) == before
    assert not list((data_dir() / "hooks").glob("*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_file_is_left_alone(home: Path) -> None:
    (home / ".bashrc").write_bytes(ODD_RC)
    (home / ".bashrc").chmod(0o400)
    with pytest.raises(CmdaiError, match="read-only"):
        installation.install(["bash"])
    assert (home / ".bashrc").read_bytes() == ODD_RC


@pytest.mark.parametrize("shell", SHELLS)
def test_the_line_is_silent_and_true_when_the_hook_is_gone(shell: str) -> None:
    line = installation.rc_line(shell)  # type: ignore[arg-type]
    done = subprocess.run([require(shell), "-c", line], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_macos_login_bash_gets_a_note(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert "bash_profile" in installation.notes(["bash"])[0]
    (home / ".bash_profile").write_text(". ~/.bashrc\n")
    assert installation.notes(["bash"]) == []
    assert installation.notes(["zsh"]) == []


def test_the_commands_say_what_they_did(home: Path) -> None:
    run = CliRunner().invoke
    said = run(install, ["--shell", "bash", "--dry-run"]).output
    assert "would have written ~/.bashrc" in said
    assert not (home / ".bashrc").exists()
    said = run(install, ["--shell", "bash"]).output
    assert "written ~/.bashrc" in said
    assert "open a new shell, or run: . " in said
    assert "in place already" in run(install, ["--shell", "bash"]).output
    assert "removed ~/.bashrc" in run(uninstall, []).output
    assert "no hook is installed" in run(uninstall, []).output


@pytest.mark.parametrize("shell", SHELLS)
def test_init_prints_the_hook(shell: str) -> None:
    done = CliRunner().invoke(init, [shell])
    assert done.exit_code == 0
    assert "_cmdai_key" in done.output
