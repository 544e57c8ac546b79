"""Options nobody has, and no alarm for those that somebody has."""

from __future__ import annotations

import shutil
import time
import tomllib
from pathlib import Path

import pytest

from cmdai_shell.core import SuggestRequest
from cmdai_shell.safety import assess, parse
from cmdai_shell.suggest import flags
from cmdai_shell.suggest.verify import findings
from tests.fakes.dict_look import DictLook
from tests.fakes.dict_manual import EVERYDAY
from tests.fakes.host_manual import HOST, needs
from tests.suggest.test_recipes import HERE, of
from tests.suggest.test_verify import here

LABELLED = Path(__file__).parents[1] / "safety" / "labelled.toml"


def invented(command: str, manual=EVERYDAY, shell="bash"):
    return [*flags.invented(parse(command, shell).commands, manual)]


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("ls --sort-by-size", ("ls", "--sort-by-size")),
        ("ls -lQ", ("ls", "-Q")),
        ("sudo tar --frob -xf a", ("tar", "--frob")),
        ("find . -older 3", ("find", "-older")),
        ("git log --only-author ann", ("git log", "--only-author")),
        ("cat x | xargs --each sort", ("xargs", "--each")),
        ("echo $(ls --frob)", ("ls", "--frob")),
        ("for f in *; do sort --frob $f; done", ("sort", "--frob")),
    ],
)
def test_an_invented_option_is_found(command, option):
    assert invented(command) == [option]


@pytest.mark.parametrize(
    "command",
    [
        *("ls -lah --sort=size --col", "ls --help", "ls -1", "ls -- --frob", "ls $x --$y -$z"),
        *("git frob --x", "nope --x", "poor --x", "find . -not -perm -u=x", "xargs ls -Q"),
        *("sort -t- -k2", "tar xzf a", "kill -9 1", "chmod -x f", "f() { ls -a; }; f --x"),
        *("git log --no-patch", "find . -exec sort --reverse {} +"),
    ],
)
def test_no_alarm(command):
    assert invented(command) == ([("ls", "-Q")] if "-Q" in command else [])


def test_the_line_says_so_and_the_model_is_told():
    command = "ls --sort-by-size"
    request = SuggestRequest(line="list by size", path="/usr/bin")
    found = findings(command, request, assess(command), here(), EVERYDAY)
    assert [(f.text, f.advice) for f in found] == [
        ("ls has no --sort-by-size", "without --sort-by-size")
    ]
    assert not findings(command, request, assess(command), here())


def test_elsewhere_is_another_manual():
    command = "docker exec web ls --frob"
    request = SuggestRequest(line="list", path="/usr/bin")
    look = DictLook(["docker", "ls"])
    assert not findings(command, request, assess(command), here(look), EVERYDAY)


@pytest.mark.parametrize("command", ["ls --frob", "print -l x"])
def test_a_function_of_the_line_and_the_shells_own_words_are_no_programs(command):
    skip = {"ls", "print"}
    assert not [*flags.invented(parse(command).commands, EVERYDAY, skip)]


def test_no_recipe_alarms_on_this_machine():
    needs("ls", "find", "tar", "git-log")
    begun = time.perf_counter()
    wrong = []
    for shell, tables in (("zsh", HERE - {"fish"}), ("fish", {"fish"})):
        for command in of(tables):
            request = SuggestRequest(line=command, shell=shell)
            verdict = assess(command, shell=shell)
            texts = [f.text for f in findings(command, request, verdict, here(), None)]
            with_manual = [f.text for f in findings(command, request, verdict, here(), HOST)]
            wrong += [(text, command) for text in with_manual if text not in texts]
            wrong += [(flag, command) for flag in invented(command, HOST, shell) if _here(flag)]
    assert not wrong
    assert time.perf_counter() - begun < 50


def _here(flag):
    """Of a builtin, only the manual's program of the same name is meant."""
    program = flag[0].split()[0]
    return program != "print" and shutil.which(program)


def test_no_everyday_command_alarms_on_this_machine():
    needs("ls", "find", "tar", "git-log")
    families = tomllib.loads(LABELLED.read_text(encoding="utf-8"))["family"]
    labels = ("safe", "caution", "dangerous", "critical")
    commands = [c for family in families for label in labels for c in family.get(label, [])]
    wrong = [(flag, c) for c in commands for flag in invented(c, HOST) if _here(flag)]
    assert not wrong


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("ls --sort-by-size", "ls"),
        ("grep --only-names foo .", "grep"),
        ("git log --only-author ann", "git-log"),
        ("journalctl --last 5", "journalctl"),
        ("tar --foo -xzf a", "tar"),
        ("du -h --depth=1", "du"),
        ("curl --json-body x y", "curl"),
        ("find . -older 3", "find"),
        ("sed --inplace s/a/b/ x", "sed"),
        ("ps --sort-by mem", "ps"),
        ("uniq --counts", "uniq"),
        ("ssh -Z h", "ssh"),
        ("apt-get install --yess x", "apt-get"),
    ],
)
def test_inventions_of_models_are_found_in_real_pages(command, name):
    needs(name)
    assert invented(command, HOST)
