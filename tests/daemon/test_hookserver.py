"""A connection is a press: what a hook sees on the record socket."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Notice
from cmdai_shell.daemon import compose, hookserver, peer, pump
from tests.daemon.conftest import Hook, Serving, until
from tests.fakes.scripted_backend import ScriptedBackend

if TYPE_CHECKING:
    from cmdai_shell.daemon.desk import Desk

Press = Callable[..., Awaitable[list[str]]]
NOTICES = 300
CHATTY = {"list files": [*[Notice(text="x" * 60)] * NOTICES, "ls -la"]}


async def test_words_become_a_command(serving: Serving, press: Press) -> None:
    async with serving():
        lines = await press("list files", shell="zsh")
    assert lines[-1] == "D"
    assert "Tls -la" in lines
    assert lines[-2].startswith("Mscripted · ")


async def test_ping(serving: Serving, press: Press) -> None:
    async with serving():
        lines = await press("", op="ping")
    assert lines[0].startswith("Mcmdai-shell ")
    assert lines[1] == "D"


async def test_the_command_streams(serving: Serving, listener: socket.socket) -> None:
    async with serving():
        hook = await Hook.connect(listener)
        await hook.ask("slowly find python files")
        first = await hook.line()
        assert first.startswith("Tfind")
        assert first != "Tfind . -name '*.py' -mtime -1"
        assert "Tfind . -name '*.py' -mtime -1" in await hook.reply()


async def test_the_second_press_is_the_next_alternative(serving: Serving, press: Press) -> None:
    async with serving():
        await press("list files")
        lines = await press("list files", op="next", alternative="1")
    assert "Tls -1A" in lines


async def test_a_failure_is_one_line_with_its_code(serving: Serving, press: Press) -> None:
    async with serving():
        (line,) = await press("fail")
    assert line.startswith("E")
    assert "\x1f" in line


@pytest.mark.parametrize("half", [False, True], ids=["closed", "closed after half-closing"])
async def test_closing_cancels_down_to_the_backend(
    serving: Serving, listener: socket.socket, backend: ScriptedBackend, half: bool
) -> None:
    async with serving():
        hook = await Hook.connect(listener)
        await hook.ask("hang")
        if half:
            hook.writer.write_eof()
        await until(lambda: bool(backend.prompts))
        hook.close()
        await until(lambda: backend.cancelled == 1)


async def test_a_client_that_half_closes_still_gets_its_answer(
    serving: Serving, listener: socket.socket
) -> None:
    """socat does, once its standard input ends."""
    async with serving():
        hook = await Hook.connect(listener)
        await hook.ask("slowly find python files")
        hook.writer.write_eof()
        lines = await hook.reply()
    assert lines[-1] == "D"
    assert "Tfind . -name '*.py' -mtime -1" in lines


async def test_waiting_is_never_silent(
    serving: Serving, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "BEAT", 0.02)
    async with serving():
        hook = await Hook.connect(listener)
        await hook.ask("hang")
        assert [(await hook.line())[:9] for _ in range(3)] == ["Mthinking"] * 3
        hook.close()


async def test_a_clock_that_is_set_back_changes_nothing(
    serving: Serving, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "BEAT", 0.02)
    async with serving():
        hook = await Hook.connect(listener)
        await hook.ask("hang")
        await hook.line()
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert (await hook.line()).startswith("Mthinking, 0.")
        hook.close()


async def test_fifty_shells_at_once(serving: Serving, press: Press) -> None:
    async with serving(), asyncio.timeout(20):
        replies = await asyncio.gather(*(press(f"say {n}") for n in range(50)))
    assert [f"Techo 'say {n}'" in lines for n, lines in enumerate(replies)] == [True] * 50
    assert {lines[-1] for lines in replies} == {"D"}


async def test_fifty_waiting_shells_do_not_hold_up_another(
    serving: Serving, listener: socket.socket, press: Press, desk: Desk
) -> None:
    async with serving():
        waiting = [await Hook.connect(listener) for _ in range(50)]
        for hook in waiting:
            await hook.ask("hang")
        await until(lambda: desk.in_flight == 50)
        assert "Tls -la" in await press("list files")
        for hook in waiting:
            hook.close()
        await until(lambda: desk.in_flight == 0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\x00garbage\x1e", "Ebad-record\x1f"),
        (b"v=9\x1fop=suggest\x1fline=x\x1e", "Ebad-record\x1fthe hook speaks protocol 9"),
        (b"v=1\x1fop=suggest\x1fline=" + b"x" * (1 << 20), "Ebad-record\x1fthe line is too long"),
    ],
)
async def test_bad_input_gets_a_clear_line(
    serving: Serving, listener: socket.socket, data: bytes, code: str
) -> None:
    async with serving():
        hook = await Hook.connect(listener)
        hook.writer.write(data)
        (line,) = await hook.reply()
    assert line.startswith(code)


async def test_a_line_of_64_kib(serving: Serving, press: Press) -> None:
    async with serving():
        lines = await press("list files " + "x" * 65536)
    assert lines[-1] == "D"


async def test_whoever_dawdles_is_told(
    serving: Serving, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hookserver, "READ_TIMEOUT", 0.05)
    async with serving():
        hook = await Hook.connect(listener)
        hook.writer.write(b"v=1\x1fop=sugg")
        (line,) = await hook.reply()
    assert line.startswith("Ebad-record\x1fthe hook did not finish")


async def test_knocking_without_a_word_is_no_request(
    serving: Serving, listener: socket.socket, desk: Desk
) -> None:
    async with serving():
        (await Hook.connect(listener)).close()
        hook = await Hook.connect(listener)
        hook.writer.write_eof()
        assert await hook.reply() == []
    assert desk.status()["last_request"] is None


async def test_curl_gets_the_same_lines(serving: Serving, listener: socket.socket) -> None:
    path = listener.getsockname()
    async with serving():
        curl = await asyncio.create_subprocess_exec(
            "curl", "-sN", "--unix-socket", path, "--data-binary", "@-", "http://cmdai/",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await curl.communicate(b"v=1\x1fop=suggest\x1fline=list files\x1e")
    assert b"\nTls -la\n" in out
    assert out.endswith(b"\nD\n")


async def test_a_client_that_waits_to_be_told_to_continue(
    serving: Serving, listener: socket.socket
) -> None:
    async with serving():
        hook = await Hook.connect(listener)
        hook.writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n")
        assert await hook.line() == "HTTP/1.1 100 Continue\r"
        await hook.line()
        await hook.ask("list files")
        lines = await hook.reply()
    assert lines[0] == "HTTP/1.0 200 OK"
    assert lines[-1] == "D"


async def test_stopping_lets_a_short_request_finish(
    serving: Serving, listener: socket.socket
) -> None:
    async with serving() as stopping:
        hook = await Hook.connect(listener)
        await hook.ask("slowly find python files")
        await hook.line()
        stopping.set()
        assert (await hook.reply())[-1] == "D"


async def test_stopping_fails_a_long_request_and_says_so(
    serving: Serving, listener: socket.socket, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hookserver, "GRACE", 0.02)
    async with serving() as stopping:
        hook = await Hook.connect(listener)
        await hook.ask("hang")
        await until(lambda: desk.in_flight == 1)
        stopping.set()
        lines = await hook.reply()
    assert lines[-1] == "Eno-daemon\x1fthe daemon was stopped: press again to start it"


async def test_what_may_not_be_accepted_stays_queued(
    serving: Serving, listener: socket.socket, press: Press
) -> None:
    """An upgraded daemon leaves the press to its successor."""
    async with serving(lambda: False) as stopping:
        hook = await Hook.connect(listener)
        await hook.ask("list files")
        await asyncio.sleep(0.05)
        stopping.set()
    async with serving():
        assert "Tls -la" in await hook.reply()


async def test_another_user_is_turned_away(
    serving: Serving, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "uid", lambda client: os.getuid() + 1)
    async with serving():
        hook = await Hook.connect(listener)
        assert await hook.reply() == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_the_peer_is_known_by_its_user_id(listener: socket.socket) -> None:
    path = Path(listener.getsockname())
    path.chmod(0o777)
    path.parent.chmod(0o755)
    child = os.fork()
    if not child:
        os.setuid(12345)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(listener.getsockname())
            client.recv(1)
        os._exit(0)
    client, _ = listener.accept()
    with client:
        assert peer.uid(client) == 12345
        assert not peer.is_us(client)
    os.waitpid(child, 0)


async def test_a_shell_that_was_stopped_finds_its_whole_reply(
    serving: Serving, listener: socket.socket, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it was: the socket holds more than all that is said in a deadline."""
    monkeypatch.setattr(hookserver, "WRITE_TIMEOUT", 0)
    desk._compose = lambda _: compose.compose(time.monotonic, lambda: [ScriptedBackend(CHATTY)])
    async with serving():
        hook = await Hook.connect(listener)
        hook.writer.transport.pause_reading()
        await hook.ask("list files", width="80")
        await until(lambda: bool(desk.status()["last_request"]))
        hook.writer.transport.resume_reading()
        lines = await hook.reply()
    assert "Tls -la" in lines
    assert (lines[-1], len(lines) > NOTICES) == ("D", True)


async def test_a_stopped_shell_does_not_keep_its_request_for_ever(
    serving: Serving, listener: socket.socket, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hookserver, "WRITE_TIMEOUT", 0.05)
    flood = ScriptedBackend({"flood": [Notice(text="x" * 9000)] * 2000})
    desk._compose = lambda _: compose.compose(time.monotonic, lambda: [flood])
    async with serving():
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(listener.getsockname())
            deaf.sendall(b"v=1\x1fop=suggest\x1fwidth=9999\x1fline=flood\x1e")
            await until(lambda: flood.cancelled == 1)
