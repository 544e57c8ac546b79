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

import msgspec

from cmdai_shell.backends.embedded import pipe, threads
from cmdai_shell.backends.embedded.answer import Answerer, TooLong
from cmdai_shell.backends.embedded.llama import Aborted, LoadFailed

OOM_SCORE = 800
"""Of 1000 (proc(5), oom_score_adj): short of memory, the kernel takes this process first."""
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Wire:
    """The pipe as the worker sees it: a thread listens, so that a cancel is heard in mid-flight."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._writing = threading.Lock()
        self._cancelled = 0
        self.orders: queue.SimpleQueue[pipe.Load | pipe.Ask] = queue.SimpleQueue()

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
        os._exit(0)  # the daemon is gone; the main thread may be deep in a calculation

    def send(self, reply: pipe.Reply) -> None:
        data = memoryview(pipe.frame(reply))
        with self._writing:
            while data:
                data = data[os.write(self._sink, data) :]

    def cancelled(self, request: int) -> bool:
        """Requests come and end in order: cancelling one covers all before it."""
        return request <= self._cancelled


def serve(wire: Wire) -> None:
    """Load once, then answer until the pipe closes."""
    answerer: Answerer | None = None
    while True:
        order = wire.orders.get()
        if isinstance(order, pipe.Load):
            answerer, reply = _load(order)
            wire.send(reply)
        elif answerer is not None:
            wire.send(_answer(answerer, order, wire))


def _load(order: pipe.Load) -> tuple[Answerer | None, pipe.Loaded | pipe.Failed]:
    try:
        order = msgspec.structs.replace(order, threads=threads.default(order.threads))
        answerer = Answerer(order)
    except LoadFailed as error:
        said = [line for line in error.log if "fail" in line or "error" in line.lower()]
        short = any(pipe.speaks_of_memory(line) for line in said)
        what = ": ".join([str(error), *said[-1:]])
        return None, pipe.Failed(id=0, trouble="memory" if short else "model", message=what)
    except MemoryError:
        return None, pipe.Failed(id=0, trouble="memory", message="out of memory while loading")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return None, pipe.Failed(id=0, trouble="engine", message=str(error))
    return answerer, pipe.Loaded(threads=order.threads)


def _answer(answerer: Answerer, ask: pipe.Ask, wire: Wire) -> pipe.Finished | pipe.Failed:
    try:
        return answerer.answer(ask, wire.send, lambda: wire.cancelled(ask.id))
    except Aborted:
        return pipe.Finished(id=ask.id, ending="cancelled")
    except TooLong as error:
        return pipe.Failed(id=ask.id, trouble="too-long", message=str(error))
    except MemoryError as error:
        return pipe.Failed(id=ask.id, trouble="memory", message=str(error) or "out of memory")
    except ValueError as error:
        return pipe.Failed(id=ask.id, trouble="model", message=str(error))


def _end_with_parent() -> None:
    """A stopped worker cannot notice the end of its pipe; Linux can end it all the same."""
    if sys.platform != "linux":
        return
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def main() -> None:
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the daemon
    with contextlib.suppress(OSError):  # no /proc, or a container that forbids it
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    sink = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not land in the pipe
    wire = Wire(os.dup(0), sink)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=wire.listen, daemon=True).start()
    serve(wire)


if __name__ == "__main__":
    main()
