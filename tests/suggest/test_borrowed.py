"""What came from the examples, not from the person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.suggest.borrowed import returned
from cmdai_shell.suggest.verify import lost_names

SYNC = ("folder site as a mirror in backup", "rsync -av --delete site/ backup/")


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
        ("tar czf src.tgz src", "pack src as tar.gz"),
        ("sort file.txt", "the lines of sort.txt in order"),
        ("git log --oneline | wc -l", "count lines in git.log"),
        ("sudo du -sh .", "how big is du.log"),
    ],
)
def test_it_stays_when_that_is_not_plain(command: str, asked: str) -> None:
    assert returned(command, [SYNC], asked, lost_names(command, asked)) == command


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_is_taken(command: str, phrase: str, pattern: str, asked: str) -> None:
    near = [(phrase, pattern)]
    returned(command, near, asked, lost_names(command, asked))
