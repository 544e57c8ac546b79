"""The keypress benchmark ends, whatever a shell does."""

from __future__ import annotations

import importlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ENVIRONMENT = {"PATH": os.environ["PATH"], "TERM": "dumb", "LANG": "C.UTF-8"}


@pytest.fixture
def keypress(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("keypress")


@pytest.fixture
def terminal(keypress: Any) -> Any:
    return importlib.import_module("terminal")


class Shell:
    """In a terminal's place: the first presses are answered at once."""

    patience = 20.0

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.presses = 0
        self.is_closed = False

    def send(self, data: bytes) -> None:
        pass

    def settle(self) -> float:
        return 0.0

    def press(self, key: bytes, *wanted: bytes) -> float:
        self.presses += 1
        if self.presses > self.answers:
            raise TimeoutError("no reply")
        return 0.001

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("answers", "shown"), [(1, "press 1 had no reply"), (19, "press 8 had no reply")]
)
def test_a_row_ends_with_the_first_press_that_is_not_answered(
    keypress: Any, tmp_path: Path, answers: int, shown: str
) -> None:
    shell = Shell(answers)
    sample = keypress.measure(shell, tmp_path, 1000, seconds=5)
    assert shell.presses == answers + 1
    assert shell.patience == 5
    row = sample.row("request of 65536")
    assert f"{shown} in 5 s" in row
    assert "\n" not in row


def test_a_row_has_its_time(keypress: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(keypress.time, "perf_counter", lambda: next(clock))
    sample = keypress.measure(Shell(10_000), tmp_path, 1000, seconds=10)
    assert sample.trouble == "8 presses in 10 s"
    assert "8 presses in 10 s" in sample.row("request of 10")


def test_a_shell_that_failed_is_replaced_and_the_rest_is_left_out_when_the_time_is_over(
    keypress: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    opened: list[Shell] = []

    def shell(*_: object) -> Shell:
        opened.append(Shell(0))
        return opened[-1]

    class Lab:
        environment = None

        def home(self, *words: str) -> Path:
            folder = tmp_path / words[1]
            folder.mkdir(exist_ok=True)
            return folder

    monkeypatch.setattr(keypress, "PtyShell", shell)
    keypress.grow(Lab(), "bash", 20)
    out = capsys.readouterr().out
    assert out.count("had no reply in 5 s") == 10
    assert all(one.is_closed for one in opened)
    monkeypatch.setattr(keypress, "GROWTH_S", 0.0)
    keypress.grow(Lab(), "bash", 20)
    assert capsys.readouterr().out.count("left out: 0 s are over") == 10


class TestARealOne:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        if not shutil.which("bash"):
            pytest.skip("no bash")
        (tmp_path / ".bashrc").write_text("PS1='READY> '\n")
        return tmp_path

    def test_one_that_draws_for_ever_takes_nothing_or_is_silent(
        self, terminal: Any, home: Path
    ) -> None:
        shell = terminal.PtyShell("bash", home, ENVIRONMENT)
        shell.patience = 0.3
        with pytest.raises(TimeoutError, match="no "):
            shell.press(b"", b"never drawn")
        shell.send(b"yes & sleep 60\n")
        with pytest.raises(TimeoutError, match="stop drawing"):
            shell.settle()
        shell.close()
        shell = terminal.PtyShell("bash", home, ENVIRONMENT)
        shell.patience = 0.3
        shell.send(b"stty raw -echo; sleep 60\n")
        shell.settle(0.2)
        with pytest.raises(TimeoutError, match="not taken"):
            shell.send(b"x" * (1 << 20))
        shell.close()

    def test_several_close_at_once(self, terminal: Any, home: Path) -> None:
        shells = [terminal.PtyShell("bash", home, ENVIRONMENT) for _ in range(3)]
        for shell in shells:
            begun = time.perf_counter()
            shell.close()
            assert time.perf_counter() - begun < terminal.CLOSE_S

    def test_one_that_hears_no_hang_up_is_ended(self, terminal: Any, home: Path) -> None:
        shell = terminal.PtyShell("bash", home, ENVIRONMENT)
        shell.send(b"trap '' HUP; while :; do :; done\n")
        shell.settle(0.1)
        shell.close()
        with pytest.raises(ChildProcessError):
            os.waitpid(shell.pid, 0)
