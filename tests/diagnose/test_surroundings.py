from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from cmdai_shell.diagnose.surroundings import Said, ask, existing, here, once
from cmdai_shell.errors import DaemonUnavailable


def test_a_question_of_many_is_asked_once() -> None:
    asked = []

    def slow() -> int:
        asked.append(1)
        time.sleep(0.05)
        return 7

    question, answers = once(slow), list[int]()
    threads = [threading.Thread(target=lambda: answers.append(question())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (asked, answers) == ([1], [7] * 8)


def test_an_error_is_an_answer_too() -> None:
    asked = []

    def fail() -> int:
        asked.append(1)
        raise DaemonUnavailable("none")

    question = once(fail)
    for _ in range(2):
        with pytest.raises(DaemonUnavailable):
            question()
    assert asked == [1]


class TestAsk:
    def test_what_a_program_says(self) -> None:
        said = ask(["sh", "-c", "echo out; echo err >&2; exit 3"], 10)
        assert said == Said(3, "out\n", "err\n")

    def test_one_that_is_not_there(self) -> None:
        assert ask(["/nowhere/program"], 10) == Said(127, err="no such file or directory")

    def test_one_that_hangs_is_ended_with_all_it_started(self, tmp_path: Path) -> None:
        alive = tmp_path / "alive"
        inner = f"while :; do touch {alive}; sleep 0.05; done"
        said = ask(["sh", "-c", f"({inner}) & wait"], 0.3)
        assert said.code is None
        time.sleep(0.2)
        alive.unlink()
        time.sleep(0.2)
        assert not alive.exists()

    def test_it_has_no_terminal_to_take(self) -> None:
        assert ask(["sh", "-c", ": < /dev/tty"], 10).code != 0


def test_of_a_path_that_is_not_there_the_nearest_folder(tmp_path: Path) -> None:
    assert existing(tmp_path / "no" / "such") == tmp_path


def test_here(runtime_dir: Path) -> None:
    around = here(lambda: {"version": "1"})
    assert around.python == sys.executable
    assert around.runtime_dir == runtime_dir
    assert around.available_memory > 0
    assert around.free_disk(Path("/nowhere/at/all")) > 0
    assert around.daemon() == {"version": "1"}
    if around.system == "Linux" and around.machine == "x86_64":
        assert "sse2" in around.cpu_flags
