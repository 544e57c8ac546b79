"""The embedded model as a backend: a worker process that is started, asked, and ended as needed.

Callers queue; each is told what it waits for, about every ``TICK_S``. A worker that dies takes one
answer with it, never more: the next request starts another.
"""

from __future__ import annotations

import asyncio
import math
import sys
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cmdai_shell.backends.embedded import pipe
from cmdai_shell.backends.embedded.child import Child, Died
from cmdai_shell.backends.embedded.turns import Turns
from cmdai_shell.core import Cold, Cut, Notice
from cmdai_shell.errors import BackendError, BackendUnavailable, CmdaiError, ModelUnavailable
from cmdai_shell.observe.traces import prompt_written

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from cmdai_shell.backends.embedded.catalog import ModelFile
    from cmdai_shell.core import Abilities, Clock, Prompt

TICK_S = 0.7
"""A hook takes silence of more than a second for death."""
_WARM_TICK_S = 0.1
SMALLER = "cmdai-shell model use qwen2.5-coder-0.5b"

_CUT: tuple[pipe.Ending, ...] = ("length", "loop")

State = Literal["unloaded", "loading", "ready", "busy", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """What ``status`` and ``doctor`` show."""

    state: State
    model: str
    pid: int = 0
    rss_bytes: int = 0
    """Resident memory of the worker, the mapped model file included."""
    threads: int = 0
    last_decode_tps: float = 0.0
    """Tokens a second of the last answer, prompt not counted."""
    last_prompt_tokens_evaluated: int = 0
    last_error: str = ""


class EmbeddedBackend:
    """core.Backend on this machine's own CPU.

    ``model`` is called at each request and may raise ModelUnavailable; when it names another
    file, the worker is replaced. ``threads`` 0 means one per usable core. ``idle_unload_s`` needs
    ``run`` to be running; 0 or less keeps the model for ever. ``lora``: with what was learnt for
    the model beside its weights.
    """

    name = "embedded"
    title = "the model on this CPU"
    abilities: Abilities = frozenset()
    worker: Sequence[str] = (sys.executable, "-I", "-m", "cmdai_shell.backends.embedded.worker")
    cure = "pip install --force-reinstall llama-cpp-python"
    """What to type when the engine itself is missing or broken."""

    def __init__(
        self,
        *,
        model: Callable[[], ModelFile],
        threads: int,
        context_tokens: int,
        idle_unload_s: float,
        cache_dir: Path,
        clock: Clock,
        lora: bool = True,
        worker_command: Sequence[str] | None = None,
    ) -> None:
        self._choose = model
        self._threads = threads
        self._context_tokens = context_tokens
        self._lora = lora
        self._idle_unload_s = idle_unload_s
        self._cache_dir = cache_dir
        self._clock = clock
        self._command = tuple(worker_command or self.worker)
        self._turns = Turns()
        self._child: Child | None = None
        self._file: ModelFile | None = None
        self._started = asyncio.Event()
        self._last_used = clock()
        self._last = pipe.Finished(id=0, ending="done")
        self._last_error = ""

    @property
    def model(self) -> str:
        try:
            return self._choose().id
        except ModelUnavailable:
            return ""

    # --- asking

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice, None]:
        """See core.Backend. ``timeout`` is for the whole answer, the loading included."""
        patience = Patience(self._clock, timeout)
        async with aclosing(self._in_turn(prompt, patience)) as pieces:
            async for piece in pieces:
                yield piece

    async def warm(self, prompt: Prompt) -> None:
        """Load the model and evaluate the prompt's prefix, so that the first press need not.

        Steps back for anybody who asks meanwhile, then goes on. Raises what ``stream`` raises.
        """
        while not await self._warmed(prompt):
            pass

    async def _warmed(self, prompt: Prompt) -> bool:
        patience = Patience(self._clock, math.inf, tick=_WARM_TICK_S)
        async with aclosing(self._in_turn(prompt, patience, prefix_only=True)) as steps:
            async for _ in steps:
                if self._turns.wanted:
                    return False
        return True

    async def _in_turn(
        self, prompt: Prompt, patience: Patience, *, prefix_only: bool = False
    ) -> AsyncGenerator[str | Notice, None]:
        turn = self._turns.join()
        try:
            while not await self._turns.served(turn, patience.look()):
                yield patience.notice("waiting for the request before this one")
            child = await self._ready()
            async with aclosing(self._answer(child, prompt, patience, prefix_only)) as pieces:
                async for piece in pieces:
                    yield piece
        except Died as death:
            await self._end()
            raise self._remember(self._explain(death)) from None
        finally:
            self._last_used = self._clock()
            self._turns.leave(turn)

    async def _answer(
        self, child: Child, prompt: Prompt, patience: Patience, prefix_only: bool
    ) -> AsyncGenerator[str | Notice, None]:
        began, was_loaded = self._clock(), child.loaded is not None
        async for notice in self._loading(child, patience):
            yield notice
        loading_s = 0.0 if was_loaded else self._clock() - began
        child.ask(prompt, prefix_only=prefix_only)
        prompt_written()
        doing, finished = "thinking", False
        try:
            while not finished:
                match await child.reply(patience.look()):
                    case pipe.Text(text=text):
                        doing = "writing"
                        yield text
                    case pipe.Reading(done=done, total=total):
                        doing = f"reading the instructions, {100 * done // total} %"
                        if patience.due():
                            yield patience.notice(doing)
                    case pipe.Finished() as last:
                        finished = True
                        if prefix_only:
                            return
                        self._last = last
                        if cold := loading_s + last.prefix_s:
                            yield Cold(seconds=cold)
                        if last.ending in _CUT:
                            yield Cut()
                    case pipe.Failed() as failure:
                        finished = True
                        raise self._remember(self._translate(failure))
                    case _:
                        yield patience.notice(doing)
        finally:
            if not finished:
                child.cancel()

    async def _loading(self, child: Child, patience: Patience) -> AsyncGenerator[Notice, None]:
        """Wait for a worker that may have been loading since an earlier, cancelled request."""
        while child.loaded is None:
            match await child.reply(patience.look()):
                case pipe.Failed() as failure:
                    await self._end()
                    raise self._remember(self._translate(failure))
                case None:
                    yield patience.notice(f"loading {self._name}")
        self._last_error = ""

    # --- the worker's life

    async def _ready(self) -> Child:
        """The worker that has, or is loading, the model that is wanted now."""
        file = self._choose()
        if self._child and not (self._child.alive and file == self._file):
            await self._end()
        if self._child is None:
            self._file = file
            try:
                self._child = await self._start(file)
            except OSError as error:
                raise self._remember(
                    BackendUnavailable(f"the model's process cannot be started: {error}")
                ) from error
            self._started.set()
        return self._child

    async def _start(self, file: ModelFile) -> Child:
        load = pipe.Load(
            path=str(file.path),
            sha256=file.sha256,
            template=file.template,
            lora=str(file.lora) if file.lora and self._lora else "",
            threads=self._threads,
            context_tokens=self._context_tokens,
            cache_dir=str(self._cache_dir / "prefixes"),
        )
        return await Child.start(self._command, load)

    async def run(self) -> None:
        """Unload the model when nobody has asked for ``idle_unload_s``; ends when cancelled."""
        while True:
            await self._started.wait()
            left = self._last_used + self._idle_unload_s - self._clock()
            if self._idle_unload_s <= 0:
                self._started.clear()
            elif left > 0 or self._turns.taken:
                await asyncio.sleep(max(left, TICK_S))
            else:
                await self.unload()

    async def unload(self) -> None:
        """End the worker after the requests that wait now; its memory returns."""
        turn = self._turns.join()
        try:
            await turn
            await self._end()
        finally:
            self._turns.leave(turn)

    async def aclose(self) -> None:
        """End the worker now, whatever it does."""
        await self._end()

    async def _end(self) -> None:
        child, self._child = self._child, None
        self._started.clear()
        if child:
            await child.stop()

    # --- what to tell

    def status(self) -> EngineStatus:
        child, loaded = self._child, self._child and self._child.loaded
        return EngineStatus(
            state=self._state(),
            model=self._name if child else self.model,
            pid=child.pid if child and child.alive else 0,
            rss_bytes=_resident(child.pid) if child and child.alive else 0,
            threads=loaded.threads if loaded else 0,
            last_decode_tps=_rate(self._last),
            last_prompt_tokens_evaluated=self._last.evaluated,
            last_error=self._last_error or (loaded.lacks if loaded else ""),
        )

    def _state(self) -> State:
        if self._child is None or not self._child.alive:
            return "failed" if self._last_error else "unloaded"
        if self._child.loaded is None:
            return "loading"
        return "busy" if self._turns.taken else "ready"

    @property
    def _name(self) -> str:
        return self._file.id if self._file else ""

    def _remember(self, error: CmdaiError) -> CmdaiError:
        self._last_error = error.message
        return error

    def _translate(self, failure: pipe.Failed) -> CmdaiError:
        what = failure.message
        match failure.trouble:
            case "memory":
                message = f"not enough memory for {self._name}: {what}"
                return BackendUnavailable(message, _relief(self._name))
            case "model":
                return ModelUnavailable(f"{self._name}: {what}", "cmdai-shell model verify")
            case "engine":
                message = f"llama.cpp cannot be used: {what}"
                return BackendUnavailable(message, self.cure)
            case "too-long":
                return BackendError(what, "shorten it, or raise context_tokens in [embedded]")

    def _explain(self, death: Died) -> CmdaiError:
        what = str(death)
        short = death.killed or pipe.speaks_of_memory(what)
        hint = _relief(self._name) if short else "try again: a new one is started"
        why = ", perhaps for want of memory" if short else ""
        return BackendUnavailable(f"the model's process {what}{why}", hint)


