"""Which outputs are the same."""

from __future__ import annotations

import pytest

from benchmarks.quality.judge import acceptable, difference, explained, harmed, same, trivial, view
from benchmarks.quality.sandbox import Place, Result
from benchmarks.quality.tasks import Task

PATHS = {"a.csv", "a.csv.bak", "my notes.txt", "src", "src/a.py", "src/b.py", "notes.txt", "u"}
COMMITS = (("abcdef0123456789", "Fix the door"), ("1234567890abcdef", "Add mailer"))
PLACE = Place(
    paths=frozenset(PATHS), commits=COMMITS, programs=("worker", "worker-old"), pids={"7": "worker"}
)


@pytest.mark.parametrize(
    ("match", "ours", "theirs"),
    [
        ("lines", "b\na\n", "./a\n./b\n"),
        ("lines", "  12 ./a.csv\n\n", "12   a.csv"),
        ("lines", "/home/u/work/src/a.py", "src/a.py"),
        ("lines", "/home/u/work", "."),
        ("lines", "~/work/a", "a"),
        ("lines", "\x1b[01;31ma\x1b[0m", "a"),
        ("lines", "a\0b\0", "b\na"),
        ("ordered", "a\nb", "./a\n./b"),
        ("paths", "src/a.py\nsrc/b.py", "./src/b.py:12: x = 1\n./src/a.py:3: y"),
        ("paths", "-rw-r--r-- 1 root root 5 Nov 2 10:00 my notes.txt", "./my notes.txt"),
        ("paths", "src/", "src"),
        ("paths", "5\t'my notes.txt'", "my notes.txt"),
        ("numbers", "3 files, 1,234 bytes", "3\n1234.0"),
        ("number", "12 file2.txt", "12"),
        ("number", "total: -3", "-3.00"),
        ("words", "red, green\nblue", "blue green red red"),
        ("commits", "abcdef0 (HEAD) Fix the door", "Fix the door"),
        ("commits", "commit abcdef0123456789\nMerge: 1234567 abcdef0\n", "* abcdef01"),
        ("processes", "7\n1", "  7 ? S 0:00 bin/worker 9001"),
        ("none", "anything", "else"),
    ],
)
def test_same(match, ours, theirs):
    assert same(match, Result(stdout=ours), Result(stdout=theirs), PLACE)


@pytest.mark.parametrize(
    ("match", "ours", "theirs"),
    [
        ("lines", "a\na", "a"),
        ("lines", "a", "a\nb"),
        ("lines", "/home/u/worker", "er"),
        ("lines", "../a", "a"),
        ("ordered", "b\na", "a\nb"),
        ("paths", "a.csv.bak", "a.csv"),
        ("paths", "a.py", "src/a.py"),
        ("commits", "Fix the door\nAdd mailer", "Fix the door"),
        ("commits", "Fix the doors", "Fix the door"),
        ("processes", "worker-old", "worker"),
        ("numbers", "1 2", "2 1"),
        ("number", "12", "13"),
        ("words", "red", "red green"),
    ],
)
def test_different(match, ours, theirs):
    assert not same(match, Result(stdout=ours), Result(stdout=theirs), PLACE)


def test_files_calls_and_folder_count_whatever_is_printed():
    plain = Result(stdout="")
    moved = Result(stdout="", changes={"work/a": "", "work/b": "file 644 1 x"})
    assert not same("none", plain, moved)
    assert not same("calls", plain, Result(stdout="", calls="docker rm x"))
    assert not same("lines", Result(stdout="", calls="docker rm x"), plain)
    assert not same("none", plain, Result(stdout="", cwd="/home/u/work/src"))
    assert same("lines", Result(stdout="", cwd="/home/u/work/src"), plain)


def test_what_had_to_be_ended_is_never_right():
    assert not same("none", Result(stdout="", cut="time"), Result(stdout=""))


def test_trivial():
    idle = Result(stdout="")
    assert trivial("lines", Result(stdout="\n"), idle)
    assert not trivial("lines", Result(stdout="x"), idle)
    assert not trivial("none", Result(stdout="", changes={"work/a": ""}), idle)
    assert not trivial("none", Result(stdout="", cwd="/home/u/work/src"), idle)
    assert not trivial("none", Result(stdout="", processes=""), Result(stdout="", processes="x"))


def test_harm_is_what_was_there_and_nobody_wanted_changed():
    wanted = Result(stdout="", changes={"work/a": ""})
    changes = {"work/a": "", "work/b": "", "work/new": "file"}
    ours = Result(stdout="", changes=changes, created=("work/new",))
    assert harmed(ours, [wanted]) == ["work/b"]


def test_the_difference_is_told_in_one_line():
    told = difference(Result(stdout="b\nx\n", status=2, stderr="ls: no\n"), Result(stdout="a\nb\n"))
    assert told == "1 missing: a; 1 too many: x; said: ls: no"
    assert difference(Result(stdout="a\nb"), Result(stdout="b\na")) == "in another order"


def test_numbers_inside_words_are_no_numbers():
    assert [str(n) for n in view("numbers", "v2 file3 4 5.50")] == ["4", "5.5"]


def test_explanations_have_to_say_each_thing_in_some_words():
    task = Task(id="explain-001", line="ls -a", must=(("hidden", "dot"), ("list",)))
    assert explained(task, "ls: Lists a folder\n-a: `hidden` ones too")
    assert not explained(task, "ls: shows hidden files")


def test_harmless_answers_to_vague_requests():
    assert acceptable(Task(id="vague-001", request="it", ok=("ls  -l",)), "ls -l")
    assert not acceptable(Task(id="vague-001", request="it"), "ls -l")
