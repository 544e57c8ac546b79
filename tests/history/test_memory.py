from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Risk, Suggestion, SuggestRequest, Verdict
from cmdai_shell.history.entry import Entry
from cmdai_shell.history.memory import Memory
from cmdai_shell.history.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from cmdai_shell.core import Action

WORDS = SuggestRequest(line="list files", shell="bash", shell_version="5.2", cwd="/srv")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def memory(store: Store) -> Memory:
    return made(store)


def made(store: Store, *, most: int = 100, share_cwd: bool = False) -> Memory:
    return Memory(store, most=most, share_cwd=share_cwd, now=lambda: 7.0)


def suggestion(command: str, action: Action = "insert") -> Suggestion:
    verdict = Verdict(risk=Risk.SAFE)
    return Suggestion(command=command, verdict=verdict, action=action, backend="scripted")


def press(memory: Memory, request: SuggestRequest, command: str, action: Action = "insert") -> None:
    memory.heard(request)
    memory.answered(request, suggestion(command, action))


def told(offered: str, ran: str, status: int = 0, line: str = "other words") -> SuggestRequest:
    return replace(WORDS, line=line, offered=offered, ran=ran, ran_status=status)


async def kept(memory: Memory, store: Store) -> list[Entry]:
    await memory.flush()
    return store.entries()


async def test_what_is_offered_is_kept(memory: Memory, store: Store) -> None:
    press(memory, WORDS, "ls -la")
    assert await kept(memory, store) == [
        Entry(
            id=1,
            time=7.0,
            shell="bash",
            words="list files",
            suggested="ls -la",
            outcome="offered",
            backend="scripted",
        )
    ]


@pytest.mark.parametrize(
    ("ran", "status", "outcome", "instead", "known"),
    [
        ("ls -la", 0, "accepted", "", 0),
        ("ls -la", 2, "accepted", "", 2),
        ("ls -la", -1, "accepted", "", None),
        ("ls -la | wc -l", 0, "edited", "ls -la | wc -l", 0),
        ("make", 0, "rejected", "", None),
        ("", 130, "rejected", "", None),
    ],
)
async def test_what_became_of_it(
    memory: Memory,
    store: Store,
    ran: str,
    status: int,
    outcome: str,
    instead: str,
    known: int | None,
) -> None:
    press(memory, WORDS, "ls -la")
    memory.heard(told("ls -la", ran, status))
    (entry,) = await kept(memory, store)
    assert (entry.outcome, entry.ran, entry.status) == (outcome, instead, known)


async def test_the_next_alternative_rejects_the_one_before(memory: Memory, store: Store) -> None:
    press(memory, WORDS, "ls -la")
    press(memory, replace(WORDS, op="next", alternative=1), "ls -1A")
    assert [entry.outcome for entry in await kept(memory, store)] == ["rejected", "offered"]


async def test_so_does_the_own_text_after_the_last(memory: Memory, store: Store) -> None:
    press(memory, WORDS, "ls -la")
    press(memory, replace(WORDS, op="next", alternative=1), "list files", "restore")
    assert [entry.outcome for entry in await kept(memory, store)] == ["rejected"]


async def test_what_was_right_once_stays_right(memory: Memory, store: Store) -> None:
    press(memory, WORDS, "ls -la")
    memory.heard(told("ls -la", "ls -la"))
    press(memory, WORDS, "ls -la")
    press(memory, replace(WORDS, op="next", alternative=1), "ls -1A")
    memory.heard(told("ls -la", "make"))
    assert [entry.outcome for entry in await kept(memory, store)] == ["accepted", "offered"]


async def test_it_counts_at_once(memory: Memory) -> None:
    press(memory, WORDS, "ls -la")
    memory.heard(told("ls -la", "ls -l"))
    assert memory.own("list files", "bash") == "ls -l"
    near = memory.near("list the old files", "bash", 3, lambda _: True)
    assert near == (("list files", "ls -l"),)


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        (replace(WORDS, line=" list files"), "insert"),
        (replace(WORDS, line=""), "insert"),
        (replace(WORDS, line="x" * 5000), "insert"),
        (replace(WORDS, shell_version=""), "insert"),
        (replace(WORDS, private=True), "insert"),
        (WORDS, "refuse"),
        (WORDS, "restore"),
    ],
)
async def test_what_is_not_kept(
    memory: Memory, store: Store, request_: SuggestRequest, action: Action
) -> None:
    press(memory, request_, "ls -la", action)
    assert await kept(memory, store) == []
    assert not store.folder.exists()


async def test_what_was_never_offered_is_not_judged(memory: Memory, store: Store) -> None:
    memory.heard(told("ls -la", "ls -la"))
    assert await kept(memory, store) == []


