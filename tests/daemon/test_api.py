"""The HTTP socket: the command line's view of the daemon."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, UnixConnector

from cmdai_shell import __version__
from cmdai_shell.config import paths
from cmdai_shell.core import Explanation, Hint, Notice, Partial, Risk, Suggestion, Verdict
from cmdai_shell.daemon import http, peer, pump
from cmdai_shell.daemon.api import ApiDoor
from cmdai_shell.errors import CmdaiError
from tests.daemon.conftest import until

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from cmdai_shell.daemon.desk import Desk
    from tests.fakes.scripted_backend import ScriptedBackend

Talking = Callable[[], "asynccontextmanager[ClientSession]"]


@pytest.fixture
def stopped() -> list[bool]:
    return []


@pytest.fixture
def talking(desk: Desk, listener: socket.socket, stopped: list[bool]) -> Talking:
    @asynccontextmanager
    async def talk() -> AsyncIterator[ClientSession]:
        door = ApiDoor(desk, clock=time.monotonic, stop=lambda: stopped.append(True))
        connector = UnixConnector(listener.getsockname())
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(door.serve(listener))
            async with ClientSession("http://cmdai", connector=connector) as session:
                yield session
            serving.cancel()

    return talk  # type: ignore[return-value]


async def suggest(session: ClientSession, **request: object) -> list[dict[str, dict[str, object]]]:
    async with session.post("/v1/suggest", json=request) as response:
        assert response.content_type == "application/x-ndjson"
        return [json.loads(line) async for line in response.content]


async def test_who_names_no_shell_means_the_configured_one(talking: Talking) -> None:
    folder = paths.config_dir()
    folder.mkdir(parents=True)
    async with talking() as session:
        for settings, named, end in (
            ("", {}, "done"),
            ("default_shell = 'fish'", {}, "end"),
            ("default_shell = 'fish'", {"shell": "zsh"}, "done"),
        ):
            (folder / "config.toml").write_text(settings)
            *_, last = await suggest(session, line="show two lines", **named)
            assert str(last["suggestion"]["command"]).endswith(f"\n{end}")


async def test_a_suggestion_is_the_last_line(talking: Talking) -> None:
    async with talking() as session:
        *_, last = await suggest(session, line="list files", shell="zsh", unknown=1)
    found = last["suggestion"]
    assert found.pop("elapsed_ms") >= 0  # type: ignore[operator]
    assert found == {
        "command": "ls -la", "explanation": "", "risk": "safe", "reasons": [], "safer": "",
        "alternatives": [], "backend": "scripted", "is_fallback": False, "action": "insert",
        "index": 1, "count": 1, "attempts": [], "remedy": "", "maker": "scripted",
    }  # fmt: skip


async def test_partial_commands_come_first(talking: Talking) -> None:
    async with talking() as session:
        first, *_ = await suggest(session, line="slowly find python files")
    assert first["partial"]


async def test_explain_hint_and_error(talking: Talking) -> None:
    async with talking() as session:
        (hint,) = await suggest(session, line="")
        explained = (await suggest(session, op="explain", line="rm -rf /"))[-1]["explanation"]
        error = (await suggest(session, line="fail"))[-1]["error"]
    assert hint["hint"]
    assert explained["text"]
    assert explained["risk"] == "critical"
    assert error["code"] == "no-backend"
    assert error["hint"]


async def test_waiting_is_not_silent_and_leaving_cancels(
    talking: Talking, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "BEAT", 0.02)
    async with talking() as session:
        async with session.post("/v1/suggest", json={"line": "hang"}) as response:
            line = json.loads(await response.content.readline())
            assert line["notice"].startswith("thinking")
            response.close()
        await until(lambda: backend.cancelled == 1)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"op": "dance"}', b'{"cursor": "x"}', b"\xff"]
)
async def test_what_is_no_request_is_said(talking: Talking, body: bytes) -> None:
    async with talking() as session, session.post("/v1/suggest", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "bad-record"


async def test_status_tells_sizes_and_names_but_no_words(talking: Talking) -> None:
    async with talking() as session:
        await suggest(session, line="list files secretly", shell="zsh", shell_version="5.9")
        async with session.get("/v1/status") as response:
            text = await response.text()
    status = json.loads(text)
    assert "secretly" not in text
    assert status["version"] == __version__
    assert status["pid"] == os.getpid()
    (seen,) = status["hooks_seen"]
    assert (seen["shell"], seen["version"], seen["presses"]) == ("zsh", "5.9", 1)
    last = status["last_request"]
    (sent,) = last["sent"]
    assert sent["to"] == "scripted"
    assert sent["fields"] == ["line"]
    assert sent["characters"] > len("list files secretly")
    assert last["outcome"] == "insert"


async def test_stop_asks_the_daemon_to_end(talking: Talking, stopped: list[bool]) -> None:
    async with talking() as session, session.post("/v1/stop") as response:
        assert response.status == 200
        await until(lambda: stopped == [True])


async def test_reload_reads_the_configuration_again(talking: Talking, tmp_path: Path) -> None:
    config = tmp_path / "config" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    async with talking() as session:
        assert (await suggest(session, line="wipe the root"))[-1]["suggestion"]["action"] == "arm"
        config.write_text('safety_level = "strict"\n')
        async with session.post("/v1/reload") as response:
            assert response.status == 200
        last = (await suggest(session, line="wipe the root"))[-1]
        assert last["suggestion"]["action"] == "refuse"
        config.write_text("nonsense = 1\n")
        async with session.post("/v1/reload") as response:
            assert response.status == 400
            assert "nonsense" in (await response.json())["error"]["message"]
        last = (await suggest(session, line="wipe the root"))[-1]
        assert last["error"]["code"] == "bad-configuration"


async def test_what_cannot_be_loaded_is_said_and_its_repair_is_enough(
    talking: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp is half installed: the API says so, and nothing else of the daemon minds."""

    def broken(name: str) -> None:
        raise ImportError("no module named 'aiohttp'")

    async with talking() as session:
        with monkeypatch.context() as patch:
            patch.setattr(importlib, "import_module", broken)
            for _ in range(2):
                async with session.post("/v1/suggest", json={"line": "x"}) as response:
                    assert response.status == 500
                    error = (await response.json())["error"]
                    assert "aiohttp" in error["message"]
                    assert error["code"]
                    assert error["hint"]
        async with session.get("/v1/status") as response:
            assert response.status == 200


