"""What a daemon keeps of presses: through the desk, as hooks ask it."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import loading, paths
from cmdai_shell.config.edit import set_value
from cmdai_shell.core import Suggestion, SuggestRequest
from cmdai_shell.daemon import compose
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.history.store import Store
from tests.daemon.conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cmdai_shell.history.entry import Entry
    from tests.fakes.scripted_backend import ScriptedBackend

SECRET = "hunter2-hunter2"


def kept() -> list[Entry]:
    return Store(paths.data_dir()).entries()


@asynccontextmanager
async def alive(desk: Desk) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        for _ in range(5):
            await asyncio.sleep(0)  # what it begins has begun
        yield
        life.cancel()


async def press(desk: Desk, line: str, **fields: object) -> str:
    """The command that is offered."""
    request = SuggestRequest(line=line, shell_version="5.2", **fields)  # type: ignore[arg-type]
    final = [update async for update in desk.answer(request)][-1]
    return final.command if isinstance(final, Suggestion) else ""


async def test_a_press_and_what_became_of_it(desk: Desk) -> None:
    async with alive(desk):
        command = await press(desk, "list files")
        await until(lambda: [entry.outcome for entry in kept()] == ["offered"])
        await press(desk, "what else", offered=command, ran=f"{command} /tmp", ran_status=0)
        await until(lambda: [entry.outcome for entry in kept()] == ["edited", "offered"])
    assert [entry.command for entry in kept()] == ["ls -la /tmp", "echo 'what else'"]


async def test_what_was_noted_last_is_written_when_it_stops(desk: Desk) -> None:
    async with alive(desk):
        await press(desk, "list files")
    assert [entry.words for entry in kept()] == ["list files"]


async def test_a_press_that_failed_still_tells(desk: Desk) -> None:
    async with alive(desk):
        await press(desk, "list files")
        await press(desk, "fail", offered="ls -la", ran="ls -la", ran_status=1)
        await until(lambda: [(e.outcome, e.status) for e in kept()] == [("accepted", 1)])


async def test_a_press_that_was_cancelled_offers_nothing(desk: Desk) -> None:
    async with alive(desk):
        answer = desk.answer(SuggestRequest(line="hang", shell_version="5.2"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(answer)
        await answer.aclose()
    assert kept() == []


async def test_what_was_accepted_is_the_next_suggestion(
    desk: Desk, backend: ScriptedBackend
) -> None:
    async with alive(desk):
        command = await press(desk, "list files")
        edited = f"{command} /tmp"
        await press(desk, "what else", offered=command, ran=edited, ran_status=0)
        asked = len(backend.prompts)
        assert await press(desk, "List files") == edited
        assert len(backend.prompts) == asked
        last = desk.status()["last_request"]
        assert (last["backend"], last["sent"]) == ("your history", [])


@pytest.mark.parametrize("share", [False, True])
async def test_a_server_is_told_of_it_only_if_it_may_be(
    desk: Desk, backend: ScriptedBackend, *, share: bool
) -> None:
    set_value(loading.config_file(), "suggest.share_history", share)
    async with alive(desk):
        command = await press(desk, "list old files")
        await press(desk, "what else", offered=command, ran=f"{command} mine", ran_status=0)
        await press(desk, "list my files old enough")
        told = ("list old files", f"{command} mine") in backend.prompts[-1].near
        fields = desk.status()["last_request"]["sent"][0]["fields"]
    assert (told, "history" in fields) == (share, share)
    assert "mine" not in str(backend.prompts) or share


async def test_the_model_on_this_machine_is_told(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "_engine", lambda *_: backend)
    desk = Desk(lambda former: compose.compose(time.monotonic, None, former), clock=time.monotonic)
    desk.reload()
    command = await press(desk, "list old files")
    await press(desk, "what else", offered=command, ran=f"{command} mine", ran_status=0)
    await press(desk, "list my files old enough")
    assert ("list old files", f"{command} mine") in backend.prompts[-1].near


async def test_switched_off(desk: Desk) -> None:
    set_value(loading.config_file(), "history.enabled", False)
    async with alive(desk):
        await press(desk, "list files")
        assert desk.status()["history"] is None
    assert not Store(paths.data_dir()).folder.exists()


async def test_switched_off_under_a_running_daemon(desk: Desk) -> None:
    async with alive(desk):
        await press(desk, "list files")
        set_value(loading.config_file(), "history.enabled", False)
        await press(desk, "show two lines")
    assert [entry.words for entry in kept()] == ["list files"]


async def test_no_more_than_is_wanted(desk: Desk) -> None:
    set_value(loading.config_file(), "history.max_entries", 2)
    async with alive(desk):
        for words in ("one", "two", "three"):
            await press(desk, words)
        assert desk.status()["history"]["kept"] == 2
    assert [entry.words for entry in kept()] == ["two", "three"]


async def test_a_history_that_fails_fails_no_press(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cmdai_shell.history.memory.private", None)
    async with alive(desk):
        assert await press(desk, "list files", offered="ls") == "ls -la"
    assert "history failed" in caplog.text


async def test_one_that_cannot_be_searched_fails_no_press(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cmdai_shell.history.nearest.Nearest.own", None)
    async with alive(desk):
        assert await press(desk, "list files") == "ls -la"
    assert "history failed" in caplog.text


async def test_nothing_of_it_is_in_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    async with alive(desk):
        words = f"log in with password: {SECRET}"
        command = await press(desk, words)
        await press(desk, "list files", offered=command, ran=f"{command} -p{SECRET}")
    assert SECRET not in caplog.text
    assert "log in" not in caplog.text
    written = b"".join(path.read_bytes() for path in Store(paths.data_dir()).folder.iterdir())
    assert SECRET.encode() not in written
    assert b"SECRET_1" in written
