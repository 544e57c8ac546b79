"""Records on this machine's disk alone: what was suggested, from where, at what risk; and traces.

A file of JSON lines that only its owner can read, of bounded size, written by a thread of its own.
A disk that cannot be written fails no request: the log says so, once.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cmdai_shell.observe.private import PrivateFile
from cmdai_shell.observe.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cmdai_shell.core import Suggestion

AUDIT_FILE = "audit.jsonl"
TRACE_FILE = "traces.jsonl"
SIZE, KEPT = 1_000_000, 3
"""Bytes of one file, and how many there are, the one that is written to included."""
MOST_WAITING = 1_000
"""Lines that wait for the disk; more are dropped."""
CLOSE_S = 0.5

log = logging.getLogger(__name__)


class Lines:
    """One such file, and the two before it. Nothing is opened before the first line."""

    def __init__(self, path: Path, *, size: int = SIZE) -> None:
        self.path = path
        self._size = size
        self._waiting: queue.Queue[Callable[[], dict[str, Any]] | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None

    def write(self, made: Callable[[], dict[str, Any]]) -> None:
        """Takes microseconds: the thread makes the entry, of what does not change any more."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self.path.name, daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(made)
        except queue.Full:
            log.warning("lines dropped", extra={"fields": {"file": self.path.name}})

    def close(self) -> None:
        """All that was written is on the disk then, unless that takes longer than CLOSE_S."""
        thread, self._thread = self._thread, None
        if thread:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=CLOSE_S)
                thread.join(CLOSE_S)

    def _run(self) -> None:
        handler = _Private(self.path, self._size)
        while made := self._waiting.get():
            record = logging.LogRecord("audit", logging.INFO, "", 0, "", None, None)
            record.made = made
            handler.handle(record)
        handler.close()


class _Private(PrivateFile):
    def __init__(self, path: Path, size: int) -> None:
        super().__init__(path, maxBytes=size, backupCount=KEPT - 1, encoding="utf-8", delay=True)
        self._path = path
        self._is_told = False

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(record.__dict__["made"](), ensure_ascii=False, default=str)

    def handleError(self, record: logging.LogRecord) -> None:
        if not self._is_told:
            self._is_told = True
            log.warning("not written", extra={"fields": {"file": self._path.name}})


def suggested(found: Suggestion, op: str, shell: str, trace: str, at: float) -> dict[str, Any]:
    """A line of the audit log. The command is the person's own: it stays on this machine, without
    the credentials it may hold."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    return {
        "time": f"{stamp}.{int(at % 1 * 1000):03d}Z",
        "op": op,
        "shell": shell,
        "command": redact(found.command),
        "risk": found.verdict.risk.word,
        "reasons": [redact(reason) for reason in found.verdict.reasons],
        "action": found.action,
        "from": found.backend,
        "is_fallback": found.is_fallback,
        "trace": trace,
    }
