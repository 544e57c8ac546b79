"""What came from the examples, not from the person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.suggest.borrowed import loans, returned
from cmdai_shell.suggest.verify import lost_names

BLAME = ("who wrote lines 10 to 20 of app.py", "git blame -L 10,20 app.py")
SYNC = ("folder site as a mirror in backup", "rsync -av --delete site/ backup/")
KEY = ("log in to web1 with key work", "ssh -i ~/.ssh/work web1")


@pytest.mark.parametrize(
    ("command", "asked", "example"),
    [
        ("git blame -L 10,20 cart.py", "who changed which line in cart.py", BLAME),
        ("git blame app.py", "who wrote this", BLAME),
        ("rsync -av --delete photos/ backup/", "sync photos to nas:/media", SYNC),
        (
            "du -sh /var | head -n 5",
            "size of this",
            ("5 biggest in /var", "du -sh /var | head -n 5"),
        ),
    ],
)
def test_a_name_or_a_number_nobody_asked_for(
    command: str, asked: str, example: tuple[str, str]
) -> None:
    assert loans(command, [KEY, example], asked) == (example,)


@pytest.mark.parametrize(
    ("command", "asked", "example"),
    [
        ("git blame -L 10,20 cart.py", "who wrote line 10 until 20 in cart.py", BLAME),
        ("rsync -av --delete photos/ backup/", "photos to backup, delete the rest there", SYNC),
        ("docker logs web", "log of web", ("logs of api", "docker logs api")),
        ("ssh -i ~/.ssh/work web1", "ssh to web1 with my work key", KEY),
    ],
)
def test_programs_subcommands_and_what_was_asked_are_not_borrowed(
    command: str, asked: str, example: tuple[str, str]
) -> None:
    assert loans(command, [example], asked) == ()


@pytest.mark.parametrize(
    ("command", "asked", "right"),
    [
        ("ssh -i ~/.ssh/ci me@web", "ssh to me@web with keys/ci", "ssh -i keys/ci me@web"),
        ("cut -d: -f1 /etc/group", "names in group.txt", "cut -d: -f1 group.txt"),
        ("cat log/app.log", "show old/app.log", "cat old/app.log"),
        (
            "rsync -av --delete docs/ backup/",
            "sync docs to nas:/srv/docs and delete there",
            "rsync -av --delete docs/ nas:/srv/docs",
        ),
    ],
)
def test_the_persons_own_name_takes_the_place(command: str, asked: str, right: str) -> None:
    assert returned(command, [SYNC], asked, lost_names(command, asked)) == right


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("cat notes.txt", "show notes.txt"),
        ("diff a/x.conf b/x.conf", "compare c/x.conf and d/x.conf"),
        ("cp x/app.conf y/app.conf", "copy my/app.conf"),
        ("ls", "show notes.txt"),
    ],
)
def test_it_stays_when_that_is_not_plain(command: str, asked: str) -> None:
    assert returned(command, [SYNC], asked, lost_names(command, asked)) == command


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_is_taken(command: str, phrase: str, pattern: str, asked: str) -> None:
    near = [(phrase, pattern)]
    loans(command, near, asked)
    returned(command, near, asked, lost_names(command, asked))
