"""A shell with the hook in a terminal, and the daemon it talks to: real, with a scripted model.

``TEST_BASH``, ``TEST_ZSH``, ``TEST_FISH`` name other programs to test with (bash 5.1, fish 4).
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.hooks.render import Relay, find_relay, render
from tests.hooks.terminal import PROMPT, Terminal, require
from tests.hooks.zsh import PlayedDaemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.core import Shell

SCRIPTED_DAEMON = Path(__file__).parents[1] / "fakes" / "scripted_daemon.py"
SHELLS: tuple[Shell, ...] = ("bash", "zsh", "fish")

RC = {
    "bash": f"PS1='{PROMPT}'\n",
    "zsh": f"PROMPT='{PROMPT}'\n",
    "fish": (
        "set -g fish_greeting\nset -g fish_autosuggestion_enabled 0\n"
        f"function fish_prompt; builtin printf '{PROMPT}'; end\n"
    ),
}
PROGRAMS = {
    "bash": lambda rc: ["--rcfile", str(rc), "-i"],
    "zsh": lambda rc: ["-i"],
    "fish": lambda rc: ["-i"],
}
FOLDERS = {
    "chosen": {"CMDAI_RUNTIME_DIR": "/run/a b/c/"},
    "session": {"XDG_RUNTIME_DIR": "/run/user/1000"},
    "empty": {"CMDAI_RUNTIME_DIR": "", "XDG_RUNTIME_DIR": "", "TMPDIR": "/var/tmp/"},
    "nothing": {},
    "fits": {"CMDAI_RUNTIME_DIR": "/" + "x" * 89},
    "too long": {"CMDAI_RUNTIME_DIR": "/" + "x" * 90},
    "too long in bytes": {"CMDAI_RUNTIME_DIR": "/" + "é" * 45},
}
"""Environments in which every hook must find the folder that ``config.paths`` names."""

RC_FILES = {"bash": "bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}


@dataclass
class Daemon:
    """The daemon of one test, whoever starts it."""

    folder: Path
    log_dir: Path

    @property
    def pid(self) -> int:
        """Its process, or 0 while none holds the lock."""
        try:
            pid = int((self.folder / "daemon.lock").read_text())
            os.kill(pid, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return 0
        return pid

    def kill(self, sign: int = signal.SIGKILL) -> None:
        """Send a signal; after SIGKILL return when the process is gone."""
        pid = self.pid
        assert pid, "no daemon runs"
        os.kill(pid, sign)
        until = time.monotonic() + 10
        while sign == signal.SIGKILL and self.pid == pid:
            assert time.monotonic() < until
            time.sleep(0.01)

    def log(self) -> str:
        return (
            "".join(p.read_text() for p in sorted(self.log_dir.glob("*")))
            if self.log_dir.is_dir()
            else ""
        )


@dataclass
class Lab:
    """Opens shells that have the hook. Everything they may write is below ``folder``."""

    folder: Path
    daemon: Daemon
    python: Path
    relay: Relay = field(default_factory=find_relay)
    terminals: list[Terminal] = field(default_factory=list)

    def program(self, shell: Shell) -> str:
        return os.environ.get(f"TEST_{shell.upper()}") or require(shell)

    def hook(self, shell: Shell) -> Path:
        path = self.folder / f"hook.{shell}"
        path.write_text(render(shell, python=str(self.python), relay=self.relay))
        return path

    def environment(self) -> dict[str, str]:
        kinds = ("CONFIG", "DATA", "CACHE", "LOG")
        return {
            "HOME": str(self.folder),
            "CMDAI_RUNTIME_DIR": str(self.daemon.folder),
            **{f"CMDAI_{kind}_DIR": os.environ[f"CMDAI_{kind}_DIR"] for kind in kinds},
        }

    def open(
        self,
        shell: Shell,
        *,
        before: str = "",
        after: str = "",
        env: dict[str, str] | None = None,
        rows: int = 24,
        columns: int = 100,
        wait: bool = True,
    ) -> Terminal:
        """A shell whose rc file is ``before``, the hook, ``after``; at its first prompt."""
        home = self.folder / f"{shell}-{len(self.terminals)}"
        rc = home / RC_FILES[shell]
        rc.parent.mkdir(parents=True)
        for folder in (".cache", ".local/share"):  # else a new fish reads every manual page
            (home / folder / "fish/generated_completions").mkdir(parents=True)
        source = f"source {shlex.quote(str(self.hook(shell)))}\n"
        rc.write_text(f"{RC[shell]}{before}\n{source}{after}\n")
        terminal = Terminal(
            [self.program(shell), *PROGRAMS[shell](rc)],
            folder=home,
            env=self.environment() | {"HOME": str(home)} | (env or {}),
            rows=rows,
            columns=columns,
        )
        self.terminals.append(terminal)
        if wait:
            terminal.wait_screen(rf"^{PROMPT.strip()}")
        return terminal


@pytest.fixture
def daemon(runtime_dir: Path, tmp_path: Path) -> Iterator[Daemon]:
    started = Daemon(runtime_dir, tmp_path / "log")
    yield started
    if pid := started.pid:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def lab(daemon: Daemon, tmp_path: Path) -> Iterator[Lab]:
    """Its hooks start the scripted daemon where an installed hook starts the real one."""
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        f'test "$3" = cmdai_shell.daemon || exec {shlex.quote(sys.executable)} "$@"\n'
        f"exec {shlex.quote(sys.executable)} -I {shlex.quote(str(SCRIPTED_DAEMON))} start\n"
    )
    python.chmod(0o755)
    made = Lab(tmp_path, daemon, python)
    yield made
    for terminal in made.terminals:
        terminal.close()


@pytest.fixture
def answering(runtime_dir: Path) -> Iterator[PlayedDaemon]:
    played = PlayedDaemon(runtime_dir, "Tls -la\n", "A1/2\n", "Mone of two\n", "D\n")
    yield played
    played.close()


@pytest.fixture
def terminal(lab: Lab, shell: Shell) -> Terminal:
    """The shell the test is parametrised with, as a person has it."""
    return lab.open(shell)


def eventually(condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def last_command(terminal: Terminal, daemon: PlayedDaemon, *commands: str) -> str:
    """Run the commands, press on the empty line: what the daemon hears of the last one."""
    for command in commands:
        prompts = terminal.screen().count(PROMPT.strip()) + 1
        terminal.type(command)
        terminal.press("Enter")
        terminal.wait(
            partial(lambda n: terminal.screen().count(PROMPT.strip()) == n, prompts), "a prompt"
        )
        terminal.wait_line("")
    terminal.press("C-g")
    terminal.wait(lambda: terminal.line() != "" and daemon.records != [], "the request")
    return daemon.records[0]["last_command"].decode()
