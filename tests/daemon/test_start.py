"""What a keypress waits for when it starts a daemon."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cmdai_shell.daemon import start

PINNED = {
    "cmdai_shell", "cmdai_shell.config", "cmdai_shell.config.paths", "cmdai_shell.daemon",
    "cmdai_shell.daemon.folder", "cmdai_shell.daemon.start", "cmdai_shell.errors",
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
