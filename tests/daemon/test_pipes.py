"""Presses after a shell's first, by its own pair of FIFOs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.daemon import pipes, pump, terminal
from tests.daemon.conftest import Serving, until
from tests.daemon.test_wire import record

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.daemon.desk import Desk
    from tests.fakes.scripted_backend import ScriptedBackend

Press = Callable[..., Awaitable[list[str]]]
NAME = f"{os.getpid()}-7"


class Shell:
    """A hook's ends of a pair, opened for one press as a hook opens them."""

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self.ask = os.open(folder / f"{name}.ask", os.O_WRONLY | os.O_NONBLOCK)
        self.answer = os.open(folder / f"{name}.answer", os.O_RDONLY | os.O_NONBLOCK)
        self.read = b""

    def send(self, line: str, turn: int = 1, **fields: str) -> None:
        os.write(self.ask, record(line=line, turn=str(turn), **fields))

    async def lines(self, end: str = "D") -> list[str]:
        async with asyncio.timeout(10):
            while not self.read.endswith(b"\n") or self.text()[-1][0] not in end:
                try:
                    if not (data := os.read(self.answer, 1 << 16)):
                        break
                    self.read += data
                except BlockingIOError:
                    await asyncio.sleep(0.005)
        return self.text()

    def text(self) -> list[str]:
        return self.read.decode().splitlines()

    def close(self) -> None:
        os.close(self.ask)
        os.close(self.answer)


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        return process.pid


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"hook.sock", "api.sock"}


async def test_the_first_press_makes_them_and_the_second_needs_no_socket(
    serving: Serving, press: Press, runtime_dir: Path
) -> None:
    async with serving():
        first = await press("list files", pipes=NAME)
        assert f"K{os.getpid()}" in first
        modes = {(runtime_dir / name).stat().st_mode & 0o777 for name in left(runtime_dir)}
        assert modes == {0o600}
        shell = Shell(runtime_dir)
        shell.send("list files", turn=5)
        lines = await shell.lines()
        shell.close()
    assert lines[0] == "@5"
    assert lines[-1] == "D"
    assert "Tls -la" in lines
    assert left(runtime_dir) == set()


async def test_what_an_earlier_press_left_comes_before_the_turn(
    serving: Serving, press: Press, runtime_dir: Path
) -> None:
    async with serving():
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        shell.send("slowly find", turn=1)
        await until(lambda: bool(shell.read) or _readable(shell))
        shell.send("delete build", turn=2)
        lines = await shell.lines()
        shell.close()
    turn = lines.index("@2")
    assert "Trm -rf ./build" in lines[turn:]
    assert not any("find" in line for line in lines[turn:])


def _readable(shell: Shell) -> bool:
    try:
        shell.read += os.read(shell.answer, 1 << 16)
    except BlockingIOError:
        return False
    return True


async def test_a_record_may_come_in_pieces(
    serving: Serving, press: Press, runtime_dir: Path
) -> None:
    async with serving():
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        data = record(line="list files", turn="3", cwd="x" * 3000)
        os.write(shell.ask, data[:100])
        await asyncio.sleep(0.02)
        os.write(shell.ask, data[100:])
        assert "Tls -la" in await shell.lines()
        shell.close()


async def test_closing_cancels_down_to_the_backend(
    serving: Serving, press: Press, runtime_dir: Path, backend: ScriptedBackend
) -> None:
    async with serving():
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        shell.send("hang on")
        await until(lambda: len(backend.prompts) == 2)
        shell.close()
        await until(lambda: backend.cancelled == 1)
        again = Shell(runtime_dir)
        again.send("list files", turn=2)
        assert "Tls -la" in await again.lines()
        again.close()


async def test_silence_is_never_longer_than_a_beat(
    serving: Serving, press: Press, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "BEAT", 0.05)
    async with serving():
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        shell.send("hang on")
        lines = await shell.lines(end="M")
        assert lines[0] == "@1"
        shell.close()


async def test_a_press_that_fails_is_said_and_the_next_is_answered(
    serving: Serving, press: Press, runtime_dir: Path
) -> None:
    async with serving():
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        shell.send("fail please")
        assert "scripted backend is down" in (await shell.lines(end="E"))[-1]
        shell.send("list files", turn=2)
        assert "Tls -la" in await shell.lines()
        shell.close()


