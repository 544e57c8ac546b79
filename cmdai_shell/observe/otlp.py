"""Traces for an OpenTelemetry collector, where the settings name one: OTLP over HTTP, as protobuf.

A thread of its own makes, encodes and sends them, and imports what that takes (the extra ``otlp``).
Names are those of OpenTelemetry's conventions for generative AI (their status: development), and
``cmdai.*`` for the rest. Ids are the trace's own, which servers were told: their spans hang below.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import shlex
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from cmdai_shell import __version__
from cmdai_shell.observe.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

MOST_WAITING = 200
"""Traces that wait for the collector; more are lost."""
AT_ONCE = 32
"""Traces in one message."""
EACH_S = 5.0
"""For one message, with all that is tried again."""
CLOSE_S = 0.5
INSTALL = f"{shlex.quote(sys.executable)} -m pip install 'cmdai-shell[otlp]'"

Kind: TypeAlias = Literal["server", "client", "internal"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A backend: the software, its model and where it is; the embedded model is nowhere."""

    kind: str = ""
    model: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Times are Unix nanoseconds, ids hexadecimal."""

    name: str
    kind: Kind
    trace_id: str
    id: str
    parent_id: str
    began: int
    ended: int
    attributes: Mapping[str, str | int | float | bool]
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the person typed and the command that came of it, where they may be sent."""

    line: str = field(repr=False)
    command: str = field(repr=False)


# --- what is sent


def spans(
    document: Mapping[str, Any], about: Mapping[str, About], words: Words | None = None
) -> list[Span]:
    """Of a trace as ``GET /v1/traces`` tells it: the request, below it its stages, and below the
    one that waits for answers the backends that were asked."""
    root = _root(document, words)
    stages = [_stage(document, stage) for stage in document["stages"]]
    asked = [_attempt(document, one, about, stages) for one in document["attempts"]]
    return [root, *stages, *asked]


def _root(document: Mapping[str, Any], words: Words | None) -> Span:
    outcome = document.get("outcome", "")
    names = ("op", "shell", "outcome", "origin", "risk", "action", "backend", "is_fallback")
    attributes = {f"cmdai.{name}": document[name] for name in names if document.get(name)}
    if words:
        attributes["gen_ai.input.messages"] = _message("user", words.line)
        if words.command:
            attributes["gen_ai.output.messages"] = _message("assistant", words.command)
    is_failed = document.get("origin") == "none" and outcome not in ("hint", "cancelled")
    return Span(
        name=document["op"],
        kind="server",
        trace_id=document["trace_id"],
        id=document["span_id"],
        parent_id=document["parent_id"],
        began=_at(document, 0.0),
        ended=_at(document, document["elapsed_ms"]),
        attributes=attributes | ({"error.type": outcome} if is_failed else {}),
        error=outcome if is_failed else "",
    )


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": redact(text)}]}])


def _stage(document: Mapping[str, Any], stage: Mapping[str, Any]) -> Span:
    return Span(
        name=stage["name"],
        kind="internal",
        trace_id=document["trace_id"],
        id=_fresh(),
        parent_id=document["span_id"],
        began=_at(document, stage["began_ms"]),
        ended=_at(document, stage["began_ms"] + stage["ms"]),
        attributes={},
    )


def _attempt(
    document: Mapping[str, Any],
    asked: Mapping[str, Any],
    about: Mapping[str, About],
    stages: Sequence[Span],
) -> Span:
    there = about.get(asked["id"], About())
    began = _at(document, asked["began_ms"])
    waits = (s.id for s in stages if s.name == "model" and s.ended >= began)
    is_failed = asked["outcome"] == "failed"
    cause = (asked["cause"] or "_OTHER") if is_failed else ""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": there.kind or "unknown",
        "gen_ai.request.model": there.model,
        **_where(there.url),
        "gen_ai.usage.output_tokens": asked["tokens"],
        "error.type": cause,
        "cmdai.backend": asked["id"],
        "cmdai.why": asked["why"],
        "cmdai.outcome": asked["outcome"],
        "cmdai.time_to_first_token_ms": asked["ttft_ms"],
    }
    return Span(
        name=f"chat {there.model}".strip(),
        kind="client" if there.url else "internal",
        trace_id=document["trace_id"],
        id=asked["span_id"] or _fresh(),
        parent_id=next(waits, document["span_id"]),
        began=began,
        ended=_at(document, asked["began_ms"] + asked["elapsed_ms"]),
        attributes={name: value for name, value in attributes.items() if value},
        error=cause,
    )


