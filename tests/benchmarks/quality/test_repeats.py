"""No recipe may repeat a task."""

from __future__ import annotations

import tomllib

import pytest

from benchmarks.quality.repeats import (
    FIXED,
    Example,
    known_examples,
    repeats,
    shape,
    shown,
    withheld,
    words,
)
from benchmarks.quality.tasks import Task

TASK = Task(
    id="find-001", request="5 newest files in src", fixture="f", expert="du -sh src | sort -h"
)


@pytest.mark.parametrize("phrase", ["Newest files", "show me the 3 newest file of 'my docs'"])
def test_the_same_request_in_other_words_is_found(phrase):
    (found,) = repeats([TASK], [Example("du", phrase, "x")])
    assert found.exact


@pytest.mark.parametrize(
    ("command", "exact"), [("du  -sh src | sort -h", True), ("du -sh a/b.c | sort -h", False)]
)
def test_the_same_command_is_found(command, exact):
    (found,) = repeats([TASK], [Example(command, "sizes", "x")])
    assert found.exact == exact


def test_others_are_not():
    assert not list(repeats([TASK], [Example("du -sh a.b", "oldest files", "x")]))
    assert not list(repeats([TASK], [Example("docker ps", "newest files", "x")]))


def test_shapes():
    assert shape("git log --since='2 days ago' src/a.py") == "git log --since= NAME"
    assert shape("ls -t | head -n 5") == shape("ls -t | head -3")
    assert shape("find . -name '*.py' | wc -l") == "find NAME -name NAME | wc -l"


def test_words_are_compared_without_names_and_numbers():
    assert words("How many lines in Notes.txt?") == words("how many line of 'x y' 12")


def test_recipes_are_read(tmp_path):
    (tmp_path / "disk.toml").write_text('[any]\nrecipes = [["df -h", "disk space", "room left"]]\n')
    found = [example for example in known_examples(tmp_path) if example.where == "disk.toml"]
    assert [(one.command, one.phrase) for one in found] == [
        ("df -h", "disk space"),
        ("df -h", "room left"),
    ]


def test_every_recipe_that_repeats_a_task_is_withheld_but_no_fixed_example():
    known = [
        Example("du -sh src | sort -h", "sizes", "disk.toml"),
        Example("ls -t", "newest files", "find.toml"),
        Example("du -sh", "newest files", "find.toml"),
        Example("du x", "newest files", FIXED),
        Example("df", "room", "disk.toml"),
    ]
    assert withheld([TASK], known) == {"du -sh src | sort -h", "du -sh"}


def test_the_others_are_shown_to_the_letter():
    text = """
[any]
recipes = [["df", "room"], ["a \\"b\\" 'c' \\\\n é", "x"]]
[sh]
recipes = [["echo $((1))", "one"]]
"""
    told = tomllib.loads("\n".join(shown([text], frozenset({"df"}))))
    wanted = tomllib.loads(text)
    del wanted["any"]["recipes"][0]
    assert told == wanted
