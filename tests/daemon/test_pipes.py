"""Presses after a shell's first, by its own pair of FIFOs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.daemon import compose, pair, pipes, pump, terminal
from tests.daemon.conftest import Serving, until
from tests.daemon.test_hookserver import CHATTY, NOTICES
from tests.daemon.test_wire import record
from tests.fakes.scripted_backend import ScriptedBackend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cmdai_shell.daemon.desk import Desk

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
            while not self.read.strip() or self.text()[-1][0] not in end or self.read[-1:] != b"\n":
                try:
                    if not (data := os.read(self.answer, 1 << 16)):
                        break
                    self.read += data
                except BlockingIOError:
                    await asyncio.sleep(0.005)
        return self.text()

    def text(self) -> list[str]:
        return [line for line in self.read.decode().splitlines() if line]

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
        data = os.read(shell.answer, 1 << 16)
    except BlockingIOError:
        return False
    shell.read += data
    return bool(data)


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
        took = []
        for turn in (1, 2, 3):  # the machine may hold up one
            shell = Shell(runtime_dir)
            shell.send("hang on", turn=turn)
            started = time.monotonic()
            lines = await shell.lines(end="M")
            assert lines[0] == f"@{turn}"
            took.append(time.monotonic() - started)
            shell.close()
        assert min(took) < 0.6


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


async def test_a_shell_that_was_stopped_finds_its_whole_reply(
    serving: Serving, press: Press, runtime_dir: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it was: a pipe holds more than all that is said in a deadline."""
    monkeypatch.setattr(pair, "WRITE_TIMEOUT", 0)
    desk._compose = lambda _: compose.compose(time.monotonic, lambda: [ScriptedBackend(CHATTY)])
    async with serving():
        await press("", op="ping", pipes=NAME)
        shell = Shell(runtime_dir)
        shell.send("list files")
        await until(lambda: bool(desk.status()["last_request"]))
        lines = await shell.lines()
        shell.close()
    assert "Tls -la" in lines
    assert (lines[-1], len(lines) > NOTICES) == ("D", True)


async def test_a_shell_that_does_not_read_delays_nobody(
    serving: Serving, press: Press, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "WRITE_TIMEOUT", 0.2)
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
        await until(lambda: left(runtime_dir) == set())  # its place is taken back
        os.close(stuffed)
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


@pytest.mark.parametrize(
    "name", ["../x-1", "1-", "0-1", "1-1/../../x", "a-1", "1-1\n", "9999999999-1", "\u0661-1"]
)
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


@pytest.fixture
def at_terminal() -> Iterator[tuple[int, str, str]]:
    """(the other end of a terminal, its name, the name of the pair of a shell at it)."""
    ours, theirs = os.openpty()
    with subprocess.Popen(["sleep", "100"], stdin=theirs) as shell:
        yield ours, os.ttyname(theirs), f"{shell.pid}-1"
        shell.kill()
    os.close(ours)
    os.close(theirs)


async def test_a_terminal_with_nothing_typed_is_reported(
    serving: Serving, press: Press, at_terminal: tuple[int, str, str]
) -> None:
    ours, tty, name = at_terminal
    async with serving():
        assert "I0" in await press("list files", tty=tty, pipes=name)
        os.write(ours, b"typed\n")
        shell = int(name[:-2])
        await until(lambda: terminal.waiting(tty, shell) == 6)  # the kernel takes its time
        lines = await press("list files", tty=tty, pipes=name)
    assert "I6" in lines
    assert lines.index("I6") < lines.index("D")


async def test_a_shell_that_cannot_look_is_told_of_typed_keys_meanwhile(
    serving: Serving, press: Press, runtime_dir: Path, at_terminal: tuple[int, str, str]
) -> None:
    ours, tty, name = at_terminal
    async with serving():
        await press("list files", pipes=name, tty=tty, patience="30")
        shell = Shell(runtime_dir, name)
        shell.send("hang on", tty=tty, patience="30")
        assert await shell.lines(end="I") == ["@1", "I0"]
        os.write(ours, b"x\n")
        async with asyncio.timeout(10):
            while (await shell.lines(end="I"))[-1] == "I0":
                shell.read = b""
        assert shell.text()[-1] == "I2"
        shell.close()