def _where(url: str) -> dict[str, str | int]:
    if not url:
        return {}
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": parts.hostname or "", "server.port": port}


def _at(document: Mapping[str, Any], ms: float) -> int:
    return int(document["at"] * 1e9 + ms * 1e6)


def _fresh() -> str:
    return os.urandom(8).hex()


# --- sending


class Outbox:
    """To one collector. Nothing is imported and no thread is there before the first trace."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.sent = self.lost = 0
        """Traces."""
        self.problem = self.hint = ""
        """Why the last ones did not get there; empty while they do."""
        self._waiting: queue.Queue[Callable[[], list[Span]] | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._exporter: Any = None

    def put(self, made: Callable[[], list[Span]]) -> None:
        """Takes microseconds, whatever the collector does: the thread calls ``made``."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(made)
        except queue.Full:
            self.lost += 1

    def status(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "sent": self.sent,
            "lost": self.lost,
            "problem": self.problem,
            "hint": self.hint,
        }

    def close(self) -> None:
        """What was put in has got there then, unless that takes longer than CLOSE_S."""
        thread, self._thread = self._thread, None
        if not thread:
            return
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        thread.join(CLOSE_S)
        self._closing.set()
        if self._exporter:
            self._exporter.shutdown()  # it waits to try again, perhaps

    def _run(self) -> None:
        while not self._closing.is_set():
            batch = [self._waiting.get()]
            while len(batch) < AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get())
            if traces := [made for made in batch if made]:
                self._deliver(traces)
            if len(traces) < len(batch):
                return

    def _deliver(self, traces: Sequence[Callable[[], list[Span]]]) -> None:
        hint = ""
        try:
            problem = self._send([span for made in traces for span in made()])
        except ImportError:
            problem, hint = "a package for it is missing", f"{INSTALL}; cmdai-shell daemon restart"
        except Exception as error:  # of no consequence to a press
            problem = f"an error of our own ({type(error).__name__})"
        if problem:
            self.lost += len(traces)
        else:
            self.sent += len(traces)
        if problem and not self.problem:
            log.warning("traces are not delivered", extra={"fields": {"why": problem}})
        self.problem, self.hint = problem, hint

    def _send(self, found: Sequence[Span]) -> str:
        """Why it failed; empty if it did not."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        if self._exporter is None:
            self._exporter = _exporter(self.endpoint)
        result = self._exporter.export([_readable(span) for span in found])
        return "" if result is SpanExportResult.SUCCESS else "the collector does not take them"


def _exporter(endpoint: str) -> Any:
    """What the collector wants to know of us (OTEL_EXPORTER_OTLP_HEADERS, _CERTIFICATE) is in the
    daemon's environment, as OpenTelemetry has it."""
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    # It would write each failure into our log, with what the collector says.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    session = requests.Session()
    session.max_redirects = 0
    session.trust_env = False  # no proxy and no .netrc of the environment, as for servers
    path = "" if urlsplit(endpoint).path.endswith("/v1/traces") else "/v1/traces"
    return OTLPSpanExporter(endpoint + path, timeout=EACH_S, session=session)


def _readable(span: Span) -> ReadableSpan:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(id_: str, *, is_remote: bool) -> SpanContext:
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(span.trace_id, 16), int(id_, 16), is_remote, flags)

    is_remote = span.kind == "server"
    return ReadableSpan(
        span.name,
        context(span.id, is_remote=False),
        context(span.parent_id, is_remote=is_remote) if span.parent_id else None,
        # Not Resource.create: that adds what it finds in the environment.
        Resource({"service.name": "cmdai-shell", "service.version": __version__}),
        span.attributes,
        kind=SpanKind[span.kind.upper()],
        instrumentation_scope=InstrumentationScope("cmdai-shell", __version__),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        start_time=span.began,
        end_time=span.ended,
    )
