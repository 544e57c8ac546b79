"""Reading task files, and the split."""

from __future__ import annotations

import pytest

from benchmarks.quality.tasks import TASKS, BadTasks, half, load, read

FIRSTS = ["test", "dev", "dev", "dev", "dev", "test", "dev"]


def written(tmp_path, text, name="find"):
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    return path


def test_a_file_is_read(data):
    first, second = read(data / "tasks" / "sample.toml")
    assert first.references == ("find . -name '*.py' -type f", "ls -1 src/*.py")
    assert (first.family, first.kind, first.match) == ("sample", "command", "lines")
    assert second.match == "none"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("find", 'id="find-001"\nrequest="x"\nfixture="f"', "find-001: expert is missing"),
        ("find", 'id="find-1"\nrequest="x"\nfixture="f"\nexpert="ls"', "find-NNN"),
        ("find", 'id="git-001"\nrequest="x"\nfixture="f"\nexpert="ls"', "find-NNN"),
        ("find", 'id="find-001"\nmatch="alike"', "find-001"),
        ("find", 'id="find-001"\nexpected="alike"', "expected"),
        ("find", 'id="find-001"\nrequest="x"\nfixture="f"\nexpert="ls"\nline="ls"', "line means"),
        ("explain", 'id="explain-001"\nline="ls -l"', "must is missing"),
        ("find", "id=", "line 2"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, name, text, said):
    with pytest.raises(BadTasks, match=said):
        read(written(tmp_path, f"[[task]]\n{text}\n", name))


def test_an_id_is_used_once(tmp_path):
    task = '[[task]]\nid="find-001"\nrequest="x"\nfixture="f"\nexpert="ls"\n'
    written(tmp_path, task * 2)
    with pytest.raises(BadTasks, match="find-001"):
        load(tmp_path)


def test_unknown_families_are_refused(data):
    with pytest.raises(BadTasks, match="nets"):
        load(data / "tasks", ["nets"])


def test_halves_are_equal_in_each_family_and_stay_when_tasks_are_added():
    for family in ("find", "git", "text"):
        halves = [half(f"{family}-{number:03}") for number in range(1, 101)]
        assert halves.count("dev") == 50
        pairs = set(zip(halves[::2], halves[1::2], strict=True))
        assert pairs == {("dev", "test"), ("test", "dev")}
    assert half("find-017") == half("find-017")


def test_the_split_is_the_published_one():
    """Whoever changes the seed mixes the halves."""
    assert [half(f"find-{number:03}") for number in (1, 3, 5, 7, 9, 11, 13)] == FIRSTS


def test_the_tasks_of_this_project_can_be_read():
    assert all(task.asked or task.kind == "fix" for task in load(TASKS))
