"""A home folder with the zsh hook in its .zshrc, and shells started in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.config.paths import resource
from cmdai_shell.hooks.render import Relay, find_relay, render
from tests.hooks.terminal import PROMPT, Terminal, require

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPTED_DAEMON = Path(__file__).parents[1] / "fakes" / "scripted_daemon.py"


class ZshHome:
    """All that one test's zsh touches is below ``folder``; its hook starts the scripted daemon."""

    def __init__(self, folder: Path, runtime_dir: Path) -> None:
        self.folder = folder
        self.runtime_dir = runtime_dir
        self.path = folder / "home"
        self.path.mkdir(exist_ok=True)
        self.hook = folder / "cmdai.zsh"
        self._terminals: list[Terminal] = []
        self._env = {
            "HOME": str(self.path),
            "CMDAI_RUNTIME_DIR": str(runtime_dir),
            **{
                f"CMDAI_{kind}_DIR": str(folder / kind)
                for kind in ("CONFIG", "DATA", "CACHE", "LOG")
            },
        }
        self.python = folder / "python"
        self.python.write_text(  # called as: python -I -m cmdai_shell.daemon start
            f'#!/bin/sh\nshift 3\nexec {sys.executable} -I {SCRIPTED_DAEMON} "$@"\n'
        )
        self.python.chmod(0o755)
        self.render()

    def render(self, relay: Relay | None = None, *, zsocket: bool = True) -> None:
        python = sys.executable if relay and relay.kind == "python" else str(self.python)
        text = render("zsh", python=python, relay=relay or find_relay())
        if not zsocket:
            press = resource("shell-hooks/press.zsh")
            copy = self.folder / press.name
            copy.write_text(press.read_text().replace("zmodload -F zsh/net/socket", "false"))
            text = text.replace(str(press), str(copy))
        self.hook.write_text(text)

    def rc(self, before: str = "", after: str = "", prompt: str = PROMPT) -> None:
        (self.path / ".zshrc").write_text(
            f"unsetopt prompt_sp\nPS1=$'{prompt}'\n{before}\n. {self.hook}\n{after}\n"
        )

    def shell(
        self,
        before: str = "",
        after: str = "",
        *,
        prompt: str = PROMPT,
        columns: int = 100,
        **environment: str,
    ) -> Terminal:
        self.rc(before, after, prompt)
        folder = self.folder / f"tmux{len(self._terminals)}"
        folder.mkdir()
        terminal = Terminal(
            [require("zsh"), "-d", "-i"],
            folder=folder,
            env={**self._env, **environment},
            columns=columns,
        )
        self._terminals.append(terminal)
        terminal.wait_screen(PROMPT.strip())
        return terminal

    def run(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        """zsh without a terminal."""
        return subprocess.run(
            [require("zsh"), "-d", *options, "-c", script],
            env={"PATH": os.environ["PATH"], **self._env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def start_daemon(self) -> int:
        """The scripted daemon's process id."""
        self._daemon("start")
        return self.daemon_pid()

    def daemon_pid(self) -> int:
        return int((self.runtime_dir / "daemon.lock").read_text().split()[0])

    def _daemon(self, word: str) -> None:
        subprocess.run(
            [sys.executable, "-I", str(SCRIPTED_DAEMON), word],
            env={"PATH": os.environ["PATH"], **self._env},
            capture_output=True,
            check=False,
            timeout=30,
        )

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()
        if (self.runtime_dir / "daemon.lock").exists():
            self._daemon("stop")


class PlayedDaemon:
    """A daemon that says what the test tells it to, byte for byte, to every connection.

    A number among the lines is a pause in seconds; "hold" keeps the connection open after the last.
    """

    def __init__(self, runtime_dir: Path, *lines: str | float, hold: bool = False) -> None:
        self.records: list[dict[str, bytes]] = []
        self.closed = 0
        self._lines, self._hold = lines, hold
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(runtime_dir / "hook.sock"))
        self._listener.listen(64)
        self._accepting = threading.Thread(target=self._serve, daemon=True)
        self._accepting.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._play, args=(client,), daemon=True).start()

    def _play(self, client: socket.socket) -> None:
        with client:
            record = b""
            while not record.endswith(b"\x1e"):
                if not (chunk := client.recv(65536)):
                    return
                record += chunk
            fields = record[:-1].split(b"\x1f")
            self.records.append(
                {name.decode(): value for name, _, value in (f.partition(b"=") for f in fields)}
            )
            try:
                for line in self._lines:
                    if isinstance(line, str):
                        client.sendall(line.encode("utf-8", "surrogateescape"))
                    else:
                        time.sleep(line)
                if self._hold and client.recv(1) == b"":
                    self.closed += 1
            except OSError:
                self.closed += 1

    def close(self) -> None:
        """Ends the thread first: else it would accept for whoever gets the descriptor's number."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()


def lines(*texts: str) -> Sequence[str]:
    return [f"{text}\n" for text in texts]
