"""Checks that a command can fail without being dangerous."""

from __future__ import annotations

import time

import pytest

from cmdai_shell.core import SuggestRequest
from cmdai_shell.safety import assess
from cmdai_shell.suggest.context import Here
from cmdai_shell.suggest.verify import findings
from tests.fakes.dict_look import DictLook


def found(command, line="do it", *, shell="bash", look=None, path="/usr/bin"):
    request = SuggestRequest(line=line, shell=shell, path=path)
    verdict = assess(command, shell=shell)
    return tuple(f.text for f in findings(command, request, verdict, here(look, path)))


def here(look=None, path="/usr/bin"):
    look = look or DictLook()
    return Here(programs=look.programs(path), userland=look.platform()["userland"])


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        ("ls -la", "bash"),
        ("cd /tmp && pwd", "bash"),
        ("for f in *; do echo \"$f\"; done", "bash"),
        ("f() { ls; }; f", "bash"),
        ("[[ -f x ]] && source x", "zsh"),
        ("for f in *; echo $f; end", "fish"),
        ("string match -r a b", "fish"),
        ("./build.sh", "bash"),
        ("FOO=1 ls", "bash"),
        ("ls *.tmp | sort", "bash"),
    ],
)  # fmt: skip
def test_nothing_wrong(command, shell):
    assert found(command, shell=shell) == ()


def test_a_program_that_is_not_there():
    assert found("find . | xyz -1 | sort") == ("xyz is not installed here",)
    assert found("sudo xyz", look=DictLook(["sudo"])) == ("xyz is not installed here",)
    assert found("echo $(xyz)") == ("xyz is not installed here",)


def test_programs_are_looked_up_on_the_shells_own_path():
    look = DictLook([], only={"mytool": "/home/me/bin"})
    assert found("mytool", look=look, path="/home/me/bin") == ()
    assert found("mytool", look=look, path="/usr/bin") == ("mytool is not installed here",)


def test_builtins_are_the_shells_own():
    assert found("string length x", shell="bash") == ("string is not installed here",)


def test_what_the_person_began_is_theirs():
    assert found("ll -t | head", line="ll -t") == ()
    assert found("md5 notes", line="md5 of notes") == ("md5 is not installed here",)


def test_broken():
    assert found("for f in *; do") == ("not a complete bash command",)


def test_a_look_was_asked_for_and_it_deletes():
    command = "find . -type f -mtime +30 -exec rm {} +"
    assert found(command, line="files older than 30 days") == (
        "changes things, which was not asked",
    )
    assert found(command, line="delete files older than 30 days") == ()


@pytest.mark.parametrize("line", ["8080 to the pod web", "scratch volume", "main into topic"])
def test_a_request_that_does_not_ask_for_a_look_tells_nothing(line):
    assert "changes things, which was not asked" not in found("kubectl cordon node-1", line=line)
    assert found("rm -rf build", line=line) == ("changes things, which was not asked",)


def test_a_pattern_may_stand_for_names():
    line = "page1.txt to page9.txt in one file"
    assert found("cat page{1..9}.txt", line=line) == ()
    assert found("cat page.txt", line=line) == ("page1.txt is not in it", "page9.txt is not in it")


def test_dirname_is_a_program():
    assert found('echo "$(dirname "$0")"', look=DictLook(["dirname"])) == ()


def test_names_must_survive():
    line = "last lines of logs/app.log"
    assert found("tail app.log", line=line) == ("logs/app.log is not in it",)
    assert found("tail 'logs/app.log'", line=line) == ()
    assert found("tail my\\ file.txt", line="last lines of file.txt") == ()


@pytest.mark.parametrize(
    "line",
    [
        *(
            "move and/or copy",
            "e.g. show files",
            "version 1.5",
            "list files.",
            "at 10:30",
            "all .py",
        ),
        *("list what is tar.gz", "list all .tar.xz"),
    ],
)
def test_not_every_dot_is_a_name(line):
    assert found("ls *.py", line=line) == ()


def test_placeholders():
    assert found("du -sh /path/to/folder") == ("/path/to has to be filled in",)
    assert found("cat /path/to", line="show /path/to") == ()
    assert found("cat < in.txt > out.txt") == ()


@pytest.mark.parametrize("run", ["x", "/", "x/", "x.", "/-", "~x:", "x@"])
def test_a_long_line_is_checked_in_linear_time(run):
    line = run * (65536 // len(run))
    began = time.process_time()
    found("ls", line=line)
    assert time.process_time() - began < 2  # milliseconds; it was minutes


@pytest.mark.parametrize(
    "command",
    [
        "ls -lh | sort -rh | head -n 10",
        "ls -l src | sort -n",
        "find . -type f -exec ls -lh {} + | sort -rh",
    ],
)
def test_a_listing_sorted_by_its_permissions(command):
    assert found(command) == ("sorts ls by its first column, which is no number",)


@pytest.mark.parametrize(
    "command",
    [
        "ls -l | sort -k5 -n",
        "ls -1 | sort -n",
        "ls -ls | sort -n",
        "du -h | sort -h",
        "ls -l | sort",
    ],
)
def test_a_listing_sorted_by_a_number(command):
    assert found(command) == ()


@pytest.mark.parametrize("command", ["exit 1", "ls || exit", "set -e", "set -eu; ls", "logout"])
def test_what_would_close_the_persons_shell(command):
    (first, *_) = found(command)
    assert "can close this shell" in first


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("exit 1", "exit with 1"),
        ("set -o vi", "vi mode"),
        ("bash -c 'exit 3'", "a command that fails"),
        ("docker exec web nginx -t", "check nginx of web"),
    ],
)
def test_what_would_not(command, line):
    assert not any("close this shell" in text or "nginx" in text for text in found(command, line))


def test_export_is_a_word_of_fish():
    assert found("export EDITOR=vim", "set editor to vim", shell="fish") == ()
