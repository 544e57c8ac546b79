"""The real worker process with a scripted model: real pipes, real signals, no weights.

What the person typed decides: "slow" streams for seconds, "deaf" never looks whether it was
cancelled, "killed" is killed by SIGKILL in mid-answer, "stopped" by SIGSTOP, "memory" runs out of
it, "noise" prints on stdout, "endless" has no tokens left at its end, anything else is echoed word
by word. A model file named "never" takes for ever to load, one named "killed" kills the worker.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from typing import TYPE_CHECKING

from cmdai_shell.backends.embedded import pipe, worker
from cmdai_shell.backends.embedded.llama import Aborted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX_S = 7.0
"""What it says that a prefix took it."""


class ScriptedAnswerer:
    lacks = ""

    def __init__(self, load: pipe.Load) -> None:
        if "never" in load.path:
            time.sleep(3600)
        if "killed" in load.path:
            os.kill(os.getpid(), signal.SIGKILL)
        self._prefixes: set[str] = set()

    def answer(
        self, ask: pipe.Ask, send: Callable[[pipe.Reply], None], cancelled: Callable[[], bool]
    ) -> pipe.Finished:
        user = ask.system if ask.user is None else ask.user  # warming evaluates the prefix alone
        new = ask.system not in self._prefixes
        self._prefixes.add(ask.system)
        words = list(self._words(user)) if "slow" not in user else itertools.repeat("slow ")
        for word in words:
            if cancelled() and "deaf" not in user:
                raise Aborted
            send(pipe.Text(id=ask.id, text=word))
            time.sleep(0.02 if "slow" in user else 0)
        evaluated = len((ask.user or "").split()) + new * len(ask.system.split())
        ending: pipe.Ending = "length" if "endless" in user else "done"
        prefix_s = new * PREFIX_S
        return pipe.Finished(id=ask.id, ending=ending, evaluated=evaluated, prefix_s=prefix_s)

    def close(self) -> None:
        pass

    def _words(self, user: str) -> Iterator[str]:
        for word in user.split(" "):
            if word == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if word == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            if word == "memory":
                raise MemoryError
            if word == "noise":
                os.write(1, b"llama.cpp says hello\n")
            yield word + " "


if __name__ == "__main__":
    worker.main(ScriptedAnswerer)
