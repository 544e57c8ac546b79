from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("shell", "typed", "status", "meant"),
    [
        ("bash", "for i in 1 2; echo $i; done", 2, "for i in 1 2; do echo $i; done"),
        ("bash", "while true; ls; done", 2, "while true; do ls; done"),
        ("bash", "if true; ls; fi", 2, "if true; then ls; fi"),
        ("bash", "x = 1", 127, "x=1"),
        ("bash", "$x=1", 127, "x=1"),
        ("zsh", "export A = b", 1, "export A=b"),
        ("bash", "export $A=b", 1, "export A=b"),
        ("bash", "alias ll = 'ls -l'", 1, "alias ll='ls -l'"),
        ("bash", "alias ll=ls -l", 1, "alias ll='ls -l'"),
        ("bash", "[-f a.txt ] && ls", 127, "[ -f a.txt ] && ls"),
        ("bash", "[ -f a.txt] && ls", 2, "[ -f a.txt ] && ls"),
        ("bash", "ls 2&>1", 2, "ls 2>&1"),
        ("bash", "ls | | wc", 2, "ls | wc"),
        ("fish", "A=b", 127, "set A b"),
        ("fish", "A = b", 127, "set A b"),
        ("fish", "echo $?", 127, "echo $status"),
        ("fish", "for i in 1 2; do echo $i; done", 127, "for i in 1 2; echo $i; end"),
        ("fish", "if true; then ls; fi", 127, "if true; ls; end"),
        ("fish", "unset A", 127, "set -e A"),
        ("zsh", "pip3 install foo[bar]", 1, "pip3 install 'foo[bar]'"),
        ("zsh", "curl https://x.org/?a=1", 1, "curl 'https://x.org/?a=1'"),
        ("zsh", "scp host:*.log .", 1, "scp 'host:*.log' ."),
    ],
)
def test_syntax(fix, shell, typed, status, meant):
    assert fix(typed, status, shell=shell, files={"a.txt": ""})[0] == meant


@pytest.mark.parametrize(
    ("shell", "typed", "status"),
    [
        ("bash", "for i in 1 2; do false; done", 1),
        ("bash", "[ -f a.txt ]", 1),
        ("bash", "[[ -f a.txt ]]", 1),
        ("bash", "A=b", 1),
        ("bash", "export A=b", 1),
        ("fish", "echo $status", 1),
        ("fish", "A=b ls", 1),
        ("zsh", "ls *.nothing", 1),
        ("bash", "pip3 install foo[bar]", 1),
    ],
)
def test_what_is_right_is_left_alone(fix, shell, typed, status):
    assert fix(typed, status, shell=shell, files={"a.txt": ""}) == ()
