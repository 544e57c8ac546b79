from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.diagnose.surroundings import Said, Surroundings, ask
from cmdai_shell.hooks.install import hook_file, rc_file, uninstall
from cmdai_shell.hooks.render import SHELLS, Relay
from tests.diagnose.conftest import look, only
from tests.hooks.terminal import require

if TYPE_CHECKING:
    from cmdai_shell.core import Shell

every_shell = pytest.mark.parametrize("shell", SHELLS)


@every_shell
class TestHook:
    def test_up_to_date(self, healthy: Surroundings, shell: Shell) -> None:
        found = look(f"hook-{shell}", healthy)
        assert (found.severity, "is up to date" in found.what) == ("ok", True)

    def test_of_another_version(self, healthy: Surroundings, shell: Shell) -> None:
        hook_file(shell).write_text("# an older one\n")
        found = look(f"hook-{shell}", healthy)
        assert (found.severity, found.cure) == ("warn", f"cmdai-shell install --shell {shell}")
        assert str(hook_file(shell)) in found.what

    def test_of_another_interpreter(self, healthy: Surroundings, shell: Shell) -> None:
        assert look(f"hook-{shell}", healthy, python="/opt/python").severity == "warn"

    def test_the_rc_file_does_not_read_it(self, healthy: Surroundings, shell: Shell) -> None:
        rc_file(shell).write_text("alias l=ls\n")
        found = look(f"hook-{shell}", healthy)
        assert (found.severity, "does not read the hook" in found.what) == ("fail", True)
        rc_file(shell).unlink()
        assert look(f"hook-{shell}", healthy).severity == "fail"

    def test_the_hook_is_gone(self, healthy: Surroundings, shell: Shell) -> None:
        hook_file(shell).unlink()
        found = look(f"hook-{shell}", healthy)
        assert (found.severity, "is not there" in found.what) == ("fail", True)

    def test_half_a_block_in_the_rc_file(self, healthy: Surroundings, shell: Shell) -> None:
        rc_file(shell).write_text("# >>> cmdai-shell >>>\n")
        found = look(f"hook-{shell}", healthy)
        assert (found.severity, "other half" in found.what) == ("fail", True)

    def test_a_shell_without_the_key_is_nobody_s_fault(
        self, healthy: Surroundings, shell: Shell
    ) -> None:
        uninstall([shell])
        assert look(f"hook-{shell}", healthy).severity == "ok"
        assert look("hooks", healthy).severity == "ok"

    def test_kept_by_hand_with_init(self, healthy: Surroundings, shell: Shell) -> None:
        uninstall(SHELLS)
        rc_file(shell).write_text(f'eval "$(cmdai-shell init {shell})"\n')
        assert "cmdai-shell init" in look(f"hook-{shell}", healthy).what
        assert look("hooks", healthy).what == f"the key is in {shell}"

    def test_a_shell_that_is_too_old(self, healthy: Surroundings, shell: Shell) -> None:
        found = look(f"hook-{shell}", healthy, ask=lambda *_: Said(0, f"{shell}, version 2.7.1"))
        assert (found.severity, "2.7 is too old" in found.what) == ("fail", True)
        assert found.cure == f"sudo apt-get install -y {shell}"


def test_no_shell_has_the_key(healthy: Surroundings) -> None:
    uninstall(SHELLS)
    rc_file("bash").write_text("# cmdai-shell init bash was here\n")
    found = look("hooks", healthy)
    assert (found.severity, found.cure) == ("warn", "cmdai-shell install")