async def test_a_shell_that_does_not_read_delays_nobody(
    serving: Serving, press: Press, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipes, "WRITE_TIMEOUT", 0.2)
    async with serving():
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        os.set_blocking(shell.answer, False)
        stuffed = os.open(runtime_dir / f"{NAME}.answer", os.O_RDWR | os.O_NONBLOCK)
        try:
            while True:
                os.write(stuffed, b"x" * 4096)
        except BlockingIOError:
            pass
        shell.send("list files")
        assert "Tls -la" in await press("list files")
        await asyncio.sleep(0.3)
        os.close(stuffed)
        while _readable(shell):
            pass
        shell.read = b""
        shell.send("list files", turn=2)
        assert "Tls -la" in await shell.lines()
        shell.close()


async def test_what_a_killed_daemon_left_is_removed(serving: Serving, runtime_dir: Path) -> None:
    os.mkfifo(runtime_dir / "1-1.ask")
    (runtime_dir / "1-1.answer").write_text("")
    async with serving():
        await until(lambda: left(runtime_dir) == set())


async def test_pairs_of_ended_shells_and_of_those_beyond_the_most_go(
    serving: Serving,
    press: Press,
    runtime_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    ended: int,
) -> None:
    monkeypatch.setattr(pipes, "MOST", 2)
    async with serving():
        for name in (f"{ended}-1", NAME, f"{os.getppid()}-1", f"{os.getppid()}-2"):
            await press("list files", pipes=name)
        assert left(runtime_dir) == {
            f"{os.getppid()}-{n}.{kind}" for n in (1, 2) for kind in ("ask", "answer")
        }


@pytest.mark.parametrize("name", ["../x-1", "1-", "0-1", "1-1/../../x", "a-1", "1-1\n"])
async def test_no_other_name_makes_a_file(
    serving: Serving, press: Press, runtime_dir: Path, name: str
) -> None:
    async with serving():
        lines = await press("list files", pipes=name)
        assert lines[-1] == "D"
        assert not any(line.startswith("K") for line in lines)
        assert left(runtime_dir) == set()


async def test_a_daemon_that_is_to_be_replaced_sends_the_press_to_the_socket(
    serving: Serving, press: Press, runtime_dir: Path
) -> None:
    accepts = [True, False]
    async with serving(lambda: accepts.pop(0)):  # type: ignore[call-arg]
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        shell.send("list files")
        assert await shell.lines(end="K") == ["K0"]
        assert left(runtime_dir) == set()
        shell.close()


async def test_a_stopping_daemon_says_so(
    serving: Serving, press: Press, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmdai_shell.daemon.hookserver.GRACE", 0.05)
    async with serving() as stopping:
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        shell.send("hang on", turn=4)
        await asyncio.sleep(0.05)
        stopping.set()
        lines = await shell.lines(end="E")
        assert lines[0] == "@4"
        assert "the daemon was stopped" in lines[-1]
        shell.close()


async def test_a_terminal_with_nothing_typed_is_reported(
    serving: Serving, press: Press, desk: Desk
) -> None:
    ours, theirs = os.openpty()
    try:
        tty = os.ttyname(theirs)
        async with serving():
            assert "I0" in await press("list files", tty=tty)
            os.write(ours, b"typed\n")
            await until(
                lambda: terminal.waiting(tty) == 6
            )  # the kernel takes its time
            lines = await press("list files", tty=tty)
        assert "I6" in lines
        assert lines.index("I6") < lines.index("D")
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_shell_that_cannot_look_is_told_of_typed_keys_meanwhile(
    serving: Serving, press: Press, runtime_dir: Path
) -> None:
    ours, theirs = os.openpty()
    try:
        tty = os.ttyname(theirs)
        async with serving():
            await press("list files", pipes=NAME, tty=tty, patience="30")
            shell = Shell(runtime_dir)
            shell.send("hang on", tty=tty, patience="30")
            assert await shell.lines(end="I") == ["@1", "I0"]
            os.write(ours, b"x\n")
            async with asyncio.timeout(10):
                while (await shell.lines(end="I"))[-1] == "I0":
                    shell.read = b""
            assert shell.text()[-1] == "I2"
            shell.close()
    finally:
        os.close(ours)
        os.close(theirs)
