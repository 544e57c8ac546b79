"""What each part of a line does, by a manual of our own words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.suggest import explain
from tests.fakes.dict_manual import EVERYDAY
from tests.fakes.host_manual import HOST, needs


def told(line, width=80, spoken=()):
    return explain.read(line, EVERYDAY).text(width, spoken).splitlines()


def test_a_program_and_its_options():
    assert told("tar -xzf a.tgz -C src") == [
        "tar: an archive program",
        "-x: take files out of an archive",
        "-z: through gzip",
        "-f a.tgz: use the file a.tgz",
        "-C src: go to src before",
    ]
    assert told("tar xzf a.tgz")[1:] == [
        "x: take files out of an archive",
        "z: through gzip",
        "f a.tgz: use the file a.tgz",
    ]
    assert told("ls --sort=size")[1] == "--sort=size: sort by size instead of name"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (
            "ls | sort -n > out 2>&1",
            [
                "ls: list a folder",
                "| sort: takes that output: sort lines",
                "-n: by number",
                "> out: writes the output to out, replacing what was there",
                "2>&1: sends error messages where the output goes",
            ],
        ),
        (
            "cd x && ls || ./y &",
            [
                "cd: goes to another folder",
                "&& ls: only if that worked: list a folder",
                "|| ./y: only if that failed: the program in this file",
                "&: in the background: the prompt comes back at once",
            ],
        ),
        (
            "sudo -u bob systemctl restart web",
            [
                "sudo: does it as the administrator, or another user",
                "-u bob: not in this machine's manual",
                "systemctl: control services",
                "restart: stop services and start them again",
            ],
        ),
        (
            "find . -name '*.log' -mtime +7 -exec kill -9 {} +",
            [
                "find: look for files",
                ".: where to look: this folder",
                "-name '*.log': whose name fits *.log",
                "-mtime +7: more than 7 days since it was changed",
                "-exec … +: runs this for each, {} being its name",
                "kill: send a signal",
                "-9: sends SIGKILL, which ends it at once",
            ],
        ),
        (
            'for f in *.txt; do sed s/a/b/ "$f"; done',
            [
                "for f in *.txt: does what follows for each of *.txt, as $f",
                "sed: edit a stream",
                "s/a/b/: replaces a by b, once a line",
            ],
        ),
        (
            "X=1 git -C y log --oneline $(ls -a *.c)",
            [
                "X=1: sets X for this command",
                "git log: show the history",
                "-C y: run in y",
                "--oneline: one line each",
                "ls: list a folder",
                "-a: show hidden names too",
                "*.c: every name here that ends in .c",
            ],
        ),
        (
            "bash -c 'ls | sort'",
            [
                "bash: not in this machine's manual",
                "-c: not in this machine's manual",
                "ls: list a folder",
                "| sort: takes that output: sort lines",
            ],
        ),
        ("chmod u+x f", ["chmod: change modes", "u+x: the owner may also run"]),
        ("ls --frob", ["ls: list a folder", "--frob: ls has no such option, by its manual"]),
    ],
)
def test_a_line(line, parts):
    assert told(line) == parts


@pytest.mark.parametrize(
    ("line", "whole", "of_use"),
    [
        ("ls -la", True, True),
        ("nope -x", False, False),
        ("ls | nope", False, True),
        ("sed 'complicated;stuff'", False, True),
        ("", False, False),
        ("| |", False, False),
    ],
)
def test_what_is_left_to_ask(line, whole, of_use):
    found = explain.read(line, EVERYDAY)
    assert (found.is_whole, found.is_of_use) == (whole, of_use)


def test_a_model_fills_in_what_is_missing_and_nothing_else():
    spoken = ["nope: does nothing", "ls: something else", "-q: quietly", "nothing at all"]
    assert told("ls | nope -q --other", spoken=spoken) == [
        "ls: list a folder",
        "| nope: does nothing",
        "-q: quietly",
        "--other: not in this machine's manual",
    ]


def test_lines_fit_the_terminal():
    line = "ls " + " ".join(f"--sort={'x' * 100}{n}" for n in range(20))
    shown = told(line, width=70)
    assert len(shown) <= explain.MOST
    assert all(len(one) < 70 for one in shown)
    assert explain.fitted("-x", "does this; and that as well", 20) == "-x: does this"
    assert explain.fitted("-x", "does this and that as well", 20) == "-x: does this and…"


def test_the_value_takes_the_place_of_the_arguments_name_only():
    assert told("ls --sort=WORDY")[1] == "--sort=WORDY: sort by WORDY instead of name"


@given(st.text(alphabet="ls tar-xzf|&;<>$(){}'\"`\\*=sudo find.exec\n", max_size=80))
def test_nothing_raises(line):
    explain.read(line, EVERYDAY).text(80)


@pytest.mark.parametrize("unit", ["sudo ", "$(", "sh -c '", "ls | ", "find -exec ", "`ls "])
def test_depth_and_length_have_an_end(unit):
    begun = time.perf_counter()
    explain.read(unit * 2000, EVERYDAY).text(80)
    assert time.perf_counter() - begun < 2


def test_real_pages():
    needs("tar", "ls", "git-commit")
    text = explain.read("tar -xzf a.tgz -C src && git commit -am x", HOST).text(100)
    assert "-f a.tgz: use archive file or device a.tgz" in text
    assert "&& git commit: only if that worked: record changes to the repository" in text