async def test_another_shell_s_report_is_not_ours(memory: Memory, store: Store) -> None:
    press(memory, WORDS, "ls -la")
    memory.heard(replace(told("ls -la", "ls -la"), shell="zsh"))
    assert [entry.outcome for entry in await kept(memory, store)] == ["offered"]


@pytest.mark.parametrize(("share", "cwd"), [(False, ""), (True, "/srv")])
async def test_the_folder_only_where_it_may_be_shared(
    store: Store, *, share: bool, cwd: str
) -> None:
    memory = made(store, share_cwd=share)
    press(memory, WORDS, "ls -la")
    assert [entry.cwd for entry in await kept(memory, store)] == [cwd]


async def test_no_credential_reaches_the_file(memory: Memory, store: Store) -> None:
    secret, other = "hunter2-hunter2", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    words = replace(WORDS, line=f"log in with password: {secret}")
    command = f"mysql --password={secret}"
    press(memory, words, command)
    memory.heard(told(command, f"{command} -p{secret}; curl -u me:{other} example.com"))
    (entry,) = await kept(memory, store)
    assert entry.ran == ("mysql --password=SECRET_1 -pSECRET_1; curl -u me:SECRET_2 example.com")
    written = b"".join(path.read_bytes() for path in store.folder.iterdir())
    assert secret.encode() not in written
    assert other.encode() not in written


async def test_control_characters_are_not_kept(memory: Memory, store: Store) -> None:
    press(memory, replace(WORDS, line="list\x1b[31m files"), "ls\x1b]0;x\a -la\u202e")
    (entry,) = await kept(memory, store)
    assert (entry.words, entry.suggested) == ("list files", "ls -la")


class TestLife:
    async def test_what_is_noted_is_written(self, memory: Memory, store: Store) -> None:
        async with running(memory):
            press(memory, WORDS, "ls -la")
            await until(lambda: len(store.entries()) == 1)
            memory.heard(told("ls -la", "ls -la"))
            memory.answered(WORDS, None)  # the press failed
            await until(lambda: [entry.outcome for entry in store.entries()] == ["accepted"])

    async def test_a_daemon_s_successor_knows_it(self, memory: Memory, store: Store) -> None:
        press(memory, WORDS, "ls -la")
        await memory.flush()
        later = made(store)
        async with running(later):
            await until(lambda: later.status()["kept"] == 1)
            later.heard(told("ls -la", "ls -l"))
            assert later.own("list files", "bash") == "ls -l"

    async def test_what_is_noted_while_it_reads(self, memory: Memory, store: Store) -> None:
        store.keep([Entry(time=1.0, shell="zsh", words="old", suggested="x")], 10)
        press(memory, WORDS, "ls -la")
        async with running(memory):
            assert memory.status()["reading"]  # and so nobody takes them for all there are
            await until(lambda: memory.status()["kept"] == 2)
            assert not memory.status()["reading"]

    async def test_no_more_than_wanted(self, store: Store) -> None:
        memory = made(store, most=2)
        for word in ("one", "two", "three"):
            press(memory, replace(WORDS, line=word), word)
        assert [entry.words for entry in await kept(memory, store)] == ["two", "three"]
        assert memory.status()["kept"] == 2

    async def test_a_folder_that_cannot_be_used(self, memory: Memory, store: Store) -> None:
        store.folder.write_text("no folder")
        async with running(memory):
            press(memory, WORDS, "ls -la")
            await until(lambda: memory.status()["problem"] != "")
            assert memory.status()["problem"] in ("FileExistsError", "NotADirectoryError")
            memory.heard(told("ls -la", "ls -l"))
        assert memory.own("list files", "bash") == "ls -l"  # it still learns, until it ends

    async def test_a_damaged_file(self, memory: Memory, store: Store) -> None:
        store.folder.mkdir()
        store.path.write_bytes(b"damage" * 1000)
        async with running(memory):
            press(memory, WORDS, "ls -la")
            await until(lambda: len(store.entries()) == 1)
        assert memory.status()["aside"] == [f"{store.path}.damaged"]


@asynccontextmanager
async def running(memory: Memory) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        life = group.create_task(memory.run())
        yield
        life.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  the condition is anything
            await asyncio.sleep(0.005)


async def test_what_could_not_be_written_is_written_the_next_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = made(store, most=2)
    with monkeypatch.context() as full:
        full.setattr(store, "keep", _disk_full)
        for name in "abc":
            press(memory, replace(WORDS, line=name), f"ls {name}")
            await memory.flush()
            assert memory.status()["problem"] == "OperationalError"
    assert [entry.words for entry in await kept(memory, store)] == ["b", "c"]
    assert not memory.status()["problem"]


def _disk_full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")