class Patience:
    """How long to wait, and what to say meanwhile."""

    def __init__(self, clock: Clock, timeout: float, tick: float = TICK_S) -> None:
        self._clock = clock
        self._timeout = timeout
        self._tick = tick
        self._since = self._said = clock()

    def look(self) -> float:
        """Seconds to wait for news before saying something. At the end BackendUnavailable."""
        left = self._since + self._timeout - self._clock()
        if left <= 0:
            raise BackendUnavailable(
                f"the model on this machine had no answer within {self._timeout:.0f} s",
                "try again, or use a smaller model: cmdai-shell model list",
            )
        return min(left, self._tick)

    def due(self) -> bool:
        return self._clock() - self._said >= self._tick

    def notice(self, doing: str) -> Notice:
        self._said = self._clock()
        return Notice(text=f"{doing}, {self._said - self._since:.1f} s")


def _relief(model: str) -> str:
    return "close something large and try again" if model in SMALLER else SMALLER


def _rate(last: pipe.Finished) -> float:
    return (last.generated - 1) / last.decode_s if last.generated > 1 and last.decode_s else 0.0


def _resident(pid: int) -> int:
    import psutil

    try:
        worker = psutil.Process(pid)
        family = [worker, *worker.children(recursive=True)]
        return sum(process.memory_info().rss for process in family)
    except psutil.Error:
        return 0
