"""The daemon's end of the worker process: start it, ask it, end it. Nothing here blocks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from typing import TYPE_CHECKING

from cmdai_shell.backends.embedded import pipe
from cmdai_shell.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.core import Prompt

_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_LAST_WORDS = 2000
"""Bytes of stderr kept for the report of a crash."""
HUNG_S = 6.0
"""Seconds without a sign of life, though asked for one, after which a worker counts as hung."""
_END_BY_ITSELF_S = 0.5
"""Seconds a worker has to clean up behind itself before it is killed."""
_END_WITHIN_S = 5.0


class Died(Exception):
    """The process is gone or cannot be understood; the text says how."""

    def __init__(self, message: str, *, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed
        """By a SIGKILL that we did not send: usually the kernel's, short of memory."""


_LOOKS = 1000
"""How often a thread looks for the others before it sleeps: 60 microseconds where measured. There
are hundreds of such waits in a token. Milliseconds a token, two cores, 0.5b, idle and beside a busy
loop on each: never looking 92 and 152 (an idle core takes long to wake), 1000 looks 67 and 153,
10000 looks 59 and 329, without end 50 and thirty times that."""


def environment() -> dict[str, str]:
    """What a child sees. Its threads wait passively, and only after a short look."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": str(_LOOKS),
        "GGML_NO_BACKTRACE": "1",  # it would start a debugger, if there is one
    }


class Child(asyncio.SubprocessProtocol):
    """One worker with one model, from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self._transport: asyncio.SubprocessTransport
        self.loaded: pipe.Loaded | None = None
        self._frames = pipe.replies()
        self._replies: deque[pipe.Reply] = deque()
        self._news = asyncio.Event()
        self._exited = asyncio.Event()
        self._request = 0
        self._silent_s = 0.0
        self._last_words = b""
        self._broken = ""
        self._stopping = False

    @classmethod
    async def start(cls, command: Sequence[str], load: pipe.Load) -> Child:
        """Raises OSError when there is no such program."""
        loop = asyncio.get_running_loop()
        _, child = await loop.subprocess_exec(cls, *command, env=environment())
        child.send(load)
        return child

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101
        self._transport = transport

    @property
    def pid(self) -> int:
        return self._transport.get_pid()

    @property
    def alive(self) -> bool:
        return not (self._exited.is_set() or self._broken)

    # --- orders

    def ask(self, prompt: Prompt, *, prefix_only: bool = False) -> None:
        """What may still come for an earlier request is dropped from now on."""
        self._request += 1
        self._replies.clear()
        self._silent_s = 0.0
        self.send(
            pipe.Ask(
                id=self._request,
                system=prompt.system,
                examples=prompt.examples,
                lora=prompt.for_command,
                near=() if prefix_only else prompt.near,
                user=None if prefix_only else _speakable(prompt.user),
                stop=prompt.stop,
                max_tokens=prompt.max_tokens,
                temperature=prompt.temperature,
                seed=prompt.seed,
            )
        )

    def cancel(self) -> None:
        if self.alive:
            self.send(pipe.Cancel(id=self._request))

    def send(self, order: pipe.Order) -> None:
        stdin = self._transport.get_pipe_transport(0)
        if isinstance(stdin, asyncio.WriteTransport) and not stdin.is_closing():
            stdin.write(pipe.frame(order))

    # --- replies

    async def reply(self, within: float) -> pipe.Reply | None:
        """The next reply to the current request; None after ``within`` silent seconds.

        A silent worker is asked for a sign of life: it gives one also in mid-calculation. Raises
        Died, also for one that gave none several times.
        """
        if not self._replies and self.alive:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._news.wait()
        if self._replies:
            return self._replies.popleft()
        if not self.alive:
            raise Died(self._obituary(), killed=self._killed)
        self._silent_s += within
        if self._silent_s > HUNG_S:
            raise Died(f"gave no sign of life for {HUNG_S:.0f} s")
        self.send(pipe.Ping())
        return None

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._last_words = (self._last_words + data)[-_LAST_WORDS:]
            return
        self._silent_s = 0.0
        try:
            for reply in self._frames.feed(data):
                self._sort(reply)
        except WireError as error:
            self._broken = f"sent {error.message}"
            self._news.set()

    def _sort(self, reply: pipe.Reply) -> None:
        if isinstance(reply, pipe.Pong):
            return
        if isinstance(reply, pipe.Loaded):
            self.loaded = reply
        elif reply.id not in (0, self._request):
            return
        self._replies.append(reply)
        self._news.set()

    def process_exited(self) -> None:
        self._exited.set()
        self._news.set()

    # --- the end

    async def stop(self) -> None:
        """Close its pipe, which ends it in mid-calculation too; kill it if that does not. May be
        called again."""
        self._stopping = True
        if stdin := self._transport.get_pipe_transport(0):
            stdin.close()
        try:
            await self._ended(within=_END_BY_ITSELF_S)
        finally:
            self._transport.close()  # kills, if it is still there
        await self._ended(within=_END_WITHIN_S)

    async def _ended(self, within: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._exited.wait()

    @property
    def _killed(self) -> bool:
        return self._transport.get_returncode() == -signal.SIGKILL and not self._stopping

    def _obituary(self) -> str:
        if self._broken:
            return self._broken
        code = self._transport.get_returncode() or 0
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with status {code}"
        said = self._last_words.decode("utf-8", "replace").strip().splitlines()
        telling = [line for line in said if pipe.speaks_of_memory(line)] or said
        return f"{how}: {telling[-1]}" if telling else how


def _speakable(text: str) -> str:
    """A terminal may hold bytes that are no characters; the model gets a question mark for each."""
    return text.encode("utf-8", "replace").decode()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
