from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("git commit -m \u201cfix it\u201d", 'git commit -m "fix it"'),
        ("ls \u2013la", "ls -la"),
        ("git log \u2014oneline", "git log --oneline"),
        ("grep\u00a0-r x .", "grep -r x ."),
        ("$ git status", "git status"),
        ("ada@box:~/w$ git status", "git status"),
        ('echo "hello', 'echo "hello"'),
        ("grep \"foo' a.txt", 'grep "foo" a.txt'),
        ("echo $(date", "echo $(date)"),
        ("sed -n '1,2p a.txt", "sed -n '1,2p' a.txt"),
        ("sed 's/a/b' x.txt", "sed 's/a/b/' x.txt"),
        ("sed -i s/a/b x.txt", "sed -i s/a/b/ x.txt"),
        ('cat x | sed "s|a b|c" | wc', 'cat x | sed "s|a b|c|" | wc'),
    ],
)
def test_characters(fix, typed, meant):
    assert fix(typed, 1, files={"a.txt": ""})[0] == meant


@pytest.mark.parametrize(
    "typed",
    [
        "sed 's/a/b/' x",
        "sed 's/a/b/g' x",
        "echo $5",
        "echo '$ ls'",
        "> run.sh",
        "> /etc/motd",
        "git commit -m 'don\u2019t panic'",
        'git commit -m "a \u2013b \u201cc\u201d"',
    ],
)
def test_nothing_is_sure(fix, typed):
    assert fix(typed, 1, files={"run.sh": "", "/etc/motd": ""}) == ()