async def test_nothing_comes_after_the_end(
    serving: Serving, press: Press, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "LOOK", 0.001)
    async with serving():
        await press("list files", pipes=NAME, patience="30")
        for turn in range(20):
            shell = Shell(runtime_dir)
            shell.send("list files", turn=turn, patience="30")
            await shell.lines()
            await asyncio.sleep(0.01)
            _readable(shell)
            assert shell.read.endswith(b"\nD\n")
            shell.close()


async def test_a_pipe_that_was_full_for_a_while_delays_the_answer_only(
    serving: Serving, press: Press, runtime_dir: Path
) -> None:
    async with serving():
        await press("list files", pipes=NAME, patience="30")
        shell = Shell(runtime_dir)
        stuffed = os.open(runtime_dir / f"{NAME}.answer", os.O_RDWR | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while True:
                os.write(stuffed, b"x" * 4096)
        shell.send("slowly find", patience="30")
        await asyncio.sleep(0.5)
        while _readable(shell):
            pass
        lines = await shell.lines()
        assert "Tfind . -name '*.py' -mtime -1" in lines
        os.close(stuffed)
        shell.close()


@pytest.mark.parametrize(
    "data", [b"v=9\x1fop=suggest\x1fline=x\x1e", b"half of a reco\x1e"], ids=["version", "half"]
)
async def test_a_record_that_is_none_ends_the_file(
    serving: Serving, press: Press, runtime_dir: Path, data: bytes
) -> None:
    async with serving():
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        os.write(shell.ask, data)
        await until(lambda: _ended(shell))
        shell.close()


async def test_a_press_that_breaks_the_daemon_ends_the_file(
    serving: Serving, press: Press, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    async with serving():
        await press("list files", pipes=NAME)
        shell = Shell(runtime_dir)
        monkeypatch.setattr("cmdai_shell.daemon.reply.Reply.send", broken)
        shell.send("list files")
        await until(lambda: _ended(shell))
        monkeypatch.undo()
        assert "Tls -la" in await press("list files", pipes=NAME)
        shell.close()


def _ended(shell: Shell) -> bool:
    try:
        return os.read(shell.answer, 1 << 16) == b""
    except BlockingIOError:
        return False


async def test_files_that_are_not_ours_stay(
    serving: Serving, press: Press, runtime_dir: Path
) -> None:
    (runtime_dir / "quiz.answer").write_text("42")
    (runtime_dir / "1-2.ask").mkdir()
    async with serving():
        assert "Tls -la" in await press("list files")
        assert (runtime_dir / "quiz.answer").read_text() == "42"


async def test_the_first_opening_of_a_new_daemon_frees_whoever_waits_for_the_old_one(
    serving: Serving, runtime_dir: Path
) -> None:
    os.mkfifo(runtime_dir / f"{NAME}.answer")
    with subprocess.Popen(["cat", runtime_dir / f"{NAME}.answer"]) as reader:  # noqa: ASYNC220
        await asyncio.sleep(0.1)
        async with serving():
            await until(lambda: reader.poll() is not None)


async def test_fish_that_has_not_pressed_for_long_goes_back_to_the_socket(
    serving: Serving, press: Press, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipes, "BEAT", 0.02)
    monkeypatch.setattr(pipes, "IDLE", 0.1)
    async with serving():
        await press("list files", pipes=NAME, patience="5")
        assert left(runtime_dir) != set()
        await until(lambda: left(runtime_dir) == set())


async def test_without_timers_fish_gets_no_pipes(
    serving: Serving, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipes, "is_available", lambda: False)
    async with serving():
        lines = await press("list files", pipes=NAME, patience="5")
    assert lines[-1] == "D"
    assert not any(line.startswith("K") for line in lines)


def test_a_daemon_whose_loop_hangs_is_killed() -> None:
    program = """
import asyncio, os, sys, time
from cmdai_shell.daemon import pipes, wire
pipes.BEAT, pipes.DEATH = 0.05, 0.3
async def main():
    folder = os.open(sys.argv[1], os.O_RDONLY)
    async with asyncio.TaskGroup() as group:
        made = pipes.Pipes(folder, None, group, clock=time.monotonic, may_accept=lambda: True)
        record = wire.decode(b"v=1\x1fop=ping\x1fpatience=5\x1fpipes=%d-1" % os.getpid())
        assert made.make(record)
        await asyncio.sleep(0.6)
        print("beats", flush=True)
        time.sleep(30)
asyncio.run(main())
"""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", program, folder],
            capture_output=True, text=True, check=False, timeout=25,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "beats\n")
