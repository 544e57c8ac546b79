from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.cli import history as module
from cmdai_shell.config import paths
from cmdai_shell.history.entry import Entry
from cmdai_shell.history.store import Store
from tests.integration.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call, Process


@pytest.fixture
def kept() -> Store:
    """Three entries: numbers 1 to 3."""
    store = Store(paths.data_dir())
    store.keep(
        [
            Entry(time=1e9, shell="bash", words="list files", suggested="ls", outcome="accepted"),
            Entry(
                time=1e9 + 60,
                shell="zsh",
                words="disk use of acme",
                suggested="df",
                outcome="edited",
                ran="du -sh acme",
                status=1,
            ),
            Entry(time=1e9 + 120, shell="fish", words="two\nlines", suggested="a\nb"),
        ],
        10,
    )
    return store


def numbers(store: Store) -> list[int]:
    return [entry.id for entry in store.entries()]


class TestList:
    def test_nothing_yet(self, call: Call) -> None:
        assert call("history", "list") == (0, "", "nothing is kept yet\n")
        assert not Store(paths.data_dir()).folder.exists()

    def test_a_line_for_each_the_newest_last(self, call: Call, kept: Store) -> None:
        code, out, _ = call("history", "list")
        assert code == 0
        assert [line.replace(line[3:19], "when", 1) for line in out.splitlines()] == [
            "1  when  bash  accepted  list files  ->  ls",
            "2  when  zsh   edited (1)  disk use of acme  ->  du -sh acme",
            "3  when  fish  offered   two lines  ->  a b",
        ]

    def test_the_last_ones(self, call: Call, kept: Store) -> None:
        out = call("history", "list", "--limit", "1")[1]
        assert out.startswith("3  ")

    def test_json(self, call: Call, kept: Store) -> None:
        found = json.loads(call("history", "list", "--json")[1])
        assert found[1] == {
            "id": 2,
            "time": "2001-09-09T01:47:40Z",
            "shell": "zsh",
            "words": "disk use of acme",
            "suggested": "df",
            "outcome": "edited",
            "ran": "du -sh acme",
            "status": 1,
            "backend": "",
            "cwd": "",
        }

    def test_no_control_character_reaches_the_terminal(self, call: Call) -> None:
        store = Store(paths.data_dir())
        store.keep([Entry(time=0.0, shell="bash", words="a\x1b[31m", suggested="b\x1b]0;x\a")], 10)
        assert "\x1b" not in call("history", "list")[1]

    def test_a_damaged_one_is_set_aside_and_told(self, call: Call, kept: Store) -> None:
        kept.path.write_bytes(b"damage" * 1000)
        code, out, err = call("history", "list")
        assert (code, out) == (0, "")
        assert f"a new one is begun: {kept.path}.damaged" in err

    def test_a_folder_that_cannot_be_used(self, call: Call, kept: Store) -> None:
        kept.path.unlink()
        kept.path.mkdir()
        code, out, err = call("history", "list")
        assert (code, out) == (1, "")
        assert "is a directory" in err


