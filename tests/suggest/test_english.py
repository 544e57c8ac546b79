"""A sentence is no command, and no command is taken for a sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cmdai_shell.suggest import recall
from cmdai_shell.suggest.english import is_sentence

RECIPES = Path(recall.__file__).parent / "recipes"
HERE = {"which", "find", "who", "make", "file", "echo", "ip", "git", "time", "sort", "docker"}


def sentence(
    command: str, asked: str = "asdf qwer", near: tuple[tuple[str, str], ...] = ()
) -> bool:
    return is_sentence(command, near, asked, HERE.__contains__)


@pytest.mark.parametrize(
    "words",
    [
        "which files mention a specific word that ends",
        "find the largest file",
        "who is logged in where",
        "make a copy of the folder",
        "list files in this folder",
        "show processes",
        "delete empty folders",
        "count lines, words.",
    ],
)
def test_a_sentence(words: str) -> None:
    assert sentence(words)


@pytest.mark.parametrize(
    "command",
    [
        *(
            "ls",
            "make test",
            "which git",
            "find",
            "who",
            "ip a",
            "ip a show lo",
            "docker compose up",
        ),
        *("echo the quick brown fox", "git switch the", "git commit -m 'fix the bug'", "time make"),
        *(
            "find . -name the",
            "list",
            "kubectl get pods",
            "duf",
            "ncdu",
            "cowsay hello",
            "man which",
        ),
        *("make with=the of=that", "sort the | uniq", "show --all", "kubectl describe node"),
    ],
)
def test_a_command(command: str) -> None:
    assert not sentence(command)


def test_a_phrase_of_a_recipe_is_none_unless_it_is_also_its_command() -> None:
    near = (("Disk usage, by folder", "du -sh */"), ("git status", "git status"))
    assert sentence("Disk usage, by folder", near=near)
    assert not sentence("git status", near=near)
    assert not sentence("du -sh */", near=near)


def test_the_persons_own_words_are_none_unless_they_name_a_program() -> None:
    assert sentence("xyzzy plugh", asked="Please xyzzy plugh")
    assert not sentence("xyzzy plugh", asked="make the cow speak")
    assert not sentence("make test", asked="make test please")


def test_no_recipe_is_taken_for_a_sentence() -> None:
    commands = [
        recipe[0]
        for path in RECIPES.glob("*.toml")
        for table in tomllib.loads(path.read_text()).values()
        for recipe in table["recipes"]
    ]
    assert len(commands) > 1000
    assert not [c for c in commands if is_sentence(c, (), "", lambda program: True)]
