"""The figures."""

from __future__ import annotations

import pytest

from benchmarks.quality import records
from benchmarks.quality.records import Head, Record
from benchmarks.quality.repeats import Example
from benchmarks.quality.report import _repeated, compared, mcnemar, quantile, told, wilson
from benchmarks.quality.tasks import Task


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (90, 200, 0.3826, 0.5193)],
)
def test_wilson_agrees_with_the_textbook(right, count, low, high):
    assert wilson(right, count) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("better", "worse", "p"), [(0, 0, 1), (5, 5, 1), (10, 2, 0.03857), (0, 6, 0.03125)]
)
def test_mcnemar_is_exact(better, worse, p):
    assert mcnemar(better, worse) == mcnemar(worse, better) == pytest.approx(p, abs=1e-5)


def test_quantiles_are_values_that_occurred():
    assert quantile([3, 1, 2], 0.95) == 3
    assert quantile(list(range(1, 101)), 0.95) == 95


def written(path, rights, **fields):
    head = Head(backend="embedded", model="m", plain=False, shell="bash", half="dev")
    rows = [
        Record(
            id=f"find-{number:03}",
            request="x",
            outcome="command",
            command="ls",
            risk="safe",
            seconds=number,
            right=right,
            **fields,
        )
        for number, right in enumerate(rights, 1)
    ]
    records.write(path, head, rows)
    return path


def test_a_run_is_told(tmp_path):
    text = told(written(tmp_path / "a", [True, False, None], harmed=("work/x",), tags=("total",)))
    assert "command tasks         1 of    2  0.500" in text
    assert "#total" in text
    assert "2 called safe that changed what nobody asked" in text


def test_tasks_that_a_recipe_is_like_are_told_apart(tmp_path):
    tasks = [
        Task(id=f"find-{n:03}", request=f"r {n}", fixture="f", expert=e)
        for n, e in enumerate(("du -sh a.b", "df -h c.d", "ls -t"), 1)
    ]
    known = [
        Example("du -sh e.f", "size", "x.toml"),
        Example("df -h g.h", "room", "x.toml"),
    ]
    commands = records.read(written(tmp_path / "a", [True, False, True]))[1]
    alike, others = _repeated(commands, tasks, known)
    assert "recipe alike        1 of    2" in alike
    assert "no recipe alike     1 of    1" in others


def test_runs_are_compared_by_the_tasks_both_have(tmp_path):
    one = written(tmp_path / "a", [True, False, False, None])
    other = written(tmp_path / "b", [True, True, True, True])
    text = compared(one, other)
    assert "B gains 2, loses 0: McNemar p = 0.5000" in text
    assert "+ find-002" in text


def test_a_line_that_was_cut_off_is_asked_again(tmp_path):
    path = written(tmp_path / "a", [True, False])
    path.write_bytes(path.read_bytes()[:-20])
    head, kept = records.read(path)
    assert head
    assert [record.id for record in kept] == ["find-001"]
