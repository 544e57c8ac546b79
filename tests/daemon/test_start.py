"""What a keypress waits for when it starts a daemon."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from cmdai_shell.daemon import folder, start

PINNED = {
    "cmdai_shell", "cmdai_shell.config", "cmdai_shell.config.paths", "cmdai_shell.daemon",
    "cmdai_shell.daemon.folder", "cmdai_shell.daemon.start", "cmdai_shell.errors",
    "cmdai_shell.observe", "cmdai_shell.observe.cores",
}  # fmt: skip
HEAVY = {
    "aiohttp", "asyncio", "click", "dataclasses", "inspect", "json", "llama_cpp", "logging",
    "msgspec", "multiprocessing", "platformdirs", "psutil", "ssl", "subprocess", "tempfile",
    "threading", "tomllib", "tree_sitter",
}  # fmt: skip


def test_only_light_modules_are_loaded_before_the_sockets_listen() -> None:
    code = "import sys, cmdai_shell.daemon.start; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    bare = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; print(*sys.modules)"],
        capture_output=True,
        check=True,
    )
    loaded -= set(bare.stdout.decode().split())  # what this installation's site loads anyway
    assert {name for name in loaded if name.startswith("cmdai_shell")} == PINNED
    assert not loaded & HEAVY


def test_a_daemon_whose_queue_is_full_is_still_one(runtime_dir: Path) -> None:
    at = folder.open_folder(runtime_dir)
    before = os.open(".", os.O_RDONLY)
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(runtime_dir / start.HOOK))
        listener.listen(0)
        try:
            while True:
                waiting = opened.enter_context(socket.socket(socket.AF_UNIX))
                waiting.settimeout(0.1)
                try:
                    waiting.connect(str(runtime_dir / start.HOOK))
                except OSError:
                    break
            assert start._accepts(at)
        finally:
            os.fchdir(before)
            os.close(before)
            os.close(at)


def test_descriptors_are_found_with_and_without_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as opened:
        assert opened.fileno() in start._descriptors()

        def no_such(path: str) -> list[str]:
            raise FileNotFoundError(path)

        monkeypatch.setattr(os, "listdir", no_such)
        assert opened.fileno() in start._descriptors()


@pytest.mark.parametrize("words", [[], ["dance"], ["start", "now"]])
def test_other_words_are_a_usage_error(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start.main(words) == 2
    assert "start|run|stop" in capsys.readouterr().err


def test_a_refusal_is_one_line_and_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMDAI_RUNTIME_DIR", "/proc/cmdai")
    assert start.main(["start"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "CMDAI_RUNTIME_DIR" in said
