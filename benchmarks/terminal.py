"""A shell under a pseudo-terminal, and the clock at its screen side: bytes in, bytes out, when."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.hooks.render import find_relay, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmdai_shell.core import Shell

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTED_DAEMON = REPOSITORY / "tests" / "fakes" / "scripted_daemon.py"
PROMPT = "READY> "
QUIET = 0.02
"""Seconds without output after which a screen counts as finished."""
PATIENCE = 20.0
"""Seconds until a shell that does not take what is typed, does not answer or does not stop drawing
has failed."""
CLOSE_S = 2.0
"""Seconds that one has to end in."""

RC_FILE = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}
ARGUMENTS = {"bash": ["-i"], "zsh": ["-d", "-i"], "fish": ["-i"]}
RC = {
    "bash": f"PS1='{PROMPT}'\nbind 'set enable-bracketed-paste off'\n",
    "zsh": f"PROMPT='{PROMPT}'\nunsetopt prompt_sp\n",
    "fish": "set -g fish_greeting\nset -g fish_autosuggestion_enabled 0\n"
    f"function fish_prompt; printf '{PROMPT}'; end\n",
}


class Lab:
    """A home folder of its own, the hooks in it, and the real daemon with an instant model."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cmdai-bench-", dir="/tmp"))
        self.environment = {
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "CMDAI_RUNTIME_DIR": str(self._make("run", 0o700)),
            **{
                f"CMDAI_{k}_DIR": str(self._make(k.lower()))
                for k in ("CONFIG", "DATA", "CACHE", "LOG")
            },
        }

    def _make(self, name: str, mode: int = 0o755) -> Path:
        folder = self.folder / name
        folder.mkdir(mode=mode)
        return folder

    def hook(self, shell: Shell) -> Path:
        path = self.folder / f"cmdai.{shell}"
        path.write_text(render(shell, python=sys.executable, relay=find_relay()))
        return path

    def home(self, shell: Shell, name: str, rc: str, *, with_hook: bool = True) -> Path:
        home = self.folder / f"{shell}-{name}"
        for folder in (".cache", ".local/share"):  # else a new fish reads every manual page
            (home / folder / "fish/generated_completions").mkdir(parents=True, exist_ok=True)
        source = f"source {self.hook(shell)}\n" if with_hook else ""
        file = home / RC_FILE[shell]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(RC[shell] + source + rc)
        return home

    def daemon(self, word: str) -> None:
        subprocess.run(
            [sys.executable, "-I", str(SCRIPTED_DAEMON), word],
            env=self.environment, check=word == "start",
        )  # fmt: skip

    def close(self) -> None:
        self.daemon("stop")
        shutil.rmtree(self.folder, ignore_errors=True)


class PtyShell:
    """One shell; its first prompt is up when the constructor returns. What it is asked raises
    TimeoutError after ``patience`` seconds."""

    def __init__(self, shell: Shell, home: Path, environment: Mapping[str, str]) -> None:
        program = shutil.which(shell)
        if program is None:
            raise FileNotFoundError(f"{shell} is not installed")
        command: Sequence[str] = [program, *ARGUMENTS[shell]]
        self.patience = PATIENCE
        started = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, {**environment, "HOME": str(home)})
        os.set_inheritable(self._fd, False)  # no hang-up while a later shell holds it open, too
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.until(PROMPT.encode())
        self.start_seconds = time.perf_counter() - started
        self.settle()

    def send(self, data: bytes) -> None:
        """Write as the terminal takes it; what the shell draws meanwhile is dropped."""
        end = time.perf_counter() + self.patience
        while data:
            if (left := end - time.perf_counter()) <= 0:
                raise TimeoutError(f"{len(data)} bytes are not taken")
            readable, writable, _ = select.select([self._fd], [self._fd], [], left)
            if readable:
                os.read(self._fd, 1 << 16)
            if writable:
                data = data[os.write(self._fd, data[:1024]) :]

    def until(self, *wanted: bytes) -> tuple[bytes, float]:
        """Everything drawn until all of ``wanted`` was, and when that was (perf_counter)."""
        seen, end = b"", time.perf_counter() + self.patience
        while not all(word in seen for word in wanted):
            left = end - time.perf_counter()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                raise TimeoutError(f"no {wanted} in {self.patience} s; last: {seen[-300:]!r}")
            seen += os.read(self._fd, 1 << 16)
        return seen, time.perf_counter()

    def settle(self, quiet: float = QUIET) -> float:
        """Wait until nothing more is drawn; when the last of it came, or 0."""
        last, end = 0.0, time.perf_counter() + self.patience
        while select.select([self._fd], [], [], quiet)[0]:
            if time.perf_counter() > end:
                raise TimeoutError("it does not stop drawing")
            os.read(self._fd, 1 << 16)
            last = time.perf_counter()
        return last

    def press(self, key: bytes, *wanted: bytes) -> float:
        """Seconds from the key to the last byte of the screen that shows ``wanted``."""
        start = time.perf_counter()
        os.write(self._fd, key)
        _, shown = self.until(*wanted)
        return max(shown, self.settle()) - start

    def close(self) -> None:
        os.close(self._fd)  # a hang-up, as when a terminal window is closed
        end = time.perf_counter() + CLOSE_S
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.perf_counter() > end:
                os.kill(self.pid, signal.SIGKILL)  # one that hangs hears of nothing
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.005)
