from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.history.outcome import judged

COMMANDS = st.sampled_from(
    (
        "ls -la",
        "find . -name '*.py' -mtime -1",
        "tar xzf a.tgz",
        "git commit -m 'more tests'",
        "du -sh * | sort -h",
        "for f in *; do echo $f; done",
    )
)


@pytest.mark.parametrize(
    ("suggested", "ran", "outcome"),
    [
        ("ls -la", "ls -la", "accepted"),
        ("ls -la", " ls  -la ", "accepted"),
        ("for f in *; do\n  echo $f\ndone", "for f in *; do   echo $f; done", "accepted"),
        ("cd /srv\nls", "cd /srv", "accepted"),
        ("cd /srv\nls", "make", "rejected"),
        ("cd /srv; ls", "cd /srv", "edited"),
        ("ls -la", "ls", "edited"),
        ("ls -la", "ls -la | wc -l", "edited"),
        ("du -sh *", "du -h --max-depth=1", "edited"),
        ("cat foo", "cat bar", "edited"),
        ("apt install jq", "sudo apt install jq", "edited"),
        ("systemctl status nginx", "systemctl restart nginx", "edited"),
        ("git push", "git push origin main", "edited"),
        ("vim a.txt b.txt c.txt", "nano a.txt b.txt c.txt", "edited"),
        ("cd /srv/www; git pull", "(cd /srv/www && git pull)", "edited"),
        ("ls -la", "", "rejected"),
        ("ls -la", "   ", "rejected"),
        ("ls -la", "make test", "rejected"),
        ("git push", "git status", "rejected"),
        ("git push", "git checkout -b new", "rejected"),
        ("docker ps -a", "docker build .", "rejected"),
        ("rm -rf build", "ls build", "rejected"),
        ("", "ls", "rejected"),
    ],
)
def test_what_became_of_it(suggested: str, ran: str, outcome: str) -> None:
    assert judged(suggested, ran) == outcome


@given(st.text(), st.text())
def test_anything_is_judged(suggested: str, ran: str) -> None:
    assert judged(suggested, ran) in ("accepted", "edited", "rejected")


@given(st.text())
def test_the_same_is_accepted(command: str) -> None:
    assert judged(command, command) == "accepted"


@given(COMMANDS, st.sampled_from((" | head", " > out.txt", " && echo done", " -v")))
def test_more_at_the_end_is_an_edit(command: str, more: str) -> None:
    assert judged(command, command + more) == "edited"


@given(COMMANDS, st.sampled_from(("sudo ", "time ", "command ")))
def test_more_at_the_beginning_is_an_edit(command: str, more: str) -> None:
    assert judged(command, more + command) == "edited"


@given(COMMANDS)
def test_an_empty_line_is_a_rejection(command: str) -> None:
    assert judged(command, "") == "rejected"