class TestForget:
    def test_by_number(self, call: Call, kept: Store) -> None:
        code, out, err = call("history", "forget", "1", "3", "--yes")
        assert (code, out, err) == (0, "", "forgot 2 entries\n")
        assert numbers(kept) == [2]

    @pytest.mark.parametrize("words", [("Disk", "use"), ("acme",), ("du -sh",)])
    def test_by_words(self, call: Call, kept: Store, words: tuple[str, ...]) -> None:
        call("history", "forget", *words, "--yes")
        assert numbers(kept) == [1, 3]

    def test_everything(self, call: Call, kept: Store) -> None:
        assert call("history", "forget", "--all", "--yes")[0] == 0
        assert numbers(kept) == []
        assert b"acme" not in kept.path.read_bytes()

    def test_everything_of_nothing(self, call: Call) -> None:
        assert call("history", "forget", "--all", "--yes")[0] == 0

    def test_nothing_that_matches(self, call: Call, kept: Store) -> None:
        code, _, err = call("history", "forget", "99", "--yes")
        assert code == 1
        assert "nothing that matches is kept" in err
        assert len(numbers(kept)) == 3

    @pytest.mark.parametrize("words", [(), ("1", "--all")])
    def test_it_is_not_guessed_what(self, call: Call, kept: Store, words: tuple[str, ...]) -> None:
        code, _, err = call("history", "forget", *words)
        assert code == 2
        assert "say what to forget" in err
        assert len(numbers(kept)) == 3

    def test_nobody_to_ask(self, call: Call, kept: Store) -> None:
        code, _, err = call("history", "forget", "1")
        assert code == 1
        assert "cmdai-shell history forget --yes 1" in err
        assert len(numbers(kept)) == 3

    @pytest.mark.parametrize(("answer", "left"), [(True, [2, 3]), (False, [1, 2, 3])])
    def test_it_asks(
        self,
        call: Call,
        kept: Store,
        monkeypatch: pytest.MonkeyPatch,
        answer: bool,
        left: list[int],
    ) -> None:
        monkeypatch.setattr(module, "_agreed", lambda question, otherwise: answer)
        code, _, err = call("history", "forget", "1")
        assert code == 0
        assert "list files" in err
        assert numbers(kept) == left

    def test_a_number_can_be_completed(self, shell_out: Call, kept: Store) -> None:
        environ = {
            "_CMDAI_SHELL_COMPLETE": "fish_complete",
            "COMP_WORDS": "cmdai-shell history forget ",
            "COMP_CWORD": "",
        }
        code, out, _ = shell_out(**environ)
        assert code == 0
        assert "plain,2\tdisk use of acme" in out


class TestADaemon:
    def test_it_says_how_many_and_where(self, call: Call, scripted: Process) -> None:
        scripted.ask("list files", shell_version="5.2")
        path = Store(paths.data_dir()).path
        assert f"history   1 suggestion kept in {path}" in call("status")[1]

    def test_it_says_that_it_keeps_none(self, call: Call, scripted: Process) -> None:
        call("config", "set", "history.enabled", "false")
        scripted.ask("list files", shell_version="5.2")
        assert "history   not kept" in call("status")[1]

    def test_it_forgets_too(self, call: Call, scripted: Process) -> None:
        scripted.ask("list files", shell_version="5.2")
        until(lambda: Store(paths.data_dir()).entries())
        assert call("history", "forget", "list files", "--yes")[0] == 0
        scripted.ask("talk", shell_version="5.2", offered="ls -la", ran="ls -la", ran_status="0")
        until(lambda: Store(paths.data_dir()).entries())
        assert [entry.words for entry in Store(paths.data_dir()).entries()] == ["talk"]


class TestExport:
    def test_lines_of_json_on_stdout(self, call: Call, kept: Store) -> None:
        code, out, err = call("history", "export")
        assert (code, err) == (0, "")
        assert [json.loads(line)["words"] for line in out.splitlines()] == [
            "list files",
            "disk use of acme",
            "two\nlines",
        ]

    def test_a_file_that_only_the_person_can_read(
        self, call: Call, kept: Store, tmp_path: Path
    ) -> None:
        file = tmp_path / "out.jsonl"
        code, out, err = call("history", "export", str(file))
        assert (code, out) == (0, "")
        assert "wrote 3 entries" in err
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.read_text() == call("history", "export", "-")[1]

    def test_no_file_is_overwritten(self, call: Call, kept: Store, tmp_path: Path) -> None:
        file = tmp_path / "out.jsonl"
        file.write_text("precious")
        code, _, err = call("history", "export", str(file))
        assert code == 1
        assert "--force" in err
        assert file.read_text() == "precious"
        assert call("history", "export", str(file), "--force")[0] == 0
        assert file.read_text().count("\n") == 3
        assert file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in tmp_path.glob(".out*")] == []
