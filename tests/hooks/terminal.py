"""A real shell in a real terminal: one private tmux server per Terminal, keys in, screen out."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PROMPT = "READY> "


class Terminal:
    """One shell in one tmux pane. ``wait_*`` poll the screen; nothing sleeps and then asserts."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        env: Mapping[str, str],
        columns: int = 100,
        rows: int = 24,
    ) -> None:
        self.socket = folder / "tmux.sock"
        self._env = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"], **env}
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), *command
        )
        self._tmux("set-option", "-g", "escape-time", "0")
        self._tmux("set-option", "-g", "history-limit", "5000")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self.socket), *arguments],
            env=self._env,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return done.stdout

    def type(self, text: str) -> None:
        """Send text literally, as if typed."""
        self._tmux("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Send keys by tmux name: "C-g", "M-g", "Enter", "C-c", "C-_", "Escape"."""
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self) -> str:
        """What a person sees, trailing blanks removed."""
        return self._tmux("capture-pane", "-p").rstrip()

    def scrollback(self) -> str:
        return self._tmux("capture-pane", "-p", "-J", "-S", "-5000").rstrip()

    def scrollback_rows(self) -> list[str]:
        """Every row that the terminal has, as wide as it is: a wrapped line is several."""
        rows = self._tmux("capture-pane", "-p", "-S", "-5000").rstrip().split("\n")
        return [row.rstrip() for row in rows]

    def line(self) -> str:
        """The text after the last prompt, wrapped rows joined (trailing blanks lost)."""
        joined = self._tmux("capture-pane", "-p", "-J").rstrip() + " "  # the prompt's own blank
        return joined.rpartition(PROMPT)[2].partition("\n")[0].rstrip() if PROMPT in joined else ""

    def cursor(self) -> tuple[int, int]:
        """(column, row), from 0."""
        x, y = self._tmux("display-message", "-p", "#{cursor_x} #{cursor_y}").split()
        return int(x), int(y)

    def title(self) -> str:
        """What programs have named the window."""
        return self._tmux("display-message", "-p", "#{pane_title}")

    def record(self) -> Path:
        """A file that gets, byte for byte, what is written to the terminal from now on."""
        written = self.socket.with_name("written")
        written.touch()
        self._tmux("pipe-pane", f"cat >> {shlex.quote(str(written))}")
        return written

    @property
    def shell_pid(self) -> int:
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
        until = time.monotonic() + seconds
        late = False  # looked at once more after the time is up: the machine may have slept
        while not condition():
            if late:
                raise AssertionError(f"waited {seconds} s for {what}; the screen:\n{self.screen()}")
            time.sleep(0.02)
            late = time.monotonic() > until

    def wait_screen(self, pattern: str, seconds: float = 15) -> None:
        self.wait(
            lambda: re.search(pattern, self.screen(), re.M) is not None,
            f"/{pattern}/ on screen",
            seconds,
        )

    def wait_line(self, expected: str, seconds: float = 15) -> None:
        self.wait(lambda: self.line() == expected, f"line {expected!r}", seconds)

    def close(self) -> None:
        subprocess.run(
            ["tmux", "-S", str(self.socket), "kill-server"],
            capture_output=True,
            check=False,
            timeout=20,
        )


def require(program: str) -> str:
    """Absolute path of a shell or tool; CI installs them all, so a missing one fails there."""
    if found := shutil.which(program):
        return found
    if os.environ.get("CI"):
        pytest.fail(f"{program} is missing, and CI must have it")
    pytest.skip(f"{program} is not installed")