async def test_an_error_of_our_own_is_said_in_json(
    talking: Talking, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "status", lambda: 1 / 0)
    async with talking() as session, session.get("/v1/status") as response:
        assert response.status == 500
        assert "ZeroDivisionError" in (await response.json())["error"]["message"]


def test_no_text_of_a_model_reaches_a_client_unclean() -> None:
    hostile = "a\x1b[31mb\x1b]0;title\x07c\x9b2Jd\u202ee"
    verdict = Verdict(risk=Risk.DANGEROUS, reasons=(hostile,), safer=hostile)
    updates = [
        Partial(text=hostile),
        Notice(text=hostile),
        Hint(text=hostile),
        Explanation(text=hostile, verdict=verdict),
        CmdaiError(hostile, hostile),
        Suggestion(
            command=hostile,
            verdict=verdict,
            explanation=hostile,
            alternatives=(hostile,),
            backend=hostile,
            attempts=(hostile,),
        ),
    ]
    for update in updates:
        sent = json.dumps(http.to_json(update), ensure_ascii=False)
        assert "abcde" in sent
        assert not set(sent) & set("\x1b\x07\x9b\u202e")
        assert "\\u00" not in sent


async def test_another_user_is_forbidden(talking: Talking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "uid", lambda client: os.getuid() + 1)
    async with talking() as session, session.get("/v1/status") as response:
        assert response.status == 403
