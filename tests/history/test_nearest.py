from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.history.entry import Entry
from cmdai_shell.history.nearest import Nearest

if TYPE_CHECKING:
    from collections.abc import Callable


def good(words: str, command: str, **fields: object) -> Entry:
    entry = Entry(
        time=0.0, shell="bash", words=words, suggested=command, outcome="accepted", status=0
    )
    return replace(entry, **fields)  # type: ignore[arg-type]


def near(
    known: Nearest, words: str, most: int = 3, fits: Callable[[str], bool] = lambda _: True
) -> list[str]:
    return [command for _, command in known.near(words, "bash", most, fits)]


class TestOwn:
    def test_the_command_for_the_same_words(self) -> None:
        known = Nearest([good("list files", "ls -lh")], 10)
        assert known.own("List  files.", "bash") == "ls -lh"
        assert known.own("list files", "fish") == ""
        assert known.own("list all files", "bash") == ""

    def test_the_person_s_own_final_one(self) -> None:
        entry = good("list files", "ls", outcome="edited", ran="ls -lh")
        assert Nearest([entry], 10).own("list files", "bash") == "ls -lh"

    def test_the_newest_of_several(self) -> None:
        known = Nearest([good("list files", "ls"), good("list files", "find .")], 10)
        assert known.own("list files", "bash") == "find ."

    @pytest.mark.parametrize(
        "fields",
        [
            {"outcome": "rejected"},
            {"outcome": "offered"},
            {"status": 1},
            {"status": 127},
            {"status": None},
        ],
    )
    def test_only_what_was_run_and_worked(self, fields: dict[str, object]) -> None:
        known = Nearest([good("list files", "ls", **fields)], 10)
        assert known.own("list files", "bash") == ""
        assert near(known, "list big files") == []

    def test_a_failure_later_on(self) -> None:
        known = Nearest([good("list files", "ls"), good("list files", "ls", status=2)], 10)
        assert known.own("list files", "bash") == ""
        assert near(known, "list big files") == []

    def test_a_credential_is_the_one_of_today(self) -> None:
        words, command = "log in with password: SECRET_1", "mysql -pSECRET_1"
        known = Nearest([good(words, command)], 10)
        assert known.own("log in with password: other-one", "bash") == command
        assert near(known, "log in again with password: other-one") == []

    def test_a_credential_that_is_not_in_the_words(self) -> None:
        known = Nearest([good("log in", "mysql -pSECRET_1")], 10)
        assert known.own("log in", "bash") == ""

    def test_one_too_long_for_an_example(self) -> None:
        assert Nearest([good("list", "ls " + "x" * 200)], 10).own("list", "bash") == ""


class TestNear:
    KNOWN = (
        good("show the disk usage of the photos folder", "du -sh photos"),
        good("show the disk usage of the music folder", "du -sh music"),
        good("restart the web server", "systemctl restart nginx"),
    )

    def test_other_words_like_these(self) -> None:
        found = near(Nearest(self.KNOWN, 10), "show disk usage of the video folder")
        assert set(found) == {"du -sh photos", "du -sh music"}

    def test_the_nearest_and_newest_last(self) -> None:
        found = near(Nearest(self.KNOWN, 10), "disk usage of the photos folder please")
        assert found[-1] == "du -sh photos"
        assert near(Nearest(self.KNOWN, 10), "disk usage of the folder")[-1] == "du -sh music"

    def test_at_most(self) -> None:
        known = Nearest(self.KNOWN, 10)
        assert len(near(known, "disk usage of the video folder", most=1)) == 1
        assert near(known, "disk usage of the video folder", most=0) == []

    def test_one_word_in_common_is_not_enough(self) -> None:
        assert near(Nearest(self.KNOWN, 10), "compress the folder of last year") == []

    def test_the_same_words_are_not_other_words(self) -> None:
        assert near(Nearest(self.KNOWN[2:], 10), "restart the web server") == []

    def test_what_does_not_fit_is_left_out(self) -> None:
        found = near(
            Nearest(self.KNOWN, 10), "disk usage of the folder", fits=lambda c: "music" not in c
        )
        assert found == ["du -sh photos"]

    def test_another_shell_is_left_out(self) -> None:
        known = Nearest([good("restart the web server", "x", shell="fish")], 10)
        assert near(known, "restart the old web server") == []

    def test_a_command_once(self) -> None:
        known = Nearest([good("restart web server", "x"), good("restart the server", "x")], 10)
        assert near(known, "restart the web server now") == ["x"]

    @given(st.text(), st.text())
    def test_any_words(self, kept: str, asked: str) -> None:
        Nearest([good(kept, "ls")], 10).near(asked, "bash", 3, lambda _: True)


class TestSize:
    def test_the_oldest_go_first(self) -> None:
        known = Nearest([good(f"open the box {name}", name) for name in "abcde"], 3)
        assert [entry.suggested for entry in known.entries()] == ["c", "d", "e"]
        assert known.own("open the box a", "bash") == ""
        assert sorted(near(known, "open the box z")) == ["c", "d", "e"]

    def test_the_same_pair_again_is_the_newest(self) -> None:
        known = Nearest([], 2)
        for name in "abac":
            known.put(good(f"open {name}", name))
        assert [entry.suggested for entry in known.entries()] == ["a", "c"]


class TestLookingUp:
    def test_by_suggestion_and_by_words(self) -> None:
        entry = good("list files", "ls  -l", outcome="offered")
        known = Nearest([entry], 10)
        assert known.of_suggestion("bash", "ls -l") == entry
        assert known.of_words("bash", "List files") == entry
        assert known.of_suggestion("zsh", "ls -l") is None
        assert known.of_words("bash", "other") is None
