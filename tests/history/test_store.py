from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.history.entry import Entry
from cmdai_shell.history.store import VERSION, Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def entry(words: str = "list files", suggested: str = "ls -la", **fields: object) -> Entry:
    return replace(Entry(time=1.0, shell="bash", words=words, suggested=suggested), **fields)  # type: ignore[arg-type]


def everything(store: Store) -> bytes:
    return b"".join(path.read_bytes() for path in store.folder.iterdir())


def test_nothing_is_made_to_look(store: Store) -> None:
    assert store.entries() == []
    assert not store.folder.exists()


def test_what_is_kept_is_there_again(store: Store) -> None:
    kept = entry(
        outcome="edited", ran="ls -l", status=0, backend="embedded", cwd="/srv", shell="fish"
    )
    store.keep([kept], 10)
    assert store.entries() == [replace(kept, id=1)]


def test_the_same_pair_again_is_the_same_entry(store: Store) -> None:
    store.keep([entry()], 10)
    store.keep([entry(time=2.0, outcome="accepted", status=1)], 10)
    assert store.entries() == [entry(id=1, time=2.0, outcome="accepted", status=1)]


def test_another_shell_is_another_entry(store: Store) -> None:
    store.keep([entry(), entry(shell="fish")], 10)
    assert len(store.entries()) == 2


def test_the_oldest_go_first(store: Store) -> None:
    store.keep([entry(str(n), time=float(n)) for n in range(5)], 3)
    assert [kept.words for kept in store.entries()] == ["2", "3", "4"]


def test_only_the_person_can_read_it(store: Store) -> None:
    before = os.umask(0)
    try:
        store.keep([entry()], 10)
    finally:
        os.umask(before)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_a_mode_that_was_loosened_is_put_right(store: Store) -> None:
    store.keep([entry()], 10)
    store.folder.chmod(0o755)
    store.path.chmod(0o644)
    store.entries()
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_no_link_is_followed(store: Store, tmp_path: Path) -> None:
    store.keep([entry()], 10)
    store.path.rename(tmp_path / "elsewhere")
    store.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"symbolic|links"):
        store.keep([entry()], 10)


class TestForgetting:
    def test_one(self, store: Store) -> None:
        store.keep([entry("the moon base"), entry("list files", time=2.0)], 10)
        store.forget([1])
        assert [kept.words for kept in store.entries()] == ["list files"]
        assert b"moon" not in everything(store)

    def test_everything(self, store: Store) -> None:
        texts = {"words": "the moon base", "suggested": "launch", "ran": "abort", "cwd": "/crater"}
        store.keep([entry(**texts, backend=str(n), shell="zsh") for n in range(50)], 100)
        store.keep([entry(f"the moon base {n}" * 50) for n in range(200)], 1000)
        assert b"moon" in everything(store)
        store.clear()
        assert store.entries() == []
        for word in (b"moon", b"launch", b"abort", b"crater"):
            assert word not in everything(store)

    def test_what_was_set_aside_too(self, store: Store) -> None:
        store.keep([entry()], 10)
        store.path.write_bytes(b"the moon base" * 1000)
        store.entries()
        assert b"moon" in everything(store)
        store.clear()
        assert b"moon" not in everything(store)

    def test_of_nothing(self, store: Store) -> None:
        store.forget([1])
        store.clear()
        assert not store.folder.exists()

    def test_the_oldest_leave_nothing_behind(self, store: Store) -> None:
        store.keep([entry("the moon base")], 1)
        store.keep([entry(time=2.0)], 1)
        assert b"moon" not in everything(store)


class TestDamage:
    @pytest.mark.parametrize(
        "damage", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 4096]
    )
    def test_it_is_set_aside_and_a_new_one_begun(self, store: Store, damage: bytes) -> None:
        store.keep([entry()], 10)
        store.path.write_bytes(damage)
        store.keep([entry("again")], 10)
        assert [kept.words for kept in store.entries()] == ["again"]
        assert [path.name for path in store.aside()] == ["history.sqlite.damaged"]
        assert store.aside()[0].read_bytes() == damage

    def test_broken_pages(self, store: Store) -> None:
        store.keep([entry(f"words {n} " * 20) for n in range(500)], 1000)
        with store.path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 40_000)
        assert store.entries() == []
        assert store.aside()

    def test_one_of_a_later_version(self, store: Store) -> None:
        store.keep([entry()], 10)
        with sqlite3.connect(store.path) as base:
            base.execute(f"pragma user_version = {VERSION + 1}")
        base.close()
        assert store.entries() == []
        assert [path.name for path in store.aside()] == [f"history.sqlite.version-{VERSION + 1}"]

    def test_tables_that_are_not_ours(self, store: Store) -> None:
        store.keep([entry()], 10)
        with sqlite3.connect(store.path) as base:
            base.execute("drop table entry")
        base.close()
        store.keep([entry()], 10)
        assert len(store.entries()) == 1
        assert store.aside()

    def test_a_second_one(self, store: Store) -> None:
        for _ in range(2):
            store.keep([entry()], 10)
            store.path.write_bytes(b"damage" * 1000)
            store.entries()
        assert [path.name for path in store.aside()] == [
            "history.sqlite.damaged",
            "history.sqlite.damaged-2",
        ]

    def test_rows_that_we_did_not_write(self, store: Store) -> None:
        store.keep([entry(), entry("two"), entry("three"), entry("four")], 10)
        with sqlite3.connect(store.path) as base:
            base.execute("update entry set shell = 'tcsh' where id = 1")
            base.execute("update entry set words = x'ff00' where id = 2")
            base.execute("update entry set outcome = 'loved' where id = 3")
        base.close()
        assert [kept.words for kept in store.entries()] == ["four"]

    def test_another_process_s_lock_is_no_damage(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cmdai_shell.history.store.PATIENCE", 0.05)
        store.keep([entry()], 10)
        with sqlite3.connect(store.path) as base:
            base.execute("begin exclusive")
            with pytest.raises(sqlite3.OperationalError):
                store.keep([entry()], 10)
        base.close()
        assert store.aside() == []

    def test_a_kill_at_any_time(self, store: Store) -> None:
        program = (
            "import sys; from pathlib import Path; from cmdai_shell.history.entry import Entry\n"
            "from cmdai_shell.history.store import Store\n"
            "store = Store(Path(sys.argv[1]))\n"
            "for n in range(10**6):\n"
            "    made = Entry(time=n, shell='bash', words=f'{n}', suggested='x' * 2000)\n"
            "    store.keep([made], 20)\n"
            "    print(n, flush=True)\n"
        )
        command = [sys.executable, "-c", program, str(store.folder.parent)]
        for _ in range(3):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout
                said = [writer.stdout.readline() for _ in range(25)]
                writer.send_signal(signal.SIGKILL)
                said += writer.stdout.readlines()
            last = int([line for line in said if line.endswith("\n")][-1])
            assert int(store.entries()[-1].words) in (last, last + 1)
            assert store.aside() == []
