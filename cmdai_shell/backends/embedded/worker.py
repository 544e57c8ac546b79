"""The child process that holds the model: orders on stdin, replies on stdout (``pipe``).

A crash, an out-of-memory kill or an unload takes this process and never the daemon, and the memory
really returns. It ends itself as soon as the daemon's end of the pipe is gone.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from cmdai_shell.backends.embedded import pipe, threads
from cmdai_shell.backends.embedded.answer import Answerer, TooLong
from cmdai_shell.backends.embedded.llama import Aborted, LoadFailed
from cmdai_shell.observe import cores

if TYPE_CHECKING:
    from collections.abc import Callable

OOM_SCORE = 800
"""Of 1000 (proc(5), oom_score_adj): short of memory, the kernel takes this process first."""
PR_SET_PDEATHSIG = 1  # prctl(2)


class Model(Protocol):
    """What answers; made from a ``pipe.Load``."""

    def answer(
        self,
        ask: pipe.Ask,
        send: Callable[[pipe.Reply], None],
        cancelled: Callable[[], bool],
        /,
    ) -> pipe.Finished: ...

    @property
    def lacks(self) -> str:
        """What is missing though it answers; empty: nothing."""

    def close(self) -> None:
        """End what would otherwise outlive this process."""


class Wire:
    """The pipe as the worker sees it: a thread listens, so that a cancel is heard in mid-flight."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._writing = threading.Lock()
        self._cancelled = 0
        self.orders: queue.SimpleQueue[pipe.Load | pipe.Ask] = queue.SimpleQueue()
        self.model: Model | None = None

    def listen(self) -> None:
        frames = pipe.orders()
        while data := os.read(self._source, 1 << 16):
            for order in frames.feed(data):
                if isinstance(order, pipe.Cancel):
                    self._cancelled = order.id
                elif isinstance(order, pipe.Ping):
                    self.send(pipe.Pong())
                else:
                    self.orders.put(order)
        if self.model:
            self.model.close()
        os._exit(0)  # the daemon is gone; the main thread may be deep in a calculation

    def send(self, reply: pipe.Reply) -> None:
        data = memoryview(pipe.frame(reply))
        with self._writing:
            while data:
                data = data[os.write(self._sink, data) :]

    def cancelled(self, request: int) -> bool:
        """Requests come and end in order: cancelling one covers all before it."""
        return request <= self._cancelled


def serve(wire: Wire, make: Callable[[pipe.Load], Model]) -> None:
    """Load once, then answer until the pipe closes."""
    while True:
        order = wire.orders.get()
        if isinstance(order, pipe.Load):
            wire.model, reply = _load(order, make)
            wire.send(reply)
        elif wire.model is not None:
            wire.send(_answer(wire.model, order, wire))


def _load(
    order: pipe.Load, make: Callable[[pipe.Load], Model]
) -> tuple[Model | None, pipe.Loaded | pipe.Failed]:
    try:
        order = msgspec.structs.replace(order, threads=threads.default(order.threads))
        model = make(order)
    except LoadFailed as error:
        said = [line for line in error.log if "fail" in line or "error" in line.lower()]
        cause = said[:1]  # the rest are its consequences
        short = any(map(pipe.speaks_of_memory, cause))
        what = ": ".join([str(error), *cause])
        return None, pipe.Failed(id=0, trouble="memory" if short else "model", message=what)
    except MemoryError:
        return None, pipe.Failed(id=0, trouble="memory", message="out of memory while loading")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return None, pipe.Failed(id=0, trouble="engine", message=str(error))
    return model, pipe.Loaded(threads=order.threads, lacks=model.lacks)


def _answer(model: Model, ask: pipe.Ask, wire: Wire) -> pipe.Finished | pipe.Failed:
    try:
        return model.answer(ask, wire.send, lambda: wire.cancelled(ask.id))
    except Aborted:
        return pipe.Finished(id=ask.id, ending="cancelled")
    except TooLong as error:
        return pipe.Failed(id=ask.id, trouble="too-long", message=str(error))
    except MemoryError as error:
        return pipe.Failed(id=ask.id, trouble="memory", message=str(error) or "out of memory")
    except ValueError as error:
        return pipe.Failed(id=ask.id, trouble="model", message=str(error))
    except OSError as error:
        return pipe.Failed(id=ask.id, trouble="engine", message=str(error))


def _end_with_parent() -> None:
    """A stopped worker cannot notice the end of its pipe; Linux can end it all the same."""
    if sys.platform != "linux":
        return
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def main(make: Callable[[pipe.Load], Model] = Answerer) -> None:
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the daemon
    cores.none()
    with contextlib.suppress(OSError):  # no /proc, or a container that forbids it
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    sink = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not land in the pipe
    wire = Wire(os.dup(0), sink)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=wire.listen, daemon=True).start()
    serve(wire, make)


if __name__ == "__main__":
    main()
