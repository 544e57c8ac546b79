"""The real daemon as a process of its own, with the scripted model."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.daemon import folder
from tests.daemon.test_wire import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPTED = (sys.executable, "-I", str(Path(__file__).parents[1] / "fakes" / "scripted_daemon.py"))


def until(condition: Callable[[], object], what: str = "", seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what or condition}"
        time.sleep(0.01)


class Process:
    """What a hook and a person can do to a daemon: start it, ask it, kill it."""

    def __init__(self, runtime_dir: Path) -> None:
        self.runtime_dir = runtime_dir
        self.command = SCRIPTED

    def say(self, word: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, word],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def start(self, **environ: str) -> int:
        """The process id of the daemon that then runs."""
        done = self.say("start", **environ)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return self.pid

    @property
    def pid(self) -> int:
        """0 when none runs."""
        at = folder.open_folder(self.runtime_dir)
        try:
            return folder.holder(at)
        finally:
            os.close(at)

    def connect(self, name: str = "hook.sock") -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        try:
            client.connect(str(self.runtime_dir / name))
        except OSError:
            client.close()
            raise
        return client

    def ask(self, line: str, **fields: str) -> list[str]:
        with self.connect() as client:
            client.sendall(record(line=line, **fields))
            return read(client)

    def kill(self, sign: int = signal.SIGKILL) -> None:
        os.kill(self.pid, sign)
        until(lambda: not self.pid, "the daemon to end")


def read(client: socket.socket) -> list[str]:
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data.decode().splitlines()


@pytest.fixture
def daemon(runtime_dir: Path) -> Iterator[Process]:
    process = Process(runtime_dir)
    yield process
    if runtime_dir.is_dir() and (pid := process.pid):
        os.kill(pid, signal.SIGKILL)
        until(lambda: not process.pid, "the daemon to end")
