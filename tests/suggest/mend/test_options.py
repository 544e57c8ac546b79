from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("typed", "status", "meant"),
    [
        ("git commit --ammend", 129, "git commit --amend"),
        ("git commit -amend", 129, "git commit --amend"),
        ("git log -oneline -5", 128, "git log --oneline -5"),
        ("git log --onelin", 128, "git log --oneline"),
        ("git commit --am", 129, None),
        ("git push --force-with-leese", 129, "git push --force-with-lease"),
        ("docker run -detach nginx", 125, "docker run --detach nginx"),
        ("docker ps --al", 125, None),
        ("ls --recusrive", 2, "ls --recursive"),
        ("ls --la", 2, "ls -la"),
        ("ls --l", 2, "ls -l"),
        ("ls --colour=auto", 2, "ls --color=auto"),
        ("grep --ingore-case x a", 2, "grep --ignore-case x a"),
        ("pip3 install --upgarde x", 2, "pip3 install --upgrade x"),
        ("curl --hedaer 'A: b' u", 2, "curl --header 'A: b' u"),
        ("find . --name '*.py'", 1, "find . -name '*.py'"),
        ("find . -nmae '*.py'", 1, "find . -name '*.py'"),
        ("find . -type file", 1, "find . -type f"),
        ("find . name '*.py'", 1, "find . -name '*.py'"),
        ("find . -maxdpeth 2", 1, "find . -maxdepth 2"),
        ("find . -exec ls --la {} +", 1, None),
        ("ls la", 2, "ls -la"),
        ("rm rf build", 1, "rm -rf build"),
        ("grep x a", 2, None),
        ("grep rn build .", 2, "grep -rn build ."),
        ("grep lin a.txt b.txt", 1, None),
        ("cp a", 1, None),
        ("cp a b", 1, None),
        ("cp r build out", 1, "cp -r build out"),
        ("rm f nope", 1, None),
        ("git commit -m --ammend", 0, None),
    ],
)
def test_options(fix, typed, status, meant):
    found = fix(typed, status, files={"build/x": ""})
    assert (found[0] if found else None) == meant
