"""zsh and extended globs."""

from __future__ import annotations

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess, parse
from cmdai_shell.safety.dialects import short_loops, without_groups


@pytest.mark.parametrize(
    ("zsh", "plain"),
    [
        ("ls *(.om[1,5])", "ls **"),
        ("rm -rf /(bin|etc)", "rm -rf /*"),
        ("echo (a)", "echo (a)"),
        ("x=(a b)", "x=(a b)"),
        ("echo '*(.)'", "echo '*(.)'"),
        ("f() { ls; }", "f() { ls; }"),
        ("echo $(date)", "echo $(date)"),
    ],
)
def test_glob_qualifiers_only_choose(zsh, plain):
    assert without_groups(zsh, "zsh") == plain


def test_extended_globs_of_bash():
    assert without_groups("rm !(*.txt)", "bash") == "rm *"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("for f (*.c) print $f", "f=(*.c); print $f"),
        ("for f (a b); do ls $f; done", "for f in a b; do ls $f; done"),
        ("foreach f (a b)", "f=(a b); "),
        ("for f in a; do ls; done", "for f in a; do ls; done"),
    ],
)
def test_short_loops(short, long):
    assert short_loops(short).rstrip() == long.rstrip()


@pytest.mark.parametrize(
    "line",
    [
        "for f (/*) rm -rf $f", "rm -rf /*(D)", "rm -rf ~/*(/)", "noglob rm -rf /",
        "repeat 3 rm -rf /", "- rm -rf /", "=rm -rf /", "if [[ -d / ]] { rm -rf / }",
        "nocorrect rm -rf ~",
        "=(rm -rf /)", "cat =(rm -rf /)", "rm -rf $HOME:h", "rm -rf ${:-/}", "rm -rf ${(z)HOME}",
    ],
)  # fmt: skip
def test_no_zsh_construct_hides_a_command(line):
    assert assess(line, shell="zsh").risk is Risk.CRITICAL


@pytest.mark.parametrize(
    "line",
    [
        "print -l **/*.py(.om[1,5])",
        "for f (*.txt) print $f",
        "ls *(/)",
        "echo =ls",
        "echo ${(U)name} $x:t",
    ],
)
def test_zsh_is_understood(line):
    assert not parse(line, "zsh").broken
    assert assess(line, shell="zsh").risk is Risk.SAFE


def test_everything_but_one_is_nearly_everything():
    assert assess("setopt extendedglob; rm -rf ^keep", shell="zsh").risk is Risk.DANGEROUS
