"""Which recipes a request finds."""

from __future__ import annotations

import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.daemon.recipes import Shelf, _texts
from cmdai_shell.suggest.recall import (
    _PAIR_WEIGHT,
    _TERMS,
    Recall,
    _rows,
    _summed,
    features,
    fill,
    terms,
)

TEXT = r"""
[any]
recipes = [
  ["du -sh src", "how big is src", "size of the folder src"],
  ["ss -ltn", "open ports"],
  ["git reset --soft HEAD~1", "undo last commit, keep changes staged"],
]
[gnu]
recipes = [["stat -c %y notes.md", "when was notes.md changed"]]
[bsd]
recipes = [["stat -f %Sm notes.md", "when was notes.md changed"]]
[sh]
recipes = [["for f in *.csv; do wc -l \"$f\"; done", "lines in each csv"]]
[fish]
recipes = [["for f in *.csv; wc -l $f; end", "lines in each csv"]]
"""


def recall_of(text: str) -> Recall:
    base = sqlite3.connect(":memory:")
    fill(base, [text])
    return Recall(base)


@pytest.fixture(scope="module")
def recall() -> Recall:
    return recall_of(TEXT)


def commands(recall: Recall, words: str, shell: str = "bash", userland: str = "GNU") -> list[str]:
    return [command for _, command in recall.near(words, shell, userland, 3, bool)]  # type: ignore[arg-type]


def test_the_nearest_comes_last_and_each_command_once(recall: Recall) -> None:
    assert commands(recall, "size of folder lib")[-1] == "du -sh src"
    found = commands(recall, "how big is the folder src, size of it")
    assert len(set(found)) == len(found)
    assert commands(recall, "undo my commit")[-1] == "git reset --soft HEAD~1"


def test_words_are_found_in_another_form(recall: Recall) -> None:
    assert commands(recall, "undoing commits")[-1] == "git reset --soft HEAD~1"


def test_a_slip_of_the_finger_is_forgiven(recall: Recall) -> None:
    for words in ("fodler of src", "foldr of src", "folder of src", "follder of src"):
        assert commands(recall, words)[-1] == "du -sh src"


def test_no_word_is_too_long_to_be_asked() -> None:
    recall = recall_of(TEXT)
    most = 32_766  # variables of a statement, where SQLite is built as it comes
    recall._base.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, most)
    start = time.process_time()
    assert commands(recall, "size of folder " + "qwertyuiop" * 70)[-1] == "du -sh src"
    many = " ".join(f"{a}{b}qzvx" for a in "abcdefghijkl" for b in "abcdefghijkl")
    assert commands(recall, f"size of folder {many}")[-1] == "du -sh src"
    assert time.process_time() - start < 2  # milliseconds


def test_what_most_recipes_are_about_wins_over_one_that_shares_a_name() -> None:
    text = """
[any]
recipes = [
  ["docker logs web", "log of container web"],
  ["docker restart web", "restart container web"],
  ["ping web", "is web there, logs"],
]
"""
    assert commands(recall_of(text), "logs of the container")[-1] == "docker logs web"


@pytest.mark.parametrize(
    ("shell", "userland", "loop", "stat"),
    [
        ("bash", "GNU", "do wc", "-c"),
        ("zsh", "BSD", "do wc", "-f"),
        ("fish", "GNU", "; end", "-c"),
    ],
)
def test_only_what_this_shell_and_these_tools_take(
    recall: Recall, shell: str, userland: str, loop: str, stat: str
) -> None:
    assert loop in commands(recall, "count lines of every csv", shell, userland)[-1]
    assert stat in commands(recall, "todo.md changed when", shell, userland)[-1]


def test_what_is_not_installed_is_not_shown() -> None:
    text = """
[any]
recipes = [
  ["mlr --icsv --ojson cat a.csv", "a.csv as json"],
  ["cat a.csv | sudo mlr --ojson cat", "this csv as json please"],
  ["awk '{ mlr; print }' a.csv", "csv as json with awk"],
]
"""
    near = recall_of(text).near("b.csv as json", "bash", "GNU", 3, lambda name: name != "mlr")
    assert [command for _, command in near] == ["awk '{ mlr; print }' a.csv"]


def test_what_is_added_up_is_what_sqlite_computes() -> None:
    rows = [*_rows(_texts())]
    ours, theirs = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    fill(ours, _texts())
    theirs.execute("create virtual table recipe using fts5(words, pairs)")
    for number, _, phrases, _ in rows:
        words, pairs = (" ".join(c) for c in zip(*map(features, phrases), strict=True))
        row = (number, words, pairs)
        theirs.execute("insert into recipe(rowid, words, pairs) values (?, ?, ?)", row)
    query = "select rowid, -bm25(recipe, 1.0, ?) from recipe where recipe match ?"
    for words in ("how many lines are in each csv below src", "list files 7", "pods on node7"):
        asked = list(dict.fromkeys(" ".join(features(words)).split()))
        marks = ",".join("?" * len(asked))
        found = {term: row for term, *row in ours.execute(f"{_TERMS}({marks})", asked)}
        telling = [term for term in asked if term in found and found[term][1]]
        computed = dict(theirs.execute(query, (_PAIR_WEIGHT, " OR ".join(telling))))
        assert _summed(found[term] for term in telling) == pytest.approx(computed)
        assert len(computed) > 20


def test_names_and_numbers_say_only_what_kind_of_thing_they_are() -> None:
    assert terms("show the 5 newest of Reports/may-2024.csv in ~/x") == ["newest", "csv"]


@given(st.text())
def test_any_words_can_be_asked(words: str) -> None:
    recall_of(TEXT).near(words, "bash", "GNU", 3, bool)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("what uses port 8080", "8080|:80|sport|-i"),
        ("make backup.sh executable", "chmod"),
        ("undo the last commit but keep my changes", "git reset --soft"),
        ("pods in namespace staging", "kubectl"),
    ],
)
async def test_the_recipes_of_this_project_find_the_right_tool(
    words: str, part: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shelf = Shelf(tmp_path_factory.getbasetemp() / "recipes")
    await shelf.make()
    found = [command for _, command in shelf.near(words, "bash", "GNU", 3, bool)]
    assert any(p in command for command in found for p in part.split("|"))