def test_macos_opens_login_shells(healthy: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    found = look("hook-bash", healthy)
    assert (found.severity, ".bash_profile" in found.what) == ("warn", True)
    (Path.home() / ".bash_profile").write_text(". ~/.bashrc\n")
    assert look("hook-bash", healthy).severity == "ok"


TAKEN = {
    "bash": """bind '"\\C-g": "somebody else"'\n""",
    "zsh": "other() { }\nzle -N other\nbindkey '^G' other\n",
    "fish": "bind \\cg 'echo other'\n",
}


@every_shell
class TestKey:
    """Real shells, with the rc files of the test's own home."""

    @pytest.fixture
    def real(self, healthy: Surroundings, shell: Shell) -> dict[str, Any]:
        program = require(shell)
        return {"ask": ask, "which": lambda name: program if name == shell else ""}

    def test_free(self, healthy: Surroundings, shell: Shell, real: dict[str, Any]) -> None:
        found = look(f"key-{shell}", healthy, **real)
        assert found.severity == "ok", found
        assert "is free" in found.what

    def test_taken(self, healthy: Surroundings, shell: Shell, real: dict[str, Any]) -> None:
        with rc_file(shell).open("a") as rc:
            rc.write("echo noise\n" + TAKEN[shell])
        found = look(f"key-{shell}", healthy, **real)
        assert found.severity == "warn", found
        assert "other" in found.what or "somebody else" in found.what
        assert "Ctrl-X Ctrl-G" in found.cure

    def test_an_rc_file_that_ends_before_the_hook(
        self, healthy: Surroundings, shell: Shell, real: dict[str, Any]
    ) -> None:
        before = rc_file(shell).read_text()
        rc_file(shell).write_text("return\n" + before)
        found = look(f"key-{shell}", healthy, **real)
        assert (found.severity, "has no hook" in found.what) == ("fail", True)

    def test_a_shell_that_never_comes_to_its_prompt(
        self, healthy: Surroundings, shell: Shell, real: dict[str, Any]
    ) -> None:
        rc_file(shell).write_text("sleep 60\n")
        real["ask"] = lambda command, seconds: ask(command, 0.5)
        found = look(f"key-{shell}", healthy, **real)
        assert (found.severity, "does not start" in found.what) == ("warn", True)

    def test_not_asked_without_a_hook(self, healthy: Surroundings, shell: Shell) -> None:
        uninstall([shell])
        assert look(f"key-{shell}", healthy).what == f"{shell} has no hook"

    def test_nobind(self, healthy: Surroundings, shell: Shell) -> None:
        found = look(f"key-{shell}", healthy, environ={"CMDAI_NOBIND": "1"})
        assert (found.severity, "CMDAI_NOBIND" in found.what) == ("ok", True)


def test_who_holds_the_explain_key(healthy: Surroundings) -> None:
    said = Said(0, '\x1e"^[g" get-line-2 (keymap emacs)\x1e')
    found = look("key-zsh", healthy, ask=lambda *_: said)
    assert (found.severity, "Alt-G" in found.what) == ("warn", True)
    assert "CMDAI_EXPLAIN_KEY=" in found.cure


@pytest.mark.parametrize(
    ("relay", "severity"),
    [
        (Relay("nc", "/bin/nc"), "ok"),
        (Relay("socat", "/bin/socat"), "ok"),
        (Relay("curl", "/bin/curl"), "warn"),
        (Relay("python", "/relay.py"), "warn"),
    ],
)
def test_relay(healthy: Surroundings, relay: Relay, severity: str) -> None:
    found = look("relay", healthy, relay=lambda: relay)
    assert found.severity == severity


@pytest.mark.parametrize(
    ("manager", "line"),
    [
        ("apt-get", "sudo apt-get install -y netcat-openbsd && cmdai-shell install"),
        ("dnf", "sudo dnf install -y socat && cmdai-shell install"),
        ("brew", "brew install socat && cmdai-shell install"),
    ],
)
def test_a_relay_to_install(healthy: Surroundings, manager: str, line: str) -> None:
    slow = Relay("python", "/relay.py")
    assert look("relay", healthy, relay=lambda: slow, which=only(manager)).cure == line


class TestCommand:
    def test_on_path(self, healthy: Surroundings) -> None:
        assert look("command", healthy).severity == "ok"

    def test_not_on_path(self, healthy: Surroundings) -> None:
        found = look("command", healthy, which=only(), python="/opt/v/bin/python")
        assert (found.severity, found.cure) == ("warn", 'export PATH="/opt/v/bin:$PATH"')

    def test_a_pyenv_shim(self, healthy: Surroundings) -> None:
        shim = "/home/me/.pyenv/shims/cmdai-shell"
        found = look("command", healthy, which=lambda _: shim, python="/opt/v/bin/python")
        assert (found.severity, "pyenv shim" in found.what) == ("warn", True)
        assert "/opt/v/bin/cmdai-shell" in found.cure
