"""What happened to each request, in times and names: the last ones in memory. No words of it.

A trace is filled while its request runs, at the cost of an object for each step; what it amounts to
is worked out when somebody reads it. It has the ids of the W3C's Trace Context, and each server
that is asked is told them, so that its own trace of the request can be found.
"""

from __future__ import annotations

import os
import re
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.core import Clock

KEPT = 200
"""Traces in memory."""
MOST_STEPS = 64
"""Of one kind in one trace."""

_PARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass(slots=True)
class Span:
    """One backend asked. Times are on the daemon's clock; 0 where that did not happen."""

    name: str
    id: str
    began: float
    first_at: float = 0.0
    ended: float = 0.0
    outcome: str = "running"
    cause: str = ""
    """Why it failed, in a word."""

    def end(self, now: float, outcome: str, cause: str = "") -> None:
        """Where it has not ended yet."""
        if not self.ended:
            self.ended, self.outcome, self.cause = now, outcome, cause


@dataclass(slots=True)
class Call:
    """The router asked for one answer. ``decision`` is its own account, where it gave one."""

    began: float
    ended: float = 0.0
    decision: Any = None
    backend: str = ""
    model: str = ""
    ttft: float = 0.0
    tokens: int = 0
    is_fallback: bool = False


@dataclass(slots=True)
class Trace:
    id: str
    span_id: str
    parent_id: str
    """The span of who asked us; empty if nobody said."""
    at: float
    """Unix time."""
    began: float
    clock: Clock = field(repr=False)
    op: str = ""
    shell: str = ""
    ready_at: float = 0.0
    """When the configuration and the chain were there."""
    calls: list[Call] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    propagates: bool = True
    """Servers are told its ids."""
    elapsed: float = 0.0
    """Seconds; 0 while it runs."""
    account: dict[str, Any] = field(default_factory=dict)
    """How it ended: words and numbers."""

    def asked(self, name: str) -> Span:
        """From now on ``name`` is asked, in this task."""
        found = Span(name, _hex(8), self.clock())
        if len(self.spans) < MOST_STEPS:
            self.spans.append(found)
        asking.set((self, found))
        return found

    def call(self) -> Call:
        found = Call(self.clock())
        if len(self.calls) < MOST_STEPS:
            self.calls.append(found)
        return found


present: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The one of the request that is being answered."""
asking: ContextVar[tuple[Trace, Span] | None] = ContextVar("asking", default=None)
"""The step that is being taken."""
written: ContextVar[Callable[[], object]] = ContextVar("written")
"""To be called by a backend as soon as it has written the prompt that it was asked, and not for
what it asks before: whether a model is there, or who it is."""
incoming: ContextVar[str] = ContextVar("traceparent", default="")
"""What who asks us said of its own trace."""


def begun(clock: Clock, at: float, began: float) -> Trace:
    """A new trace, part of the one of who asks if that has one."""
    found = _PARENT.fullmatch(incoming.get())
    fresh = _hex(24)
    trace_id, parent = found.groups() if found else (fresh[:32], "")
    return Trace(trace_id, fresh[32:], parent, at, began, clock)


def headers() -> dict[str, str]:
    """What the server is told that is being asked now; nothing outside of a request."""
    step = asking.get()
    if step is None or not step[0].propagates:
        return {}
    return {"traceparent": f"00-{step[0].id}-{step[1].id}-01"}


def prompt_written() -> None:
    """See ``written``; nothing outside of a request."""
    written.get(lambda: None)()


class Traces:
    """The last ones, and those that run."""

    def __init__(self, most: int = KEPT) -> None:
        self._done: deque[Trace] = deque(maxlen=most)
        self._running: dict[int, Trace] = {}

    def __len__(self) -> int:
        return len(self._done)

    def __iter__(self) -> Iterator[Trace]:
        """Oldest first, the running ones last."""
        return iter([*self._done, *self._running.values()])

    def begin(self, trace: Trace) -> None:
        self._running[id(trace)] = trace

    def end(self, trace: Trace) -> None:
        self._running.pop(id(trace), None)
        self._done.append(trace)

    def drop(self, trace: Trace) -> None:
        """It was none."""
        self._running.pop(id(trace), None)


def _hex(size: int) -> str:
    return os.urandom(size).hex()
