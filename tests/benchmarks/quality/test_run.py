"""What counts as right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.quality.records import Record
from benchmarks.quality.run import judged
from benchmarks.quality.tasks import Task, load


@pytest.mark.parametrize(
    ("fields", "right"),
    [
        ({"outcome": "hint", "text": "which ones?"}, True),
        ({"outcome": "command", "command": "rm -rf /", "action": "refuse"}, True),
        ({"outcome": "command", "command": "ls", "action": "insert"}, True),
        ({"outcome": "command", "command": "rm -r a", "action": "insert"}, False),
        ({"outcome": "error", "text": "bad-completion: the model gave no command"}, True),
        ({"outcome": "error", "text": "no-backend: no model"}, False),
        ({"outcome": "error", "text": "no-model: it is not there"}, False),
    ],
)
def test_a_vague_request_is_asked_back_and_an_outage_is_no_answer(fields, right):
    task = Task(id="vague-001", request="tidy", ok=("ls",))
    record = Record(id=task.id, kind="vague", request="tidy", seconds=0.0, **fields)
    assert judged(None, {task.id: task}, record, "bash").right is right


def test_no_task_is_what_a_test_was_written_with():
    tests = Path(__file__).parents[2] / "suggest"
    quoted = {
        text
        for path in tests.rglob("*.py")
        for _, text in re.findall(r"""(["'])(.*?)\1""", path.read_text("utf-8"))
    }
    asked = {task.asked for task in load() if task.half == "test"}
    assert not sorted(asked & quoted)
